#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace synod::sim {
namespace {

constexpr Time kNoticeMax = 30 * kMillisecond;  // a reset is seen within this
constexpr Time kRetryMin = 5 * kMillisecond;
constexpr Time kRetryMax = 120 * kMillisecond;
constexpr uint64_t kBytesPerMicrosecond = 100;

Time Draw(Random* random, Time low, Time high) {
  return static_cast<Time>(
      random->Between(static_cast<uint64_t>(low), static_cast<uint64_t>(high)));
}

}  // namespace

SimNetwork::SimNetwork(Scheduler* scheduler, Random random, const Swarm& swarm)
    : scheduler_(scheduler),
      random_(random),
      swarm_(swarm),
      processes_(kNodesMax),
      directions_(kNodesMax * kNodesMax),
      live_(kNodesMax * kNodesMax),
      connecting_(kNodesMax * kNodesMax) {}

void SimNetwork::Register(NodeId node, Endpoint* endpoint) {
  processes_[node.value].endpoint = endpoint;
}

Time SimNetwork::Delay(const Direction& d) {
  return Draw(&random_, swarm_.latency_min, swarm_.latency_max) + d.extra;
}

void SimNetwork::InOrder(NodeId from, NodeId to, Time delay, std::function<void()> what) {
  Direction& d = Dir(from, to);
  d.last_arrival = std::max(d.last_arrival + 1, scheduler_->now() + delay);
  scheduler_->At(d.last_arrival, std::move(what));
}

void SimNetwork::ProcessStarted(NodeId node, uint64_t boot) {
  processes_[node.value].running = true;
  processes_[node.value].boot = boot;
  for (uint32_t p = 1; p < kNodesMax; ++p)
    if (p != node.value && processes_[p].running)
      ConnectSoon(node, NodeId(p), Draw(&random_, kMillisecond, kRetryMax));
}

void SimNetwork::ProcessEnded(NodeId node, End how) {
  processes_[node.value].running = false;
  for (uint32_t p = 1; p < kNodesMax; ++p) {
    const NodeId peer(p);
    if (peer == node || processes_[p].endpoint == nullptr)
      continue;
    Direction& mine = Dir(node, peer);
    mine.up = false;
    mine.held.clear();
    const uint64_t connection = std::exchange(Live(node, peer), 0);
    if (connection == 0)
      continue;
    // That it is gone for good shows when a new connection is refused: both ways must be open.
    const bool reachable = !mine.blocked && !Dir(peer, node).blocked;
    if (how != End::kPowerCut && reachable)
      scheduler_->After(Draw(&random_, 200, kNoticeMax), [=, this] {
        TellDown(peer, node, connection, how == End::kKilled && !processes_[node.value].running);
      });
    else
      scheduler_->After(swarm_.silence_max + Draw(&random_, 0, kSecond),
                        [=, this] { TellDown(peer, node, connection, false); });
  }
}

void SimNetwork::Send(NodeId from, NodeId to, const std::string& frame) {
  ++stats_.frames;
  Direction& d = Dir(from, to);
  if (!d.up || d.connection != Live(from, to)) {
    ++stats_.lost;
    return;
  }
  auto shared = std::make_shared<const std::string>(frame);
  if (d.blocked) {
    HoldBack(from, to, std::move(shared));
    return;
  }
  if (swarm_.datagrams && !healed_) {
    if (random_.Chance(swarm_.loss_percent)) {
      ++stats_.lost;
      return;
    }
    if (random_.Chance(swarm_.duplicate_percent)) {
      ++stats_.duplicated;
      Carry(from, to, shared);
    }
  }
  Carry(from, to, std::move(shared));
}

void SimNetwork::Carry(NodeId from, NodeId to, std::shared_ptr<const std::string> frame) {
  Direction& d = Dir(from, to);
  const uint64_t connection = d.connection;
  const Time delay = Delay(d) + static_cast<Time>(frame->size() / kBytesPerMicrosecond);
  auto arrive = [=, this] { Arrive(from, to, connection, *frame); };
  if (swarm_.datagrams && !healed_)
    scheduler_->After(delay, std::move(arrive));
  else
    InOrder(from, to, delay, std::move(arrive));
}

void SimNetwork::Arrive(NodeId from, NodeId to, uint64_t connection, const std::string& frame) {
  // What was on its way when the connection broke is lost; so is what overtook the news that the
  // connection is up.
  const Direction& back = Dir(to, from);
  if (!processes_[to.value].running || !back.up || back.connection != connection) {
    ++stats_.lost;
    return;
  }
  processes_[to.value].endpoint->OnFrame(from, frame);
}

