// The version of the rules, and what follows from comparing digests.
#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

using Kind = LogEntry::Kind;

Digest D(uint64_t n) { return {{n, n}}; }
CheckDigests CheckOf(uint64_t slot, const std::vector<std::pair<uint32_t, uint64_t>>& reports) {
  CheckDigests check{Slot(slot), 2, {}};
  for (const auto& [id, digest] : reports) check.reports.push_back({NodeId(id), D(digest)});
  return check;
}
std::set<NodeId> Ids(std::vector<uint32_t> ids) {
  std::set<NodeId> set;
  for (const uint32_t id : ids) set.insert(NodeId(id));
  return set;
}

class VersionsTest : public MachineTest {
 protected:
  // What a restart finds.
  void ExpectKept() { ExpectKept(machine()); }
  void ExpectKept(const Machine& kept) {
    const Machine loaded = Loaded(kept);
    EXPECT_EQ(loaded.version(), kept.version());
    EXPECT_EQ(loaded.digest_check().slot, kept.digest_check().slot);
    EXPECT_EQ(loaded.digest_check().agreed, kept.digest_check().agreed);
    EXPECT_EQ(loaded.digest_check().digest, kept.digest_check().digest);
    EXPECT_EQ(loaded.digest_check().diverged, kept.digest_check().diverged);
  }
};

TEST_F(VersionsTest, TheVersionIsThatOfTheHighestEntryThatTookEffect) {
  Replayed log(auth::Settings(), 3);
  log.Apply(Kind::kLeaderStart, ballot_);
  const auto apply = [&](uint32_t version, Ballot origin) {
    log.Apply(Kind::kCommand, origin, EncodeBatch(now(), {}, version));
    return log.machine.version();
  };
  EXPECT_EQ(log.machine.version(), 1U);
  EXPECT_EQ(apply(1, ballot_), 1U);
  EXPECT_EQ(apply(3, {0, NodeId(1)}), 1U) << "an entry of a deposed leader";
  EXPECT_EQ(apply(2, ballot_), 2U);
  // Proposed before the leader had applied the raise.
  EXPECT_EQ(apply(1, ballot_), 2U);
  EXPECT_EQ(apply(3, ballot_), 3U);
  ExpectKept(log.machine);
}

TEST_F(VersionsTest, AnEntryOfANewerVersionIsToldBeforeItIsApplied) {
  const Bytes newer = EncodeBatch(now(), {}, kMachineVersion + 1);
  const Bytes present = EncodeBatch(now(), {}, kMachineVersion);
  EXPECT_TRUE(machine().Understands({machine().applied() + 1, Kind::kCommand, ballot_, present}));
  EXPECT_FALSE(machine().Understands({machine().applied() + 1, Kind::kCommand, ballot_, newer}));
  EXPECT_DEATH(log_.Apply(Kind::kCommand, ballot_, newer), "batch");
  // Its rest may have any form.
  Bytes strange = newer + "what the future brings";
  EXPECT_FALSE(machine().Understands({machine().applied() + 1, Kind::kCommand, ballot_, strange}));
}

TEST_F(VersionsTest, WhoIsNotWithTheMajorityIsKnownAsDiverged) {
  EXPECT_TRUE(machine().digest_check().agreed);
  Do(CheckOf(100, {{1, 7}, {2, 7}, {3, 7}}));
  EXPECT_TRUE(last_applied.checked_digests);
  EXPECT_FALSE(last_applied.asked_digests);
  EXPECT_EQ(machine().digest_check().slot, Slot(100));
  EXPECT_EQ(machine().digest_check().digest, D(7));
  EXPECT_TRUE(machine().digest_check().diverged.empty());
  Do(CheckOf(200, {{1, 7}, {2, 8}, {3, 8}}));
  EXPECT_EQ(machine().digest_check().diverged, Ids({1}));
  EXPECT_EQ(machine().digest_check().digest, D(8));
  ExpectKept();
  // The leader's own may be the wrong one: nothing but the count decides. Who is not heard of
  // keeps what is known of it.
  Do(CheckOf(300, {{2, 9}, {3, 9}}));
  EXPECT_EQ(machine().digest_check().diverged, Ids({1}));
  Do(CheckOf(400, {{1, 5}, {2, 5}, {3, 6}}));
  EXPECT_EQ(machine().digest_check().diverged, Ids({3})) << "1 is right again";
  EXPECT_EQ(revision(), Revision(0));
  ExpectKept();
}

TEST_F(VersionsTest, ASlotIsJudgedOnce) {
  Do(CheckOf(100, {{1, 7}, {2, 7}}));
  Do(CheckOf(100, {{1, 8}, {2, 7}, {3, 8}}));
  Do(CheckOf(99, {{1, 8}, {2, 7}, {3, 8}}));
  Do(CheckDigests{});
  EXPECT_TRUE(last_applied.checked_digests) << "all are to compute the digest here, too";
  EXPECT_EQ(machine().digest_check().slot, Slot(100));
  EXPECT_EQ(machine().digest_check().digest, D(7));
  EXPECT_TRUE(machine().digest_check().diverged.empty());
}

TEST_F(VersionsTest, WithoutAMajorityNothingOfClientsIsAppliedUntilThereIsOne) {
  ASSERT_EQ(CodeOf(Run(MakeKeyed("before", Put{"/a", "x", {}, {}, false}))), Errc::kOk);
  Do(CheckOf(100, {{1, 1}, {2, 2}, {3, 3}}));
  EXPECT_FALSE(machine().digest_check().agreed);
  EXPECT_TRUE(machine().digest_check().diverged.empty()) << "nobody knows who is right";
  const Revision before = revision();
  const auto refused = Run(MakeKeyed("k", Put{"/a", "y", {}, {}, false}));
  EXPECT_EQ(CodeOf(refused), Errc::kNotReady);
  EXPECT_EQ(std::get<Refusal>(refused->body).error.outcome, Outcome::kNotApplied);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{5000, "w"})), Errc::kNotReady);
  EXPECT_EQ(revision(), before);
  // What was decided before is still told.
  EXPECT_TRUE(Run(MakeKeyed("before", Put{"/a", "x", {}, {}, false}))->replayed);
  ExpectKept();
  Do(CheckOf(200, {{1, 1}, {2, 4}, {3, 4}}));
  EXPECT_TRUE(machine().digest_check().agreed);
  EXPECT_EQ(machine().digest_check().diverged, Ids({1}));
  // The refusal was not recorded under the key.
  EXPECT_EQ(CodeOf(Run(MakeKeyed("k", Put{"/a", "y", {}, {}, false}))), Errc::kOk);
}

}  // namespace
}  // namespace synod::machine
