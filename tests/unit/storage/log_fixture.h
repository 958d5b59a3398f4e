// LogFixture: a log on a simulated disk, and a model of what it must give back.
//
// Contract      Every request that is handed to Append is remembered in order. After a crash the
//               log must hold a prefix of them that includes everything acknowledged:
//               ExpectRecovered compares hard state and votes with the model at the recovered gen.
// Thread        One.
#ifndef SYNOD_TESTS_UNIT_STORAGE_LOG_FIXTURE_H_
#define SYNOD_TESTS_UNIT_STORAGE_LOG_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/storage/acceptor_log.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {

inline consensus::AcceptedEntry Vote(uint64_t slot, uint64_t round, std::string payload) {
  consensus::AcceptedEntry e;
  e.slot = Slot(slot);
  e.ballot = Ballot{round, NodeId(1)};
  e.entry.kind = consensus::EntryKind::kCommand;
  e.entry.origin = e.ballot;
  e.entry.payload = std::make_shared<const std::string>(std::move(payload));
  return e;
}

inline std::string Describe(const consensus::AcceptedEntry& e) {
  return std::to_string(e.slot.value) + "@" + std::to_string(e.ballot.round) + "." +
         std::to_string(e.ballot.node.value) + (e.chosen ? "!" : "") + ":" +
         std::to_string(static_cast<int>(e.entry.kind)) + ":" +
         std::to_string(e.entry.origin.round) + ":" + *e.entry.payload;
}

class LogFixture {
 public:
  LogFixture() {
    options.segment_bytes = 64 << 10;
    options.keep_bytes = 128 << 10;
    options.seed = 7;
  }

  Status Open(Slot state_slot = Slot(0)) {
    log.reset();
    Result<std::unique_ptr<AcceptorLog>> opened =
        AcceptorLog::Open(fs, kDir, options, state_slot, &recovered);
    if (!opened)
      return opened.error();
    log = std::move(opened.value());
    return Done();
  }

  // Appends the entries with `learned` of the hard state raised to the given slot.
  Status Append(std::vector<consensus::AcceptedEntry> entries, uint64_t learned = 0) {
    consensus::PersistRequest request;
    request.hard_state = hard_state;
    for (const auto& e : entries)
      request.hard_state.promised = std::max(request.hard_state.promised, e.ballot);
    request.hard_state.learned = std::max(request.hard_state.learned, Slot(learned));
    request.hard_state.commit_hint = request.hard_state.learned;
    request.entries = std::move(entries);
    hard_state = request.hard_state;
    history.push_back(request);
    Status ok = log->Append({&history.back(), 1});
    if (ok)
      acknowledged = history.size();
    return ok;
  }

  // After Open: a prefix of the history, with everything acknowledged in it. Forgets the rest.
  void ExpectRecovered(Slot state_slot = Slot(0)) {
    const uint64_t gen = recovered.gen;
    ASSERT_GE(gen, acknowledged) << "acknowledged records are missing";
    ASSERT_LE(gen, history.size());
    history.resize(gen);
    acknowledged = gen;
    hard_state = gen == 0 ? consensus::HardState{} : history.back().hard_state;
    EXPECT_TRUE(recovered.hard_state == hard_state);
    std::map<Slot, std::string> expected;
    for (const auto& request : history)
      for (const auto& e : request.entries)
        if (e.slot > state_slot)
          expected[e.slot] = Describe(e);
    std::map<Slot, std::string> got;
    Slot before{0};
    for (const auto& e : recovered.entries) {
      EXPECT_GT(e.slot, before);
      before = e.slot;
      got[e.slot] = Describe(e);
    }
    EXPECT_EQ(got, expected);
  }

  std::vector<std::string> Segments() {
    std::vector<std::string> paths;
    for (const std::string& name : fs.List(kDir).value())
      if (name.ends_with(".log") && !name.starts_with("damaged"))
        paths.push_back(kDir + ("/" + name));
    return paths;
  }

  static constexpr const char* kDir = "/data/log";
  SimFileSystem fs;
  AcceptorLogOptions options;
  std::unique_ptr<AcceptorLog> log;
  consensus::Recovered recovered;

  std::vector<consensus::PersistRequest> history;
  uint64_t acknowledged = 0;
  consensus::HardState hard_state;
};

}  // namespace synod::storage

#endif  // SYNOD_TESTS_UNIT_STORAGE_LOG_FIXTURE_H_
