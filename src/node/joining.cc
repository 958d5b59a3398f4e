#include "src/node/joining.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "src/base/hash.h"
#include "src/node/log.h"

namespace synod::node {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kRequestTimeout{2000};
constexpr std::chrono::milliseconds kPauseMin{200};
constexpr std::chrono::milliseconds kPauseMax{5000};
// A node that answers may be behind the one that entered us; one that never lists us tells that we
// were removed again.
constexpr int kListingsMax = 20;
constexpr std::chrono::milliseconds kListingPause{100};

Error Unexpected(const std::string& what) { return {Errc::kInternal, Outcome::kNotApplied, what}; }

std::string TextOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? "" : std::string(*text);
}

std::optional<uint64_t> NumberOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr)
    return std::nullopt;
  boost::system::error_code error;
  const uint64_t number = value->to_number<uint64_t>(error);
  return error ? std::nullopt : std::optional(number);
}

std::optional<NodeId> ToId(const json::value* value) {
  if (value == nullptr)
    return std::nullopt;
  boost::system::error_code error;
  const auto id = value->to_number<uint32_t>(error);
  return error || id == 0 ? std::nullopt : std::optional(NodeId(id));
}

std::optional<std::vector<NodeId>> IdsOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_array())
    return std::nullopt;
  std::vector<NodeId> ids;
  for (const json::value& item : value->get_array()) {
    const std::optional<NodeId> id = ToId(&item);
    if (!id || (!ids.empty() && *id <= ids.back()))
      return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

std::string Joined(const std::vector<std::string>& urls) {
  std::string all;
  for (const std::string& url : urls) all += (all.empty() ? "" : ", ") + url;
  return all;
}

std::vector<client::Endpoint> Endpoints(const std::vector<std::string>& urls) {
  std::vector<client::Endpoint> endpoints;
  for (const std::string& url : urls) endpoints.push_back(client::ParseEndpoint(url).value());
  return endpoints;
}

std::string WhyNot(const client::Answer& answer) {
  const std::string detail = answer.ProblemDetail();
  return std::to_string(answer.reply.status) + " " + answer.ProblemCode() +
         (detail.empty() ? "" : ": " + detail);
}

}  // namespace

Result<ClusterView> ParseClusterView(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* cluster = error ? nullptr : value.if_object();
  if (cluster == nullptr)
    return Unexpected("the answer is no JSON object");
  ClusterView view;
  view.cluster_id = TextOf(*cluster, "cluster_id");
  if (!Hash128::FromHex(view.cluster_id))
    return Unexpected("the answer names no cluster");
  const json::value* members = cluster->if_contains("members");
  if (members == nullptr || !members->is_array())
    return Unexpected("the answer lists no members");
  for (const json::value& item : members->get_array()) {
    const json::object* m = item.if_object();
    const std::optional<NodeId> id = m == nullptr ? std::nullopt : ToId(m->if_contains("id"));
    if (!id)
      return Unexpected("the answer lists a member without an id");
    const Result<HostPort> peer = ParseHostPort(TextOf(*m, "peer_url"));
    if (!peer)
      return Unexpected("the peer_url of member " + std::to_string(id->value) + " " +
                        peer.error().detail);
    const json::value* voter = m->if_contains("voter");
    view.members[*id] = {TextOf(*m, "name"), *peer,
                         voter != nullptr && voter->is_bool() && voter->get_bool()};
  }
  return view;
}

Result<Entered> ParseEntered(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* answer = error ? nullptr : value.if_object();
  if (answer == nullptr)
    return Unexpected("the answer is no JSON object");
  const std::optional<NodeId> id = ToId(answer->if_contains("id"));
  const std::optional<uint64_t> version = NumberOf(*answer, "version");
  std::optional<std::vector<NodeId>> voters = IdsOf(*answer, "voters");
  std::optional<std::vector<NodeId>> learners = IdsOf(*answer, "learners");
  if (!id || !version || !voters || voters->empty() || !learners)
    return Unexpected("the answer names no member or no membership");
  Entered entered{*id, {*version, *std::move(voters), *std::move(learners), NodeId()}};
  if (!entered.membership.IsLearner(*id))
    return Unexpected("member " + std::to_string(id->value) + " is no learner");
  const NodeId highest =
      std::max(entered.membership.voters.back(), entered.membership.learners.back());
  entered.membership.next_member = highest + 1;
  return entered;
}

