// Settings: changed by an entry of the log, in force from there on, on every node alike.
#include <gtest/gtest.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/machine/machine_fixture.h"

namespace synod::machine {
namespace {

class SettingsCommandsTest : public MachineTest {
 protected:
  static uint32_t NumberOf(std::string_view name) {
    uint32_t number = 0;
    for (const auth::SettingField& field : auth::SettingFields()) {
      if (field.name == name)
        return number;
      ++number;
    }
    ADD_FAILURE() << name;
    return 0;
  }
  static ChangeSettings Of(const std::map<std::string, uint64_t>& values) {
    std::map<uint32_t, uint64_t> ordered;
    for (const auto& [name, value] : values) ordered[NumberOf(name)] = value;
    return {auth::SettingValues(ordered.begin(), ordered.end())};
  }
  std::optional<Answer> Set(const std::map<std::string, uint64_t>& values) {
    return Do(Of(values));
  }
};

TEST_F(SettingsCommandsTest, AChangeTakesARevisionAndAnswersAllSettings) {
  const auto answer = Set({{"history.keep_ms", 5000}, {"quota.bytes", 1 << 20}});
  auth::Settings expected;
  expected.history_keep_ms = 5000;
  expected.quota_bytes = 1 << 20;
  EXPECT_EQ(std::get<SettingsAnswer>(answer->body).settings, auth::AllOf(expected));
  EXPECT_EQ(answer->revision, Revision(1));
  EXPECT_EQ(ReadAs<SettingsResult>(GetSettings{}).settings, expected);
  EXPECT_TRUE(last_applied.revisions.empty()) << "no node changed";
}

TEST_F(SettingsCommandsTest, WhatChangesNothingTakesNoRevision) {
  const auto answer = Set({{"history.keep_ms", 600'000}});
  EXPECT_EQ(std::get<SettingsAnswer>(answer->body).settings, auth::AllOf({}));
  EXPECT_EQ(revision(), Revision(0));
}

TEST_F(SettingsCommandsTest, ContradictionsAreRefusedWhole) {
  EXPECT_EQ(CodeOf(Set({{"lease.ttl_ms_max", 2000}, {"quota.bytes", 1 << 20}})), Errc::kOk);
  const auto refused = Set({{"lease.ttl_ms_min", 2001}, {"quota.bytes", 2 << 20}});
  ASSERT_EQ(CodeOf(refused), Errc::kInvalidRequest);
  EXPECT_EQ(std::get<Refusal>(refused->body).error.detail,
            "lease.ttl_ms_min must not be above lease.ttl_ms_max");
  EXPECT_EQ(machine().settings().quota_bytes, uint64_t{1} << 20);
  EXPECT_EQ(CodeOf(Set({{"change.bytes_max", 1024}})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Set({{"change.bytes_max", 1024}, {"value.bytes_max", 1024}})), Errc::kOk);
  // Two that would do together do not one after the other.
  EXPECT_EQ(CodeOf(Set({{"value.bytes_max", 2048}})), Errc::kInvalidRequest);
  EXPECT_EQ(revision(), Revision(2));
}

// The API looks before; a build with other ranges may have sent it.
TEST_F(SettingsCommandsTest, AValueOutOfItsRangeIsRefused) {
  EXPECT_EQ(CodeOf(Set({{"history.keep_ms", 999}})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Set({{"value.bytes_max", (1 << 20) + 1}})), Errc::kInvalidRequest);
  EXPECT_EQ(machine().settings(), auth::Settings());
}

TEST_F(SettingsCommandsTest, EachIsConsultedFromTheNextCommandOn) {
  const LeaseId old = Lease(10'000);
  Set({{"lease.ttl_ms_min", 1000}, {"lease.ttl_ms_max", 2000}});
  EXPECT_EQ(CodeOf(Do(LeaseGrant{999, ""})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{2001, ""})), Errc::kInvalidRequest);
  EXPECT_EQ(CodeOf(Do(LeaseGrant{2000, ""})), Errc::kOk);
  EXPECT_EQ(ReadAs<LeaseResult>(GetLease{old}).lease.ttl_ms, 10'000) << "kept as granted";

  Set({{"value.bytes_max", 10}});
  const auto large = PutNode("/a", std::string(11, 'x'));
  ASSERT_EQ(CodeOf(large), Errc::kTooLarge);
  EXPECT_EQ(std::get<Refusal>(large->body).limit, 10U);
  EXPECT_EQ(CodeOf(PutNode("/a", std::string(10, 'x'))), Errc::kOk);

  Set({{"change.nodes_max", 2}});
  const auto many = PutNode("/b/c/d", "");
  ASSERT_EQ(CodeOf(many), Errc::kTooLarge);
  EXPECT_EQ(std::get<Refusal>(many->body).limit, 2U);
  EXPECT_EQ(CodeOf(PutNode("/b/c", "")), Errc::kOk);

  Set({{"idempotency.retention_ms", 1000}});
  Command late = Make(Put{"/a", "x", std::nullopt, {}, false});
  late.not_after = now() + 1001;
  EXPECT_EQ(CodeOf(Run(late)), Errc::kInvalidRequest);
}

TEST_F(SettingsCommandsTest, TheEndOfALeaseIsNotBoundByALowerLimitOfChanges) {
  const LeaseId id = Lease(5000);
  for (const char* path : {"/a", "/b", "/c"}) PutNode(path, "x", id);
  Set({{"change.nodes_max", 1}});
  Pass(5000);
  EXPECT_FALSE(Exists("/a") || Exists("/b") || Exists("/c"));
}

TEST_F(SettingsCommandsTest, AShorterHistoryIsCutAtOnce) {
  PutNode("/a", "1");
  PutNode("/a", "2");
  Pass(3000);
  PutNode("/a", "3");
  EXPECT_EQ(machine().counts().floor, Revision(0));
  Set({{"history.keep_ms", 2000}});
  EXPECT_GE(machine().counts().floor, Revision(2));
  EXPECT_LT(machine().counts().floor, Revision(3));
}

TEST_F(SettingsCommandsTest, AQuotaBelowWhatIsUsedLeavesDeletes) {
  PutNode("/a", std::string(70'000, 'x'));
  Set({{"quota.bytes", 64 << 10}});
  EXPECT_EQ(CodeOf(PutNode("/b", "x")), Errc::kStorageFull);
  EXPECT_EQ(CodeOf(Do(Delete{"/a", false, {}, false, false})), Errc::kOk);
  EXPECT_EQ(CodeOf(PutNode("/b", "x")), Errc::kOk);
}

TEST_F(SettingsCommandsTest, ARepeatWithItsKeyIsAnsweredAsTheFirstWas) {
  const Command command = MakeKeyed("k", Of({{"quota.bytes", 1 << 20}}));
  const auto first = Run(command);
  Set({{"quota.bytes", 2 << 20}});
  const auto again = Run(command);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(std::get<SettingsAnswer>(again->body).settings.at(NumberOf("quota.bytes")).second,
            uint64_t{1} << 20);
  EXPECT_EQ(again->revision, first->revision);
  EXPECT_EQ(machine().settings().quota_bytes, uint64_t{2} << 20);
}

TEST_F(SettingsCommandsTest, TheyAreKeptInCheckpointsAndInANewCluster) {
  machine().TakeDirty();
  const Digest before = machine().digest();
  Set({{"quota.bytes", 1 << 20}});
  EXPECT_NE(machine().digest(), before);
  EXPECT_GT(machine().dirty_bytes(), 0U);
  std::map<std::string, std::string> kept;
  for (const Record& record : machine().TakeDirty()) kept[record.key] = *record.value;
  EXPECT_TRUE(kept.contains("msettings"));

  Machine loaded = Loaded(machine());
  EXPECT_EQ(loaded.settings(), machine().settings());
  loaded.BeginNewCluster();
  EXPECT_EQ(loaded.settings(), machine().settings());
}

TEST_F(SettingsCommandsTest, OnlyOneSpellingDecodes) {
  const auto decodes = [&](const auth::SettingValues& changes) {
    return DecodeCommand(Encode(Make(ChangeSettings{changes}))).has_value();
  };
  const auto last = static_cast<uint32_t>(auth::SettingFields().size());
  EXPECT_TRUE(decodes({{0, 1}, {3, 1000}}));
  EXPECT_FALSE(decodes({}));
  EXPECT_FALSE(decodes({{3, 1000}, {0, 1}}));
  EXPECT_FALSE(decodes({{3, 1000}, {3, 2000}}));
  EXPECT_FALSE(decodes({{last, 1000}}));
}

// A record of a build that knew fewer settings.
TEST(SettingsRecordTest, MissingOnesHaveTheirDefaults) {
  Bytes record;
  Writer(&record).Nested([](Writer& w) {
    w.Varint(100);
    w.Varint(700);
  });
  Reader r(record);
  const auth::Settings settings = auth::ReadSettings(r);
  EXPECT_TRUE(r.Complete());
  auth::Settings expected;
  expected.value_bytes_max = 100;
  expected.lease_ttl_ms_min = 700;
  EXPECT_EQ(settings, expected);
}

Bytes RecordOf(const auth::Settings& settings, std::span<const auth::SettingField> fields) {
  Bytes record;
  Writer w(&record);
  auth::Write(w, settings, fields);
  return record;
}

// The digest counts the record. One more setting must not change it in a state that was written
// before, nor on the nodes of a cluster some of which know it already.
TEST(SettingsRecordTest, OneThatCameLaterAndIsNotSetChangesNothing) {
  const std::span<const auth::SettingField> now = auth::SettingFields().first(10);
  std::vector<auth::SettingField> later(now.begin(), now.end());
  later.push_back({"later.one", 1, 9'000'000, &auth::Settings::quota_bytes});
  later.push_back({"later.two", 1, 9'000'000, &auth::Settings::change_nodes_max});
  auth::Settings settings;
  settings.value_bytes_max = 100;
  EXPECT_EQ(RecordOf(settings, later), RecordOf(settings, now));
  // The later of the two is set: the one before it is told as well.
  settings.change_nodes_max = 5000;
  EXPECT_EQ(RecordOf(settings, later).size(),
            RecordOf(settings, now).size() + 5 /* of 2 GiB */ + 2 /* of 5000 */);
  // And back.
  settings.change_nodes_max = auth::Settings().change_nodes_max;
  EXPECT_EQ(RecordOf(settings, later), RecordOf(settings, now));
}

TEST(SettingsFieldsTest, EveryDefaultIsWithinItsRangeAndFieldsAreTheirOwn) {
  const auth::Settings defaults;
  for (const auth::SettingField& field : auth::SettingFields()) {
    EXPECT_GE(field.Get(defaults), field.lowest) << field.name;
    EXPECT_LE(field.Get(defaults), field.highest) << field.name;
    auth::Settings changed;
    field.Set(&changed, field.lowest == field.Get(defaults) ? field.highest : field.lowest);
    EXPECT_EQ(auth::Difference(defaults, changed).size(), 1U) << field.name;
  }
  EXPECT_TRUE(auth::Changed(defaults, {}));
}

}  // namespace
}  // namespace synod::machine
