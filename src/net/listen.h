// ListenOn: an open, bound, listening socket, or why not.
//
// Contract      `host` is a numeric address, a name (its first address counts), or empty for every
//               IPv4 address; port 0 lets the kernel choose. Blocks while a name is resolved: for
//               start-up only.
#ifndef SYNOD_NET_LISTEN_H_
#define SYNOD_NET_LISTEN_H_

#include <string>

#include "src/base/error.h"
#include "src/net/asio.h"

namespace synod::net {

Result<Acceptor> ListenOn(asio::io_context& io, const std::string& host, uint16_t port);

}  // namespace synod::net

#endif  // SYNOD_NET_LISTEN_H_
