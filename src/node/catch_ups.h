// CatchUps: long answers and beginnings of streams, that wait until the loop has time.
//
// Contract      Each is run once, in order, from an event of its own; after kTurnUs of them others
//               have their turn. While others wait they get a quarter of the time, so that
//               lists are slow under load and single reads and changes are not.
// Thread        The loop's. What is run may add others.
#ifndef SYNOD_NODE_CATCH_UPS_H_
#define SYNOD_NODE_CATCH_UPS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "src/net/asio.h"

namespace synod::node {

class CatchUps {
 public:
  // `others_wait`: there is other work for the loop right now.
  CatchUps(net::asio::io_context& io,
           std::function<int64_t()> clock_us,
           std::function<bool()> others_wait);

  void Add(std::function<void()> work);
  // Runs all at once.
  void Flush();
  size_t size() const { return waiting_.size(); }

 private:
  void Post();
  void Run();
  void RunOne();

  static constexpr int64_t kTurnUs = 1000;
  static constexpr int64_t kPause = 3;  // times as long as the last turn took

  net::asio::io_context& io_;
  const std::function<int64_t()> clock_us_;
  const std::function<bool()> others_wait_;
  std::deque<std::function<void()>> waiting_;
  int64_t rest_until_us_ = 0;
  bool posted_ = false;
  std::shared_ptr<CatchUps*> self_;  // for what is posted
};

}  // namespace synod::node

#endif  // SYNOD_NODE_CATCH_UPS_H_