void SimNetwork::HoldBack(NodeId from, NodeId to, std::shared_ptr<const std::string> frame) {
  Direction& d = Dir(from, to);
  if (swarm_.datagrams || d.held.size() >= kHeldMax)
    ++stats_.lost;
  else
    d.held.push_back(std::move(frame));
  if (std::exchange(d.breaking, true))
    return;
  scheduler_->After(swarm_.silence_max, [=, this, connection = d.connection] {
    Direction& silent = Dir(from, to);
    silent.breaking = false;
    if (silent.blocked && Live(from, to) == connection)
      Break(from, to, kSecond);
  });
}

void SimNetwork::Block(NodeId from, NodeId to) { Dir(from, to).blocked = true; }

void SimNetwork::Unblock(NodeId from, NodeId to) {
  Direction& d = Dir(from, to);
  d.blocked = false;
  for (auto& frame : std::exchange(d.held, {}))
    if (d.up && d.connection == Live(from, to))
      Carry(from, to, std::move(frame));
}

void SimNetwork::SetExtraDelay(NodeId a, NodeId b, Time extra) {
  Dir(a, b).extra = extra;
  Dir(b, a).extra = extra;
}

void SimNetwork::Reset(NodeId a, NodeId b) {
  if (Live(a, b) == 0)
    return;
  ++stats_.resets;
  Break(a, b, kNoticeMax);
}

void SimNetwork::Heal() {
  healed_ = true;
  for (uint32_t a = 1; a < kNodesMax; ++a)
    for (uint32_t b = 1; b < kNodesMax; ++b) {
      if (a == b)
        continue;
      Dir(NodeId(a), NodeId(b)).extra = 0;
      Unblock(NodeId(a), NodeId(b));
    }
}

void SimNetwork::Break(NodeId a, NodeId b, Time notice_max) {
  const uint64_t connection = std::exchange(Live(a, b), 0);
  Dir(a, b).held.clear();
  Dir(b, a).held.clear();
  scheduler_->After(Draw(&random_, 100, notice_max),
                    [=, this] { TellDown(a, b, connection, false); });
  scheduler_->After(Draw(&random_, 100, notice_max),
                    [=, this] { TellDown(b, a, connection, false); });
  ConnectSoon(a, b, Draw(&random_, kRetryMin, kRetryMax));
}

void SimNetwork::TellDown(NodeId end, NodeId peer, uint64_t connection, bool gone) {
  Direction& d = Dir(end, peer);
  if (!processes_[end.value].running || !d.up || d.connection != connection)
    return;
  d.up = false;
  d.held.clear();
  processes_[end.value].endpoint->OnPeerDown(peer, gone);
}

void SimNetwork::TellUp(NodeId end, NodeId peer, uint64_t connection, uint64_t boot) {
  Process& process = processes_[end.value];
  if (!process.running || Live(end, peer) != connection)
    return;
  Direction& d = Dir(end, peer);
  // A new Hello ends the old connection; another boot id in it says that the old process is gone.
  if (d.up)
    TellDown(end, peer, d.connection, d.peer_boot != boot);
  d.up = true;
  d.connection = connection;
  d.peer_boot = boot;
  process.endpoint->OnPeerUp(peer, boot);
}

void SimNetwork::ConnectSoon(NodeId a, NodeId b, Time delay) {
  const size_t pair = Index(std::min(a, b), std::max(a, b));
  if (connecting_[pair])
    return;
  connecting_[pair] = true;
  scheduler_->After(delay, [=, this] {
    connecting_[pair] = false;
    TryConnect(a, b);
  });
}

void SimNetwork::TryConnect(NodeId a, NodeId b) {
  const Process& pa = processes_[a.value];
  const Process& pb = processes_[b.value];
  if (!pa.running || !pb.running || Live(a, b) != 0)
    return;
  if (Dir(a, b).blocked || Dir(b, a).blocked || !Admits(a, b) || !Admits(b, a)) {
    ConnectSoon(a, b, Draw(&random_, kRetryMin, kRetryMax));
    return;
  }
  const uint64_t connection = ++next_connection_;
  Live(a, b) = connection;
  const uint64_t boot_a = pa.boot;
  const uint64_t boot_b = pb.boot;
  InOrder(a, b, Delay(Dir(a, b)), [=, this] { TellUp(b, a, connection, boot_a); });
  InOrder(b, a, Delay(Dir(b, a)), [=, this] { TellUp(a, b, connection, boot_b); });
}

bool SimNetwork::Admits(NodeId end, NodeId peer) {
  if (!processes_[end.value].endpoint->Refuses(peer))
    return true;
  scheduler_->After(Delay(Dir(end, peer)), [this, peer, boot = processes_[peer.value].boot] {
    const Process& told = processes_[peer.value];
    if (told.running && told.boot == boot)
      told.endpoint->OnToldRemoved();
  });
  return false;
}

}  // namespace synod::sim
