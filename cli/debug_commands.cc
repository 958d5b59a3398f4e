// debug: the files of a node that does not run, read and never written
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "src/offline/describe.h"
#include "src/offline/replay.h"
#include "src/offline/stopped_node.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct DebugOptions {
  std::string data_dir;
  std::string snapshot;
  uint64_t from = 0;
  uint64_t to = UINT64_MAX;
  bool to_given = false;
  std::string kind;
};

int Fail(const Error& error) {
  std::fprintf(stderr, "synod: %s\n", error.detail.c_str());
  return error.code == Errc::kInvalidRequest ? kUsage : kError;
}

unsigned long long Wide(uint64_t n) { return n; }

std::string BallotText(const Ballot& ballot) {
  return std::to_string(ballot.round) + "." + std::to_string(ballot.node.value);
}

json::object EntryJson(const offline::LoggedTurn& turn,
                       const consensus::AcceptedEntry& entry,
                       const offline::EntryText& text) {
  json::array commands;
  for (const std::string& command : text.commands) commands.push_back(json::value(command));
  json::object out;
  out["segment"] = turn.segment;
  out["record"] = turn.gen;
  out["slot"] = entry.slot.value;
  out["ballot"] = BallotText(entry.ballot);
  out["origin"] = BallotText(entry.entry.origin);
  out["chosen"] = entry.chosen;
  out["kind"] = text.kind;
  out["bytes"] = entry.entry.payload->size();
  out["time"] = text.time.value;
  out["commands"] = std::move(commands);
  return out;
}

void PrintEntry(const offline::LoggedTurn& turn,
                const consensus::AcceptedEntry& entry,
                const offline::EntryText& text) {
  std::printf("%llu  ballot %s  %s", Wide(entry.slot.value), BallotText(entry.ballot).c_str(),
              text.kind.c_str());
  if (entry.entry.origin != entry.ballot)
    std::printf("  of ballot %s", BallotText(entry.entry.origin).c_str());
  if (text.kind == "command")
    std::printf("  time %lld", static_cast<long long>(text.time.value));
  std::printf("  %zu bytes  record %llu%s\n", entry.entry.payload->size(), Wide(turn.gen),
              entry.chosen ? "  chosen" : "");
  for (const std::string& command : text.commands)
    std::printf("    %s\n", Printable(command).c_str());
}

int RunLog(Session& session, const DebugOptions& o) {
  auto node = offline::StoppedNode::Open(o.data_dir);
  if (!node)
    return Fail(node.error());
  const auto each = [&](const offline::LoggedTurn& turn) -> Status {
    for (const consensus::AcceptedEntry& entry : turn.body.entries) {
      if (entry.slot.value < o.from || entry.slot.value > o.to)
        continue;
      const offline::EntryText text = offline::Describe(entry.entry);
      if (!o.kind.empty() && o.kind != text.kind)
        continue;
      if (session.json())
        PrintJson(EntryJson(turn, entry, text));
      else
        PrintEntry(turn, entry, text);
    }
    return Done();
  };
  const Result<offline::LogSummary> summary = (*node)->VisitLog(each);
  if (!summary)
    return Fail(summary.error());
  const consensus::HardState& hard = summary->hard_state;
  if (!session.json())
    std::printf("%llu records in %llu segments; promised %s, learned %llu, first slot %llu%s\n",
                Wide(summary->records), Wide(summary->segments), BallotText(hard.promised).c_str(),
                Wide(hard.learned.value), Wide(hard.first_slot.value),
                summary->torn ? "; the last append was cut short" : "");
  return kOk;
}

struct Verified {
  offline::LogSummary log;
  Slot state_slot;
  Slot slot;
  Revision revision;
  Digest digest;
};