Joining::Joining(net::asio::io_context& io,
                 const std::vector<std::string>& urls,
                 client::Credentials credentials,
                 Self self,
                 std::function<void(Joined)> done)
    : io_(io),
      asked_(node::Joined(urls)),
      self_(std::move(self)),
      done_(std::move(done)),
      client_(Endpoints(urls), std::move(credentials)),
      thread_([this] { Run(); }) {}

Joining::~Joining() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  *alive_ = false;
  wake_.notify_all();
  thread_.join();
}

std::string Joining::progress() const {
  const std::lock_guard lock(mutex_);
  return "is entering the cluster of " + asked_ + (problem_.empty() ? "" : "; " + problem_);
}

void Joining::Note(const std::string& problem) {
  LogWarn("not in the cluster yet", {{"asked", asked_}, {"reason", problem}});
  const std::lock_guard lock(mutex_);
  problem_ = problem;
}

bool Joining::Pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stop_; });
}

void Joining::Run() {
  std::chrono::milliseconds pause = kPauseMin;
  do {
    Result<Joining::Joined> joined = Attempt();
    if (joined) {
      net::asio::post(io_, [this, alive = alive_, joined = *std::move(joined)]() mutable {
        if (*alive)
          done_(std::move(joined));
      });
      return;
    }
    Note(joined.error().detail);
    pause = std::min(2 * pause, kPauseMax);
  } while (Pause(pause));
}

Result<Joining::Joined> Joining::Attempt() {
  // Asked first, so that what is no member of a cluster is never asked to enter anybody.
  if (const Result<ClusterView> cluster = Ask(); !cluster)
    return cluster.error();
  Result<Entered> entered = Enter();
  if (!entered)
    return entered.error();
  for (int i = 0; i < kListingsMax; ++i) {
    Result<ClusterView> cluster = Ask();
    if (!cluster)
      return cluster.error();
    const auto own = cluster->members.find(entered->id);
    if (own != cluster->members.end()) {
      // Whoever promoted this number had another directory in mind: this one has promised nothing.
      if (own->second.voter)
        return Unexpected("member " + std::to_string(entered->id.value) +
                          " votes already, which this empty node must not: remove that member");
      return Joining::Joined{entered->id, std::move(entered->membership), *std::move(cluster)};
    }
    if (!Pause(kListingPause))
      return Unexpected("stopped");
  }
  ++refusals_;
  return Unexpected("entered as member " + std::to_string(entered->id.value) +
                    ", which is not listed: it was removed again");
}

Result<ClusterView> Joining::Ask() {
  client::Call call;
  call.target = "/v1/cluster";
  call.timeout = kRequestTimeout;
  const Result<client::Answer> answer = client_.Send(std::move(call));
  if (!answer)
    return answer.error();
  if (!answer->ok())
    return Unexpected("GET /v1/cluster: " + WhyNot(*answer));
  return ParseClusterView(answer->reply.body);
}

Result<Entered> Joining::Enter() {
  json::object body{{"peer_url", self_.peer_address}, {"client_url", self_.client_url}};
  if (!self_.name.empty())
    body["name"] = self_.name;
  client::Call call;
  call.method = "POST";
  call.target = "/v1/cluster/members?timeout_ms=1500";
  call.body = json::serialize(body);
  call.headers = {{"Content-Type", "application/json"},
                  {"Idempotency-Key", "join-" + self_.uuid + "-" + std::to_string(refusals_)}};
  call.timeout = kRequestTimeout;
  const Result<client::Answer> answer = client_.Send(std::move(call));
  if (!answer)
    return answer.error();
  if (!answer->ok()) {
    if (answer->reply.status < 500 && answer->reply.status != 429)
      ++refusals_;
    return Unexpected("POST /v1/cluster/members: " + WhyNot(*answer));
  }
  return ParseEntered(answer->reply.body);
}

}  // namespace synod::node
