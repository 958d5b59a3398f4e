#include "src/client/lock.h"

#include <boost/json/array.hpp>

#include "src/client/claim.h"
#include "src/client/json.h"

namespace synod::client {
namespace {

const char* NameOf(LockMode mode) { return mode == LockMode::kShared ? "shared" : "exclusive"; }

}  // namespace

ClaimRequest Lock::Request(Milliseconds wait) const {
  ClaimRequest request;
  request.target = "/v1/locks" + EncodePath(path_) + "/acquire";
  request.path = path_;
  request.body["mode"] = NameOf(mode_);
  if (limit_ > 1)
    request.body["limit"] = limit_;
  if (options_.lock_delay.count() > 0)
    request.body["lock_delay_ms"] = options_.lock_delay.count();
  if (!options_.value.empty())
    SetValue(options_.value, &request.body);
  request.options = options_;
  request.wait = wait;
  return request;
}

Result<Hold> Lock::Acquire(Milliseconds wait) { return ClaimState::Run(client_, Request(wait)); }
Waiting Lock::Acquire(Milliseconds wait, Callback<Hold> done) {
  return ClaimState::Start(client_, Request(wait), std::move(done));
}

ClaimRequest MultiLock::Request(Milliseconds wait) const {
  ClaimRequest request;
  request.target = "/v1/locks";
  request.path = parts_.empty() ? "" : parts_.front().path;
  boost::json::array locks;
  for (const Part& part : parts_)
    locks.push_back(boost::json::object{{"path", part.path}, {"mode", NameOf(part.mode)}});
  request.body["locks"] = std::move(locks);
  request.options = options_;
  request.wait = wait;
  return request;
}

Result<Hold> MultiLock::Acquire(Milliseconds wait) {
  return ClaimState::Run(client_, Request(wait));
}
Waiting MultiLock::Acquire(Milliseconds wait, Callback<Hold> done) {
  return ClaimState::Start(client_, Request(wait), std::move(done));
}

}  // namespace synod::client
