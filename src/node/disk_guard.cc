#include "src/node/disk_guard.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "src/node/log.h"

namespace synod::node {
namespace {

constexpr std::chrono::seconds kMeasureEvery{1};
constexpr uint64_t kReserveAfterRounds = 60;
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
constexpr std::chrono::milliseconds kPause{20};  // between pieces: the appends come first

std::string ReservePath(const std::string& dir) { return dir + "/reserve"; }

}  // namespace

Result<bool> DiskGuard::MakeRoom(storage::FileSystem& fs,
                                 const std::string& dir,
                                 const DiskLimits& limits) {
  if (!fs.Exists(ReservePath(dir)))
    return false;
  Result<uint64_t> free = fs.FreeBytes(dir);
  if (!free)
    return free.error();
  if (free.value() >= limits.reserve_bytes)
    return false;
  if (Status ok = fs.Remove(ReservePath(dir)); !ok)
    return ok.error();
  LogWarn("the disk is nearly full: the reserve is given up so that this node can start",
          {{"free_bytes", free.value()}, {"reserve_bytes", limits.reserve_bytes}});
  return true;
}

DiskGuard::DiskGuard(net::asio::io_context& io,
                     storage::FileSystem& fs,
                     std::string dir,
                     const DiskLimits& limits,
                     Measured measured)
    : io_(io),
      fs_(fs),
      dir_(std::move(dir)),
      limits_(limits),
      measured_(std::move(measured)),
      timer_(io) {
  Schedule();
}

DiskGuard::~DiskGuard() {
  stopping_ = true;
  *alive_ = false;
}

void DiskGuard::Schedule() {
  worker_.Post([this, may_write = rounds_++ >= kReserveAfterRounds] { Measure(may_write); });
}

Result<DiskGuard::View> DiskGuard::Look(bool may_write) {
  Result<uint64_t> free = fs_.FreeBytes(dir_);
  if (!free)
    return free.error();
  Result<uint64_t> total = fs_.TotalBytes(dir_);
  if (!total)
    return total.error();
  View view{{free.value(), total.value()},
            limits_.Soft(total.value()),
            limits_.Hard(total.value()),
            fs_.Exists(ReservePath(dir_))};
  // Only where it does not bring about the level that it is meant for.
  const uint64_t needed = view.soft + view.soft / 8 + limits_.reserve_bytes;
  if (!may_write || view.has_reserve || limits_.reserve_bytes == 0 || free.value() <= needed)
    return view;
  if (Status ok = WriteReserve(); !ok)
    return ok.error();
  view.has_reserve = true;
  return view;
}

void DiskGuard::Measure(bool may_write) {
  const Result<View> view = Look(may_write);
  const std::string failure = view ? "" : view.error().detail;
  if (failure != std::exchange(told_, failure) && !view)
    LogWarn("the disk cannot be looked after", {{"error", failure}});
  net::asio::post(io_, [this, view, alive = alive_] {
    if (!*alive)
      return;
    if (view) {
      view_ = *view;
      measured_(view_.space);
    }
    timer_.expires_after(kMeasureEvery);
    timer_.async_wait([this, alive](const boost::system::error_code& error) {
      if (!error && *alive)
        Schedule();
    });
  });
}

Status DiskGuard::WriteReserve() {
  const std::string tmp = ReservePath(dir_) + ".tmp";
  if (fs_.Exists(tmp))
    if (Status ok = fs_.Remove(tmp); !ok)
      return ok;
  Result<std::unique_ptr<storage::File>> file = fs_.Open(tmp, storage::FileSystem::Mode::kCreate);
  if (!file)
    return file.error();
  const std::string zeros(kPieceBytes, '\0');
  for (uint64_t at = 0; at < limits_.reserve_bytes && !stopping_; at += kPieceBytes) {
    const uint64_t n = std::min(kPieceBytes, limits_.reserve_bytes - at);
    if (Status ok = file.value()->Write(at, std::string_view(zeros).substr(0, n)); !ok)
      return ok;
    std::this_thread::sleep_for(kPause);
  }
  if (stopping_)
    return Done();
  if (Status ok = file.value()->Sync(); !ok)
    return ok;
  return fs_.Rename(tmp, ReservePath(dir_));
}

}  // namespace synod::node