// The log's chain, the state against its digest, and what is known to be chosen on top of it.
Result<Verified> Verify(const std::string& data_dir) {
  auto node = offline::StoppedNode::Open(data_dir);
  if (!node)
    return node.error();
  Result<offline::LogSummary> log =
      (*node)->VisitLog([](const offline::LoggedTurn&) { return Done(); });
  if (!log)
    return log.error();
  Result<machine::Machine> machine = (*node)->LoadState();
  if (!machine)
    return machine.error();
  Result<consensus::Recovered> recovered = (*node)->RecoverLog((*node)->state_slot());
  if (!recovered)
    return recovered.error();
  Result<uint64_t> applied =
      offline::ApplyLog(*recovered, recovered->hard_state.learned, &*machine);
  if (!applied)
    return applied.error();
  machine->CheckInvariants();
  return Verified{*log, (*node)->state_slot(), machine->applied(), machine->revision(),
                  machine->digest()};
}

int RunVerify(Session& session, const DebugOptions& o) {
  const Result<Verified> verified = Verify(o.data_dir);
  if (!verified)
    return Fail(verified.error());
  if (session.json())
    PrintJson({{"ok", true},
               {"records", verified->log.records},
               {"segments", verified->log.segments},
               {"torn", verified->log.torn},
               {"state_slot", verified->state_slot.value},
               {"slot", verified->slot.value},
               {"revision", verified->revision.value},
               {"digest", verified->digest.sum.Hex()}});
  else
    std::printf(
        "ok: %llu records in %llu segments form one chain, the state of slot %llu has its digest\n"
        "slot %llu  revision %llu  digest %s\n",
        Wide(verified->log.records), Wide(verified->log.segments), Wide(verified->state_slot.value),
        Wide(verified->slot.value), Wide(verified->revision.value),
        verified->digest.sum.Hex().c_str());
  return kOk;
}

int PrintNodes(Session& session, const machine::Machine& machine, const std::string& root) {
  constexpr size_t kPage = 10'000;
  std::string after;
  for (bool more = true; more;) {
    const auto page = machine.tree().List(root, store::ListScope::kSubtree, kPage, after, {});
    if (!page)
      return kOk;  // the locks' root is there from the first lock on
    for (const store::NodeView& view : page->nodes) {
      const store::NodeState& node = *view.node;
      if (session.json())
        PrintJson({{"path", view.path},
                   {"bytes", node.value.size()},
                   {"version", node.version},
                   {"create_revision", node.create_revision.value},
                   {"mod_revision", node.mod_revision.value},
                   {"lease", node.lease.value}});
      else
        std::printf(
            "%s  %zu bytes  version %llu  revision %llu%s\n", Printable(view.path).c_str(),
            node.value.size(), Wide(node.version), Wide(node.mod_revision.value),
            node.lease.value == 0 ? "" : ("  lease " + std::to_string(node.lease.value)).c_str());
    }
    more = page->more && !page->nodes.empty();
    if (more)
      after = page->nodes.back().path;
  }
  return kOk;
}

int RunState(Session& session, const DebugOptions& o) {
  auto node = offline::StoppedNode::Open(o.data_dir);
  if (!node)
    return Fail(node.error());
  const Result<machine::Machine> machine = (*node)->LoadState();
  if (!machine)
    return Fail(machine.error());
  const machine::Machine::Counts counts = machine->counts();
  json::object head;
  head["cluster_id"] = (*node)->identity().cluster_id.Hex();
  head["member"] = (*node)->identity().member_id.value;
  head["slot"] = machine->applied().value;
  head["revision"] = machine->revision().value;
  head["time"] = machine->time().value;
  head["digest"] = machine->digest().sum.Hex();
  head["nodes"] = counts.nodes;
  head["leases"] = counts.leases;
  head["locks"] = counts.locks;
  head["holders"] = counts.holders;
  head["waiters"] = counts.waiters;
  head["idempotency_records"] = counts.idempotency_records;
  head["compact_revision"] = counts.floor.value;
  if (session.json())
    PrintJson(head);
  else
    for (const auto& field : head)
      std::printf("%s  %s\n", std::string(field.key()).c_str(), Text(head, field.key()).c_str());
  PrintNodes(session, *machine, "/");
  return PrintNodes(session, *machine, "/.synod");
}

