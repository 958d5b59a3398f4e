// DiskGuard: how full the disk is, and the reserve that lets a node start when it is full.
//
// Contract      Every second the free space is told to the loop; disk_limits.h says what follows.
// Reserve       A file of zeros that is given up at start when the disk is nearly full: opening the
//               log and the state writes. Made anew when there is room; not in the first minute
//               of a process, which has other things to do.
// Thread        Methods: the loop's thread. Measuring and writing: a thread of its own.
// Errors        What cannot be measured or written is logged once and tried again.
#ifndef SYNOD_NODE_DISK_GUARD_H_
#define SYNOD_NODE_DISK_GUARD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "src/net/asio.h"
#include "src/node/disk_limits.h"
#include "src/node/disk_threads.h"
#include "src/storage/file_system.h"

namespace synod::node {

class DiskGuard {
 public:
  using Measured = std::function<void(const DiskSpace&)>;
  DiskGuard(net::asio::io_context& io,
            storage::FileSystem& fs,
            std::string dir,
            const DiskLimits& limits,
            Measured measured);
  ~DiskGuard();

  // Before anything else of the directory is opened. True if the reserve was given up.
  static Result<bool> MakeRoom(storage::FileSystem& fs,
                               const std::string& dir,
                               const DiskLimits& limits);

  struct View {
    DiskSpace space;
    uint64_t soft = 0;
    uint64_t hard = 0;
    bool has_reserve = false;
  };
  const View& view() const { return view_; }

 private:
  void Schedule();
  void Measure(bool may_write);
  Result<View> Look(bool may_write);
  Status WriteReserve();

  net::asio::io_context& io_;
  storage::FileSystem& fs_;
  const std::string dir_;
  const DiskLimits limits_;
  const Measured measured_;
  net::asio::steady_timer timer_;
  uint64_t rounds_ = 0;
  View view_;
  std::string told_;  // the failure that was logged last; of the worker
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what was posted to the loop
  std::atomic<bool> stopping_ = false;
  Worker worker_;  // last: its jobs use what stands above
};

}  // namespace synod::node

#endif  // SYNOD_NODE_DISK_GUARD_H_
