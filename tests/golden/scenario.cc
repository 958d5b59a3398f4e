#include "tests/golden/scenario.h"

#include <algorithm>
#include <sstream>

#include "tests/golden/describe.h"

namespace synod::golden {

using consensus::Cluster;
using consensus::Config;
using consensus::Packet;
using consensus::Role;

std::string Scenario::Run(const std::string& text) {
  out_.clear();
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("  ", 0) == 0)
      continue;  // the old transcript
    out_ += line + "\n";
    if (line.rfind("> ", 0) == 0)
      Execute(Parse(line.substr(2)));
  }
  if (cluster_ && !cluster_->fault().empty())
    Say("FAULT: " + cluster_->fault());
  return out_;
}

Scenario::Command Scenario::Parse(const std::string& line) {
  Command command;
  std::istringstream in(line);
  in >> command.verb;
  for (std::string word; in >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos)
      command.words.push_back(word);
    else
      command.options[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return command;
}

uint64_t Scenario::NumberOf(const Command& c, const std::string& key, uint64_t otherwise) {
  const auto it = c.options.find(key);
  return it == c.options.end() ? otherwise : std::stoull(it->second);
}

void Scenario::Say(const std::string& line, int depth) {
  out_ += std::string(2 + 2 * static_cast<size_t>(depth), ' ') + line + "\n";
}

void Scenario::Execute(const Command& command) {
  if (command.verb == "cluster") {
    MakeCluster(command);
    return;
  }
  if (!cluster_) {
    Say("error: no cluster yet");
    return;
  }
  if (!ExecuteInput(command) && !ExecuteQuiet(command))
    Say("error: unknown command " + command.verb);
}

void Scenario::MakeCluster(const Command& command) {
  const auto size = static_cast<uint32_t>(std::stoul(command.words.at(0)));
  cluster_ = std::make_unique<Cluster>(size, 1, [&](Config* config) {
    config->window_slots = NumberOf(command, "window", config->window_slots);
    config->message_bytes_max = NumberOf(command, "message_bytes", config->message_bytes_max);
    config->cache_bytes = NumberOf(command, "cache_bytes", config->cache_bytes);
  });
  applied_.assign(size + 1, 0);
  persists_.assign(size + 1, 0);
  shown_packet_ = 0;
  held_.clear();
}

// Commands whose every step is shown.
bool Scenario::ExecuteInput(const Command& c) {
  const auto node = c.words.empty() ? 0u : static_cast<uint32_t>(std::stoul(c.words[0]));
  if (c.verb == "tick") {
    Tick(c);
    return true;
  }
  if (c.verb == "deliver" || c.verb == "drop") {
    Deliver(c, c.verb == "deliver");
    return true;
  }
  if (c.verb == "persist") {
    cluster_->Persist(node, NumberOf(c, "count", SIZE_MAX));
  } else if (c.verb == "crash") {
    cluster_->Crash(node);
    persists_[node] = 0;
  } else if (c.verb == "restart") {
    cluster_->Restart(node);
    applied_[node] = std::min(applied_[node], cluster_->Applied(node).size());
  } else if (c.verb == "propose") {
    if (!cluster_->Propose(node, c.words.at(1)))
      Say("refused");
  } else if (c.verb == "read") {
    cluster_->Read(node, std::stoull(c.words.at(1)));
  } else if (c.verb == "transfer") {
    if (cluster_->Transfer(node, static_cast<uint32_t>(NumberOf(c, "to", 0))).has_error())
      Say("refused");
  } else if (c.verb == "gone") {
    cluster_->PeerGone(node, static_cast<uint32_t>(NumberOf(c, "peer", 0)));
  } else {
    return false;
  }
  Observe();
  return true;
}

// Commands that only set the scene.
bool Scenario::ExecuteQuiet(const Command& c) {
  const auto node = c.words.empty() ? 0u : static_cast<uint32_t>(std::stoul(c.words[0]));
  if (c.verb == "settle") {
    cluster_->Settle();
  } else if (c.verb == "run") {
    cluster_->Run(static_cast<uint32_t>(NumberOf(c, "ticks", 1)));
  } else if (c.verb == "elect") {
    for (int i = 0; i < 1000 && !cluster_->replica(node).IsLeader(); ++i) {
      cluster_->Tick(node);
      cluster_->Settle();
    }
    if (!cluster_->replica(node).IsLeader())
      Say("error: not elected");
  } else if (c.verb == "cut") {
    cluster_->Cut(node, static_cast<uint32_t>(std::stoul(c.words.at(1))));
  } else if (c.verb == "heal") {
    cluster_->Heal();
  } else if (c.verb == "hold") {
    auto& packets = cluster_->packets();
    for (size_t i = 0; i < packets.size();) {
      if (Matches(c, packets[i])) {
        held_.push_back(packets[i]);
        cluster_->DropAt(i);
      } else {
        ++i;
      }
    }
  } else if (c.verb == "release") {
    for (const Packet& packet : held_) cluster_->packets().push_back(packet);
    held_.clear();
  } else if (c.verb == "show") {
    Show(node);
  } else {
    return false;
  }
  SkipObserved();
  return true;
}

void Scenario::Tick(const Command& command) {
  const auto node = static_cast<uint32_t>(std::stoul(command.words.at(0)));
  const auto until = command.options.find("until");
  const auto reached = [&] {
    const Role role = cluster_->replica(node).role();
    return until->second == "leader" ? role == Role::kLeader : role != Role::kFollower;
  };
  if (until != command.options.end()) {
    for (int i = 0; i < 1000 && !reached(); ++i) cluster_->Tick(node);
  } else {
    for (uint64_t i = 0; i < NumberOf(command, "count", 1); ++i) cluster_->Tick(node);
  }
  Observe();
}

bool Scenario::Matches(const Command& command, const Packet& packet) const {
  const auto type = command.options.find("type");
  const bool type_fits = type == command.options.end() || type->second == Name(packet.message);
  return type_fits && NumberOf(command, "from", packet.from.value) == packet.from.value &&
         NumberOf(command, "to", packet.to.value) == packet.to.value;
}

void Scenario::Deliver(const Command& command, bool deliver) {
  const auto dropped = command.options.find("drop");
  const std::string drop = dropped == command.options.end() ? "" : dropped->second;
  auto& packets = cluster_->packets();
  // Only what is under way now: the answers are a step of their own.
  const uint64_t last =
      packets.empty() ? 0 : std::max_element(packets.begin(), packets.end(), [](auto& a, auto& b) {
                              return a.number < b.number;
                            })->number;
  for (size_t i = 0; i < packets.size();) {
    const Packet packet = packets[i];
    if (packet.number > last || !Matches(command, packet)) {
      ++i;
      continue;
    }
    const std::string where =
        std::to_string(packet.from.value) + ">" + std::to_string(packet.to.value);
    const bool lost = !deliver || drop.find(std::to_string(packet.to.value)) != std::string::npos ||
                      !cluster_->IsUp(packet.to.value);
    Say(where + " " + Describe(packet.message) + (lost ? " (lost)" : ""));
    if (lost)
      cluster_->DropAt(i);
    else
      cluster_->DeliverAt(i);
    Observe();
  }
}

void Scenario::Observe() {
  for (uint32_t n = 1; n <= cluster_->size(); ++n) {
    const std::string node = std::to_string(n);
    for (const std::string& event : cluster_->TakeEvents(n)) Say(node + " " + event, 1);
    for (const auto& request : cluster_->UnsyncedRequests(n)) {
      if (request.id.value > persists_[n])
        Say(node + " persist " + Describe(request), 1);
      persists_[n] = std::max(persists_[n], request.id.value);
    }
    const auto& applied = cluster_->Applied(n);
    for (size_t& i = applied_[n]; i < applied.size(); ++i)
      Say(node + " applies " + std::to_string(i + 1) + ":" + Describe(applied[i].entry), 1);
    for (const auto& grant : cluster_->TakeGrants(n))
      Say(node + " grants read " + std::to_string(grant.read_id) + " at " +
              std::to_string(grant.index.value),
          1);
    for (const uint64_t id : cluster_->TakeFailedReads(n))
      Say(node + " fails read " + std::to_string(id), 1);
  }
  for (const Packet& packet : cluster_->packets()) {
    if (packet.number <= shown_packet_)
      continue;
    shown_packet_ = packet.number;
    Say(std::to_string(packet.from.value) + ">" + std::to_string(packet.to.value) + " " +
            Describe(packet.message),
        1);
  }
}

void Scenario::SkipObserved() {
  const std::string before = out_;
  Observe();
  out_ = before;
}

void Scenario::Show(uint32_t n) {
  if (!cluster_->IsUp(n)) {
    Say("down");
    return;
  }
  const consensus::Replica& replica = cluster_->replica(n);
  static constexpr const char* kRoles[] = {"follower", "candidate", "leader"};
  Say(std::string(kRoles[static_cast<size_t>(replica.role())]) + " ballot=" +
      Describe(replica.ballot()) + " commit=" + std::to_string(replica.commit().value) +
      " learned=" + std::to_string(replica.learned().value) +
      " durable=" + std::to_string(replica.durable_learned().value));
  std::string votes;
  for (const auto& [slot, vote] : cluster_->DiskVotes(n))
    votes += " " + std::to_string(slot.value) + ":" + Describe(vote.entry);
  Say("disk promised=" + Describe(cluster_->Disk(n).promised) + votes);
}

}  // namespace synod::golden