int RunReplay(Session& session, const DebugOptions& o) {
  const std::optional<Slot> to = o.to_given ? std::optional(Slot(o.to)) : std::nullopt;
  const Result<offline::Replayed> replayed =
      offline::Replay(o.snapshot, o.data_dir, to, [](uint64_t) {});
  if (!replayed)
    return Fail(replayed.error());
  const auto& compared = replayed->compared;
  if (session.json()) {
    json::object out;
    out["from"] = replayed->from.value;
    out["to"] = replayed->to.value;
    out["entries"] = replayed->entries;
    out["revision"] = replayed->revision.value;
    out["time"] = replayed->time.value;
    out["digest"] = replayed->digest.sum.Hex();
    if (compared) {
      out["checkpoint_slot"] = compared->slot.value;
      out["checkpoint_digest"] = compared->checkpoint.sum.Hex();
      out["same"] = compared->same();
    }
    PrintJson(out);
  } else {
    std::printf("slots %llu to %llu, %llu entries: revision %llu, digest %s\n",
                Wide(replayed->from.value), Wide(replayed->to.value), Wide(replayed->entries),
                Wide(replayed->revision.value), replayed->digest.sum.Hex().c_str());
    if (compared)
      std::printf("the node's checkpoint at slot %llu %s\n", Wide(compared->slot.value),
                  compared->same() ? "has the same digest" : "has ANOTHER digest");
  }
  return compared && !compared->same() ? kError : kOk;
}

}  // namespace

void AddDebugCommands(CLI::App* app, Run* run) {
  auto o = std::make_shared<DebugOptions>();
  auto* group =
      app->add_subcommand("debug", "look at the files of a stopped node; nothing is written");
  group->require_subcommand(1);
  group->footer(
      "DIR is the data directory of a node that does not run.\n"
      "Examples:\n"
      "  synod debug log /var/lib/synod --from 1000 --to 1010\n"
      "  synod -o json debug log /var/lib/synod --kind command | jq .commands\n"
      "  synod debug verify /var/lib/synod\n"
      "  synod debug replay --snapshot backup.snap --log /var/lib/synod\n"
      "Exit codes: 0 done and as it must be, 1 damaged, digests differ, or the node runs, 2 bad "
      "usage.");
  const auto slots = [&](CLI::App* command) {
    command->add_option("--to", o->to, "last slot")->each([o](const std::string&) {
      o->to_given = true;
    });
  };

  auto* log = group->add_subcommand("log", "the votes in the acceptor's log, oldest first");
  log->add_option("dir", o->data_dir, "data directory")->required();
  log->add_option("--from", o->from, "first slot");
  slots(log);
  log->add_option("--kind", o->kind, "only entries of this kind")
      ->check(CLI::IsMember({"noop", "leader_start", "command", "config"}));
  log->callback([=] { *run = [o](Session& s) { return RunLog(s, *o); }; });

  auto* verify = group->add_subcommand("verify", "check the log's chain and the state's digest");
  verify->add_option("dir", o->data_dir, "data directory")->required();
  verify->callback([=] { *run = [o](Session& s) { return RunVerify(s, *o); }; });

  auto* state = group->add_subcommand("state", "what the last checkpoint holds, without values");
  state->add_option("dir", o->data_dir, "data directory")->required();
  state->callback([=] { *run = [o](Session& s) { return RunState(s, *o); }; });

  auto* replay = group->add_subcommand(
      "replay", "run a slice of the log over a snapshot and compare the digests");
  replay->add_option("--snapshot", o->snapshot, "a backup of the same cluster")->required();
  replay->add_option("--log", o->data_dir, "data directory")->required();
  slots(replay);
  replay->callback([=] { *run = [o](Session& s) { return RunReplay(s, *o); }; });
}

}  // namespace synod::cli
