// The membership as replicated state: what entries make of it, and who is remembered.
#include "src/machine/members.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

using Kind = ChangeMembers::Kind;

constexpr NodeId N(uint32_t n) { return NodeId(n); }

ChangeMembers Add(const std::string& name) {
  return {Kind::kAdd, {}, {}, name, name + ":7302", "http://" + name, {}};
}
ChangeMembers Promote(std::vector<NodeId> ids) {
  return {Kind::kPromote, std::move(ids), {}, {}, {}, {}, {}};
}
ChangeMembers Replace(NodeId gone, NodeId with) {
  return {Kind::kReplace, {gone}, with, {}, {}, {}, {}};
}
ChangeMembers Remove(std::vector<NodeId> ids) {
  return {Kind::kRemove, std::move(ids), {}, {}, {}, {}, {}};
}

class MembersTest : public MachineTest {
 protected:
  void Found() {
    Config({1, {N(1), N(2), N(3)}, {}, N(4)}, {});
    for (uint32_t n = 1; n <= 3; ++n)
      Do(SetMember{N(n), "uuid-" + std::to_string(n), "node", "host", "url"});
  }
  Applied Config(const Membership& membership, const Bytes& command) {
    Applied applied =
        log_.Apply(LogEntry::Kind::kConfig, ballot_, EncodeConfigEntry(membership, now_, command));
    for (Completion& completion : applied.completions)
      completed[completion.seq] = completion.answer;
    return applied;
  }
  // As the leader does with what it admits.
  std::optional<Answer> Admit(const Command& command) {
    const auto planned =
        PlanChange(machine().membership(), std::get<ChangeMembers>(command.operation));
    EXPECT_TRUE(planned.has_value());
    Config(*planned, Encode(command));
    return AnswerTo(command.id.seq);
  }
  std::optional<Answer> Change(const ChangeMembers& change) { return Admit(Make(change)); }
  const MemberView* Member(NodeId id) {
    members_ = machine().members();
    for (const MemberView& member : members_)
      if (member.id == id)
        return &member;
    return nullptr;
  }

 private:
  std::vector<MemberView> members_;
};

TEST_F(MembersTest, TheFoundersComeFromTheLog) {
  EXPECT_EQ(machine().membership().version, 0u);
  Found();
  EXPECT_EQ(machine().membership(), (Membership{1, {N(1), N(2), N(3)}, {}, N(4)}));
}

TEST_F(MembersTest, AnAddedLearnerTakesTheNextNumberAndStandsInTheTable) {
  Found();
  const auto answer = Change(Add("d"));
  const auto& body = std::get<MembersAnswer>(answer->body);
  EXPECT_EQ(body.ids, std::vector{N(4)});
  EXPECT_EQ(body.membership, (Membership{2, {N(1), N(2), N(3)}, {N(4)}, N(5)}));
  ASSERT_NE(Member(N(4)), nullptr);
  EXPECT_EQ(Member(N(4))->name, "d");
  EXPECT_EQ(Member(N(4))->peer_address, "d:7302");
  EXPECT_EQ(Member(N(4))->uuid, "");
  Do(SetMember{N(4), "uuid-4", "d", "d:7302", "http://d"});
  EXPECT_EQ(Member(N(4))->uuid, "uuid-4");
}

TEST_F(MembersTest, ALearnerWithoutANameGetsOneByItsNumber) {
  Found();
  ChangeMembers add = Add("d");
  add.name.clear();
  Change(add);
  EXPECT_EQ(Member(N(4))->name, "node-4");
}

TEST_F(MembersTest, ALearnerThatIsAwaitedIsNotEnteredTwice) {
  Found();
  Change(Add("d"));
  const Command again = Make(Add("d"));
  EXPECT_FALSE(machine().WouldRun(again, now_));
  const std::optional<Answer> answer = Run(again);
  EXPECT_EQ(std::get<MembersAnswer>(answer->body).ids, std::vector{N(4)});
  EXPECT_EQ(machine().membership().version, 2u);
  // Another name or address is another learner; and so is the same once a directory is bound to it.
  EXPECT_TRUE(machine().WouldRun(Make(Add("e")), now_));
  Do(SetMember{N(4), "uuid-4", "d", "d:7302", "http://d"});
  EXPECT_TRUE(machine().WouldRun(Make(Add("d")), now_));
}

TEST_F(MembersTest, PromoteReplaceAndRemoveMoveTheRoles) {
  Found();
  Change(Add("d"));
  Change(Add("e"));
  Change(Promote({N(4)}));
  EXPECT_EQ(machine().membership().voters, (std::vector{N(1), N(2), N(3), N(4)}));
  const auto answer = Change(Replace(N(2), N(5)));
  EXPECT_EQ(std::get<MembersAnswer>(answer->body).ids, std::vector{N(2)});
  EXPECT_EQ(machine().membership(), (Membership{5, {N(1), N(3), N(4), N(5)}, {}, N(6)}));
  Change(Remove({N(1), N(3)}));
  EXPECT_EQ(machine().membership(), (Membership{6, {N(4), N(5)}, {}, N(6)}));
  EXPECT_EQ(Member(N(1)), nullptr);
  EXPECT_NE(Member(N(5)), nullptr);
}

