#include "src/client/election.h"

#include <boost/json/serialize.hpp>

#include "src/client/claim.h"
#include "src/client/core.h"
#include "src/client/json.h"
#include "src/client/stream.h"

namespace synod::client {
namespace {

std::optional<Leader> LeaderOf(const boost::json::object& json) {
  const auto* found = json.if_contains("leader");
  if (found == nullptr || !found->is_object())
    return std::nullopt;
  const boost::json::object& object = found->get_object();
  Leader leader;
  leader.token = NumberOf(object, "token");
  leader.lease = NumberOf(object, "lease");
  leader.since_revision = NumberOf(object, "since_revision");
  ValueOf(object, &leader.value);
  return leader;
}

void Post(Client& client, std::string target, boost::json::object body, Callback<Unit> done) {
  Call call;
  call.method = "POST";
  call.target = std::move(target);
  call.headers = {{"Content-Type", "application/json"}};
  call.body = boost::json::serialize(body);
  client.Send(std::move(call), [done = std::move(done)](Result<Answer> answer) {
    const Result<Answer> result = OkOrError(std::move(answer));
    done(result ? Done() : Status(result.error()));
  });
}

}  // namespace

std::string Election::Target(const char* action) const {
  return "/v1/elections" + EncodePath(path_) + action;
}

ClaimRequest Election::Request(Milliseconds wait) const {
  ClaimRequest request;
  request.target = Target("/campaign");
  request.path = path_;
  if (!options_.value.empty())
    SetValue(options_.value, &request.body);
  request.options = options_;
  request.wait = wait;
  return request;
}

Result<Hold> Election::Campaign(Milliseconds wait) {
  return ClaimState::Run(client_, Request(wait));
}
Waiting Election::Campaign(Milliseconds wait, Callback<Hold> done) {
  return ClaimState::Start(client_, Request(wait), std::move(done));
}

void Election::Proclaim(const Hold& leadership, const std::string& value, Callback<Unit> done) {
  boost::json::object body{{"token", leadership.token()}};
  SetValue(value, &body);
  Post(client_, Target("/proclaim"), std::move(body), std::move(done));
}
Status Election::Proclaim(const Hold& leadership, const std::string& value) {
  return Await<Unit>(client_, [&](auto done) { Proclaim(leadership, value, std::move(done)); });
}

void Election::Transfer(const Hold& leadership, uint64_t to_lease, Callback<Unit> done) {
  Post(client_, Target("/transfer"), {{"token", leadership.token()}, {"to", to_lease}},
       std::move(done));
}
Status Election::Transfer(const Hold& leadership, uint64_t to_lease) {
  return Await<Unit>(client_, [&](auto done) { Transfer(leadership, to_lease, std::move(done)); });
}

void Election::Current(Callback<std::optional<Leader>> done) {
  Call call;
  call.target = Target("");
  client_.Send(std::move(call), [done = std::move(done)](Result<Answer> answer) {
    const Result<Answer> result = OkOrError(std::move(answer));
    if (!result)
      return done(result.error());
    done(LeaderOf(JsonObject(result->reply.body)));
  });
}
Result<std::optional<Leader>> Election::Current() {
  return Await<std::optional<Leader>>(client_, [&](auto done) { Current(std::move(done)); });
}

std::unique_ptr<Election::Observation> Election::Observe(
    std::function<void(const std::optional<Leader>&)> on_leader,
    std::function<void(const Error&)> on_end) {
  Stream::Handlers handlers;
  handlers.on_change = [on_leader = std::move(on_leader)](const boost::json::object& json,
                                                          std::string_view) {
    on_leader(LeaderOf(json));
  };
  handlers.on_end = std::move(on_end);
  auto stream = std::make_shared<Stream>(client_.core().runtime(), client_.core().calls,
                                         Target("/observe"), 0, std::move(handlers));
  client_.core().runtime().Post([weak = std::weak_ptr(stream)] {
    if (const auto opened = weak.lock())
      opened->Open();
  });
  return std::unique_ptr<Observation>(new Observation(client_, std::move(stream)));
}

Election::Observation::~Observation() {
  RunOnLoop(client_, [&] { stream_->Close(); });
}

}  // namespace synod::client
