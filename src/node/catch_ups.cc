#include "src/node/catch_ups.h"

#include <utility>

namespace synod::node {

CatchUps::CatchUps(net::asio::io_context& io,
                   std::function<int64_t()> clock_us,
                   std::function<bool()> others_wait)
    : io_(io),
      clock_us_(std::move(clock_us)),
      others_wait_(std::move(others_wait)),
      self_(std::make_shared<CatchUps*>(this)) {}

void CatchUps::Add(std::function<void()> work) {
  waiting_.push_back(std::move(work));
  Post();
}

void CatchUps::Post() {
  if (std::exchange(posted_, true))
    return;
  net::asio::post(io_, [weak = std::weak_ptr<CatchUps*>(self_)] {
    if (const auto self = weak.lock())
      (*self)->Run();
  });
}

void CatchUps::RunOne() {
  const std::function<void()> work = std::move(waiting_.front());
  waiting_.pop_front();
  work();
}

void CatchUps::Run() {
  posted_ = false;
  const int64_t begin_us = clock_us_();
  int64_t now_us = begin_us;
  // The others keep the loop from sleeping, so that asking again each time costs next to nothing.
  if (begin_us >= rest_until_us_ || !others_wait_()) {
    while (!waiting_.empty() && now_us - begin_us < kTurnUs) {
      RunOne();
      now_us = clock_us_();
    }
    rest_until_us_ = now_us + kPause * (now_us - begin_us);
  }
  if (!waiting_.empty())
    Post();
}

void CatchUps::Flush() {
  while (!waiting_.empty()) RunOne();
}

}  // namespace synod::node