TEST_F(MembersTest, AnIdIsNeverUsedAgain) {
  Found();
  Change(Add("d"));
  Change(Remove({N(4)}));
  const auto answer = Change(Add("d"));
  EXPECT_EQ(std::get<MembersAnswer>(answer->body).ids, std::vector{N(5)});
}

TEST_F(MembersTest, TheIdentityOfARemovedMemberIsNeverBoundAgain) {
  Found();
  Change(Remove({N(3)}));
  Change(Add("c"));
  EXPECT_TRUE(machine().WasRemoved("uuid-3"));
  Do(SetMember{N(4), "uuid-3", "c", "c:1", "http://c"});
  EXPECT_EQ(Member(N(4))->uuid, "");
  Do(SetMember{N(3), "uuid-3", "c", "c:1", "http://c"});
  EXPECT_EQ(Member(N(3)), nullptr);
  // Over a checkpoint too.
  const Machine loaded = Loaded(machine());
  EXPECT_TRUE(loaded.WasRemoved("uuid-3"));
  EXPECT_EQ(loaded.membership(), machine().membership());
}

// Its node proposed what it knew before the change.
TEST_F(MembersTest, WhatWasEnteredOrChangedBeforeItsNodeIsBoundStays) {
  Found();
  Change(Add("d"));
  Do(UpdateMember{N(4), "second", "", "http://second"});
  Do(SetMember{N(4), "uuid-4", "d", "d:7302", "http://d", 4});
  EXPECT_EQ(Member(N(4))->uuid, "uuid-4");
  EXPECT_EQ(Member(N(4))->machine_version, 4U);
  EXPECT_EQ(Member(N(4))->name, "second");
  EXPECT_EQ(Member(N(4))->peer_address, "d:7302");
  EXPECT_EQ(Member(N(4))->client_url, "http://second");
}

TEST_F(MembersTest, ABoundNumberKeepsItsIdentity) {
  Found();
  Do(SetMember{N(2), "another", "b", "b:1", "http://b"});
  EXPECT_EQ(Member(N(2))->uuid, "uuid-2");
}

// Else the removal of one would ban the other.
TEST_F(MembersTest, ABoundIdentityKeepsItsNumber) {
  Found();
  Change(Add("d"));
  Do(SetMember{N(4), "uuid-2", "d", "d:1", "http://d"});
  EXPECT_EQ(Member(N(4))->uuid, "");
  Change(Remove({N(2)}));
  EXPECT_TRUE(machine().WasRemoved("uuid-2"));
  machine().CheckInvariants();
}

TEST_F(MembersTest, WhoIsRemovedIsNoLongerCalledDiverged) {
  Found();
  const auto report = [](uint32_t id, uint64_t digest) {
    return std::pair(N(id), Digest{{digest, digest}});
  };
  Do(CheckDigests{Slot(1), 2, {report(1, 7), report(2, 8), report(3, 7)}});
  EXPECT_EQ(machine().digest_check().diverged, std::set{N(2)});
  Change(Remove({N(2)}));
  EXPECT_TRUE(machine().digest_check().diverged.empty());
}

// It would take effect and be answered as refused.
TEST_F(MembersTest, NoChangeWouldRunWhileTheVotersDisagreeAboutTheState) {
  Found();
  EXPECT_TRUE(machine().WouldRun(Make(Remove({N(2)})), now()));
  Do(CheckDigests{Slot(1), 2, {{N(1), {{1, 1}}}, {N(2), {{2, 2}}}}});
  EXPECT_FALSE(machine().WouldRun(Make(Remove({N(2)})), now()));
}

TEST_F(MembersTest, OnlyTheNextVersionCountsWhoeverProposedIt) {
  Found();
  const Membership other{5, {N(1)}, {}, N(9)};
  const Digest before = machine().digest();
  EXPECT_FALSE(Config(other, {}).effective);
  EXPECT_EQ(machine().membership().version, 1u);
  EXPECT_NE(machine().digest(), before);  // the slot is counted, nothing else
  const Membership next{2, {N(1)}, {}, N(9)};
  EXPECT_TRUE(
      log_.Apply(LogEntry::Kind::kConfig, Ballot{1, N(3)}, EncodeConfigEntry(next, now_, {}))
          .effective);
  EXPECT_EQ(machine().membership(), next);
}

