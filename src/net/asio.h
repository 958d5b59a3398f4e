// Asio as this project uses it: one include, one set of names.
//
// Contract      Asio and Beast are compiled once, in asio_impl.cc; the macros that say so are
//               public definitions of synod_net, so that every user sees the same declarations. A
//               file that includes Boost.Asio must link synod_net.
// Thread        An io_context is run by one thread (concurrency hint 1): no strands, no locks.
// Tcp           Sockets carry the concrete executor type: the type-erased default costs a virtual
//               call and an allocation an operation.
#ifndef SYNOD_NET_ASIO_H_
#define SYNOD_NET_ASIO_H_

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

namespace synod::net {

namespace asio = boost::asio;
using boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using SteadyTimer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                               asio::wait_traits<std::chrono::steady_clock>,
                                               Executor>;

}  // namespace synod::net

#endif  // SYNOD_NET_ASIO_H_
