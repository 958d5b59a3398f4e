#include "src/client/client.h"

#include "src/client/asio_runtime.h"
#include "src/client/core.h"

namespace synod::client {

Client::Client(std::vector<Endpoint> endpoints, Credentials credentials) {
  const size_t count = endpoints.size();
  SYNOD_CHECK(count > 0);
  core_ = std::make_unique<Core>(
      std::make_unique<AsioRuntime>(std::move(endpoints), std::move(credentials)), count);
}
Client::Client(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Client::~Client() {
  core_->runtime().Stop();
  closing_ = true;
  // Here, while this object is whole: calls that are dropped drop leases and watches.
  core_.reset();
}

void Client::Send(Call call, Callback<Answer> done) {
  core_->runtime().Post(
      [this, call = std::move(call), done = std::move(done)] { core_->calls.Start(call, done); });
}

Result<Answer> Client::Send(Call call) {
  return Await<Answer>(
      *this, [&](Callback<Answer> done) { core_->calls.Start(std::move(call), std::move(done)); });
}

Result<Answer> Client::Stream(Call call, std::function<void(std::string_view)> on_data) {
  return Await<Answer>(*this, [&](Callback<Answer> done) {
    core_->calls.Start(std::move(call), std::move(done), std::move(on_data));
  });
}

}  // namespace synod::client