TEST_F(MembersTest, WhatTheLeaderRefusesIsAnsweredWithItsReason) {
  Found();
  ChangeMembers change = Remove({N(3)});
  change.refused = "the majority would be gone";
  const auto answer = Do(change);
  EXPECT_EQ(CodeOf(answer), Errc::kMembershipRefused);
  EXPECT_EQ(std::get<Refusal>(answer->body).error.detail, "the majority would be gone");
  EXPECT_EQ(CodeOf(Do(Remove({N(9)}))), Errc::kNotFound);
  EXPECT_EQ(CodeOf(Do(Promote({N(2)}))), Errc::kMembershipRefused);
  EXPECT_EQ(machine().membership().version, 1u);
}

TEST_F(MembersTest, ARepeatOfAnAdmittedChangeIsNoNewChange) {
  Found();
  const Command command = MakeKeyed("k", Add("d"));
  EXPECT_TRUE(machine().WouldRun(command, now_));
  const auto first = Admit(command);
  EXPECT_FALSE(machine().WouldRun(command, now_));
  const auto again = Run(command);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(std::get<MembersAnswer>(again->body).ids, std::get<MembersAnswer>(first->body).ids);
  EXPECT_EQ(machine().membership().version, 2u);
}

TEST_F(MembersTest, ALateOrFencedChangeWouldNotRun) {
  Found();
  Command late = Make(Add("d"));
  late.not_after = now_ - 1;
  EXPECT_FALSE(machine().WouldRun(late, now_));
  late.not_after = now_ + 1;
  EXPECT_TRUE(machine().WouldRun(late, now_));
  Command fenced = Make(Add("d"));
  fenced.fences.push_back({"/l", FenceToken(7)});
  EXPECT_FALSE(machine().WouldRun(fenced, now_));
  const LeaseId lease = Lease(1000);
  fenced.fences[0].token = TokenOf(Do(AcquireOf("/l", lease, 0)));
  EXPECT_TRUE(machine().WouldRun(fenced, now_));
  EXPECT_FALSE(machine().WouldRun(fenced, now_ + 1000));
}

TEST_F(MembersTest, AddressesChangeWithoutTouchingTheRole) {
  Found();
  const auto answer = Do(UpdateMember{N(2), "", "moved:1", ""});
  EXPECT_EQ(std::get<MembersAnswer>(answer->body).ids, std::vector{N(2)});
  EXPECT_EQ(Member(N(2))->peer_address, "moved:1");
  EXPECT_EQ(Member(N(2))->client_url, "url");
  EXPECT_EQ(machine().membership().version, 1u);
  EXPECT_EQ(CodeOf(Do(UpdateMember{N(8), "", "x:1", ""})), Errc::kNotFound);
}

TEST_F(MembersTest, AChangeOfTheMembershipAloneIsWorthACheckpoint) {
  Found();
  machine().TakeDirty();
  Config({2, {N(1), N(2)}, {}, N(4)}, {});
  EXPECT_GT(machine().dirty_bytes(), 0u);
  machine().TakeDirty();
  EXPECT_EQ(machine().dirty_bytes(), 0u);
}

TEST(PlanChangeTest, RefusesWhatMakesNoSense) {
  const Membership one{4, {N(1)}, {N(2)}, N(3)};
  const auto code = [&](const ChangeMembers& change) {
    const auto planned = PlanChange(one, change);
    return planned ? Errc::kOk : planned.error().code;
  };
  EXPECT_EQ(code(Remove({N(1)})), Errc::kMembershipRefused);
  EXPECT_EQ(code(Remove({N(2)})), Errc::kOk);
  EXPECT_EQ(code(Remove({})), Errc::kInvalidRequest);
  EXPECT_EQ(code(Remove({N(2), N(2)})), Errc::kInvalidRequest);
  EXPECT_EQ(code(Replace(N(2), N(1))), Errc::kMembershipRefused);
  EXPECT_EQ(code(Replace(N(1), N(2))), Errc::kOk);
  EXPECT_EQ(code(Replace(N(1), N(1))), Errc::kInvalidRequest);
  EXPECT_EQ(code(Promote({N(3)})), Errc::kNotFound);
  Membership full = one;
  for (uint32_t n = 3; n <= 8; ++n) full.voters.push_back(N(n));
  full.next_member = N(9);
  EXPECT_EQ(PlanChange(full, Promote({N(2)})).error().code, Errc::kMembershipRefused);
}

TEST(ConfigEntryTest, ComesBackFromItsBytesAndConsensusReadsTheMembership) {
  const Membership membership{2, {N(1)}, {N(2)}, N(3)};
  const Bytes payload = EncodeConfigEntry(membership, ClusterTime(17), "command");
  const auto entry = DecodeConfigEntry(payload);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->membership, membership);
  EXPECT_EQ(entry->time, ClusterTime(17));
  EXPECT_EQ(entry->command, "command");
  EXPECT_EQ(*Membership::OfEntry(payload), membership);
  for (size_t size = 0; size < payload.size(); ++size)
    EXPECT_TRUE(DecodeConfigEntry(std::string_view(payload).substr(0, size)).has_error());
  EXPECT_TRUE(DecodeConfigEntry(payload + 'x').has_error());
}

}  // namespace
}  // namespace synod::machine
