#include "tests/sim/client_port.h"

#include <utility>

namespace synod::sim {
namespace {

constexpr Time kPatience = 1'500 * kMillisecond;  // beyond the timeout that the request names

}  // namespace

ClientPort::ClientPort(World* world, Random random)
    : world_(world), random_(random), cut_(kNodesMax) {}

Time ClientPort::Latency() { return static_cast<Time>(random_.Between(30, 1'000)); }

ClientPort::AttemptRef ClientPort::Begin(NodeId node,
                                         int64_t timeout_ms,
                                         Done done,
                                         std::optional<Time> given) {
  auto attempt = std::make_shared<Attempt>();
  attempt->id = ++next_;
  attempt->node = node;
  attempt->done = std::move(done);
  attempt->breaks = given.has_value();
  open_[attempt->id] = attempt;
  Time patience = given.value_or(timeout_ms * kMillisecond + kPatience);
  if (world_->swarm.cancels && random_.Chance(8)) {
    // Often soon: most calls end within a few milliseconds.
    const Time limit = random_.Chance(70) ? 5 * kMillisecond : timeout_ms * kMillisecond;
    patience = static_cast<Time>(random_.Below(static_cast<uint64_t>(limit)));
  }
  world_->scheduler.After(patience, [this, attempt] { GiveUp(attempt); });
  return attempt;
}

void ClientPort::GiveUp(const AttemptRef& attempt) {
  if (!open_.contains(attempt->id))
    return;
  ++world_->stats.cancels;
  NodeHost& host = *world_->hosts[attempt->node];
  if (attempt->arrived && host.running() && host.boot() == attempt->boot && attempt->call != 0)
    host.Cancel(attempt->call);
  End(attempt, {.node = attempt->node});
}

void ClientPort::Lose(const AttemptRef& attempt) {
  if (attempt->breaks)
    world_->scheduler.After(kPatience, [this, attempt] { GiveUp(attempt); });
}

void ClientPort::Deliver(const AttemptRef& attempt, std::function<void(NodeHost&)> arrive) {
  world_->scheduler.After(Latency(), [this, attempt, arrive = std::move(arrive)] {
    NodeHost& host = *world_->hosts[attempt->node];
    if (cut_[attempt->node.value])
      Lose(attempt);
    if (cut_[attempt->node.value] || !open_.contains(attempt->id))
      return;
    if (!host.running()) {
      End(attempt, {.kind = Reply::Kind::kRefused, .node = attempt->node});
      return;
    }
    attempt->arrived = true;
    attempt->boot = host.boot();
    host.Input([this, attempt, arrive, &host] {
      if (open_.contains(attempt->id))
        arrive(host);
    });
  });
}

void ClientPort::Answer(const AttemptRef& attempt, Reply reply) {
  reply.node = attempt->node;
  world_->scheduler.After(Latency(), [this, attempt, reply = std::move(reply)] {
    if (cut_[attempt->node.value])
      Lose(attempt);
    else
      End(attempt, reply);
  });
}

void ClientPort::End(const AttemptRef& attempt, Reply reply) {
  if (open_.erase(attempt->id) == 0)
    return;
  const Done done = std::exchange(attempt->done, nullptr);
  done(reply);
}

void ClientPort::OnProcessEnded(NodeId node) {
  for (const auto& [id, attempt] : open_) {
    if (attempt->node != node || !attempt->arrived)
      continue;
    Answer(attempt, {.kind = Reply::Kind::kLost});
  }
}

void ClientPort::Change(NodeId node,
                        machine::Command command,
                        int64_t timeout_ms,
                        Done done,
                        std::optional<Time> patience) {
  const AttemptRef attempt = Begin(node, timeout_ms, std::move(done), patience);
  Deliver(attempt, [this, attempt, command = std::move(command), timeout_ms](NodeHost& host) {
    const Result<node::CallId> call =
        host.Change(command, timeout_ms, [this, attempt](const ChangeReply& r) {
          Reply reply{.kind = r.answer ? Reply::Kind::kAnswer : Reply::Kind::kError};
          if (r.answer) {
            reply.answer = *r.answer;
            reply.revision = r.answer->revision;
            reply.time = r.answer->time;
          } else {
            reply.error = r.answer.error();
          }
          Answer(attempt, std::move(reply));
        });
    if (call)
      attempt->call = *call;
    else
      Answer(attempt, {.kind = Reply::Kind::kError, .error = call.error()});
  });
}

void ClientPort::Read(NodeId node,
                      const node::ReadRequest& request,
                      machine::Query query,
                      Done done,
                      const auth::Principal& who) {
  const AttemptRef attempt = Begin(node, request.timeout_ms, std::move(done));
  Deliver(attempt, [this, attempt, request, query = std::move(query), who](NodeHost& host) {
    const auto answer = [this, attempt](const ReadReply& r) {
      Reply reply{.kind = r.served ? Reply::Kind::kAnswer : Reply::Kind::kError};
      if (r.served)
        reply.read = r.result;
      else
        reply.error = r.result.error();
      reply.revision = r.revision;
      reply.served_at = r.served_at;
      reply.time = r.time;
      Answer(attempt, std::move(reply));
    };
    attempt->call = host.Read(request, query, answer, who);
  });
}

}  // namespace synod::sim
