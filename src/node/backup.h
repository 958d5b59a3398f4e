// Backup: one state on its way to one client.
//
// Contract      Streams the snapshot as fast as the client takes it and no faster: a thread of its
//               own reads and encodes, and goes on when what it gave was taken, so that a slow
//               client holds neither the loop nor more than kAheadBytes of memory. If the state
//               cannot be read to its end the connection breaks, and the missing trailer tells.
// Thread        The loop's; the thread inside touches the state alone.
#ifndef SYNOD_NODE_BACKUP_H_
#define SYNOD_NODE_BACKUP_H_

#include <functional>
#include <memory>

#include "src/net/asio.h"
#include "src/net/http_server.h"
#include "src/storage/snapshot_file.h"
#include "src/storage/state_store.h"

namespace synod::node {

class Backup {
 public:
  static constexpr size_t kAheadBytes = size_t{2} << 20;

  // `head` is the answer without its body. `done` is called once, when the client has everything or
  // nothing more will come.
  Backup(net::asio::io_context& io,
         std::shared_ptr<net::Exchange> exchange,
         net::HttpResponse head,
         std::shared_ptr<storage::StateSnapshot> state,
         storage::SnapshotHeader header,
         std::function<void()> done);
  // Breaks off if it is not done.
  ~Backup();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_BACKUP_H_
