#include "src/storage/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/crc32c.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using testing::HasSubstr;

class DataDirTest : public testing::Test {
 protected:
  DataDirTest() { log_.segment_bytes = 16 << 10; }
  Result<std::unique_ptr<DataDir>> Open() {
    return DataDir::Open(fs_, "/data", Hash128{1, 2}, log_);
  }
  std::unique_ptr<DataDir> MustOpen() {
    Result<std::unique_ptr<DataDir>> dir = Open();
    EXPECT_TRUE(dir) << (dir ? "" : dir.error().detail);
    return dir ? std::move(dir.value()) : nullptr;
  }
  std::string Refusal() {
    const Result<std::unique_ptr<DataDir>> dir = Open();
    return dir ? "opened" : dir.error().detail;
  }
  // Copies the name and bytes of every segment out and away.
  void RemoveLog() {
    for (const std::string& name : fs_.List("/data/log").value())
      ASSERT_TRUE(fs_.Remove("/data/log/" + name));
  }

  SimFileSystem fs_;
  AcceptorLogOptions log_;
  Random random_{5};
};

TEST_F(DataDirTest, ANewOneHasAUuidALogAndNoCluster) {
  const auto dir = MustOpen();
  EXPECT_EQ(dir->identity().node_uuid, (Hash128{1, 2}));
  EXPECT_FALSE(dir->identity().HasCluster());
  EXPECT_TRUE(AcceptorLogExists(fs_, dir->log_dir()));
}

TEST_F(DataDirTest, RemembersItsIdentity) {
  Identity identity = MustOpen()->identity();
  identity.cluster_id = Hash128{3, 4};
  identity.member_id = NodeId(2);
  identity.peers = {{NodeId(1), Hash128{5, 6}}, {NodeId(3), Hash128{7, ~uint64_t{0}}}};
  ASSERT_TRUE(MustOpen()->Save(identity));
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_TRUE(MustOpen()->identity() == identity);
}

TEST_F(DataDirTest, AQuarantineIsForEver) {
  EXPECT_EQ(MustOpen()->quarantine(), "");
  ASSERT_TRUE(MustOpen()->Quarantine("an old copy"));
  fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
  EXPECT_EQ(MustOpen()->quarantine(), "an old copy");
  ASSERT_TRUE(MustOpen()->Quarantine("once more"));
  EXPECT_EQ(MustOpen()->quarantine(), "once more");
  // The mark is that the file is there.
  fs_.SetContent("/data/quarantine", "");
  EXPECT_NE(MustOpen()->quarantine(), "");
}

TEST_F(DataDirTest, RemembersThatItsStateIsUnconfirmedUntilItIs) {
  EXPECT_FALSE(MustOpen()->unconfirmed());
  for (const bool unconfirmed : {true, false, true}) {
    ASSERT_TRUE(MustOpen()->SetUnconfirmed(unconfirmed));
    fs_.Crash(random_, SimFileSystem::Unsynced::kLoseAll);
    EXPECT_EQ(MustOpen()->unconfirmed(), unconfirmed);
    ASSERT_TRUE(MustOpen()->SetUnconfirmed(unconfirmed)) << "as it is";
    EXPECT_EQ(MustOpen()->unconfirmed(), unconfirmed);
  }
}

// docs/formats.md, "Data directory".
TEST_F(DataDirTest, TheExampleOfTheDocument) {
  Identity identity;
  identity.cluster_id = Hash128{3, 4};
  identity.node_uuid = Hash128{1, 2};
  identity.member_id = NodeId(2);
  identity.members = {{NodeId(1), "10.0.0.1:7302"}};
  identity.peers = {{NodeId(1), Hash128{5, 6}}};
  identity.membership = {7, {NodeId(1), NodeId(2)}, {NodeId(5)}, NodeId(6)};
  identity.advertised = {"10.0.0.2:7302", "http://10.0.0.2:7301", "rack 2"};
  identity.lease_ms = 400;
  EXPECT_EQ(identity.Encode(),
            "synod-identity 2\n"
            "cluster_id 00000000000000030000000000000004\n"
            "node_uuid 00000000000000010000000000000002\n"
            "member_id 2\n"
            "member 1 10.0.0.1:7302\n"
            "peer 1 00000000000000050000000000000006\n"
            "membership 7\n"
            "next_member 6\n"
            "voter 1\n"
            "voter 2\n"
            "learner 5\n"
            "advertised 10.0.0.2:7302 http://10.0.0.2:7301 rack 2\n"
            "lease_ms 400\n"
            "crc32c 005eb614\n");
  EXPECT_TRUE(Identity::Decode(identity.Encode()).value() == identity);
}

TEST_F(DataDirTest, AnIdentityOfTheFirstFormatHasVotersOnly) {
  const Result<Identity> identity = Identity::Decode(
      "synod-identity 1\n"
      "cluster_id 00000000000000030000000000000004\n"
      "node_uuid 00000000000000010000000000000002\n"
      "member_id 2\n"
      "member 1 10.0.0.1:7302\n"
      "peer 1 00000000000000050000000000000006\n"
      "crc32c 3eca47ad\n");
  ASSERT_TRUE(identity) << identity.error().detail;
  EXPECT_EQ(identity->membership, (Membership{0, {NodeId(1)}, {}, NodeId(0)}));
  EXPECT_EQ(identity->advertised, Identity::Advertised());
}

TEST_F(DataDirTest, ALineThatIsNotUnderstoodIsDamage) {
  for (const char* line : {"voter 0", "voter x", "voter 2\nvoter 1", "membership", "membership x",
                           "next_member", "next_member 1 2", "member 1", "peer 1 xyz",
                           "advertised a b", "lease_ms x", "colour red"}) {
    std::string text = "synod-identity 2\nnode_uuid 00000000000000010000000000000002\n";
    text += line;
    text += '\n';
    char crc[32];
    std::snprintf(crc, sizeof crc, "crc32c %08x\n", Crc32c(text));
    EXPECT_FALSE(Identity::Decode(text + crc)) << line;
  }
}

TEST_F(DataDirTest, IsUsedByOneProcessAtATime) {
  const auto dir = MustOpen();
  const Result<std::unique_ptr<DataDir>> second = Open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kNotReady);
  EXPECT_THAT(second.error().detail, HasSubstr("process " + std::to_string(::getpid())));
}

// ZOOKEEPER-4643: the identity is replaced as a whole, whenever the power goes.
TEST_F(DataDirTest, APowerCutAtAnyPointLeavesTheOldOrTheNewIdentity) {
  bool cut = true;
  for (uint64_t n = 0; cut; ++n) {
    SimFileSystem fs;
    fs.CutPowerAfter(n);
    Identity saved;
    cut = true;
    {
      Result<std::unique_ptr<DataDir>> dir = DataDir::Open(fs, "/data", Hash128{1, 2}, log_);
      if (dir) {
        Identity identity = dir.value()->identity();
        identity.cluster_id = Hash128{3, 4};
        if (dir.value()->Save(identity)) {
          saved = identity;
          cut = false;
        }
      }
    }
    Random random(n);
    fs.Crash(random);
    const Result<std::unique_ptr<DataDir>> dir = DataDir::Open(fs, "/data", Hash128{8, 9}, log_);
    ASSERT_TRUE(dir) << "cut after " << n << ": " << dir.error().detail;
    if (!cut) {
      EXPECT_TRUE(dir.value()->identity() == saved);
    }
  }
}

// ZOOKEEPER-582.
TEST_F(DataDirTest, AMissingLogIsRefused) {
  MustOpen();
  RemoveLog();
  EXPECT_THAT(Refusal(), HasSubstr("is missing. This node may have forgotten a promise"));
  log_.accept_data_loss = true;
  MustOpen();
}

TEST_F(DataDirTest, AMissingIdentityIsRefusedIfThereIsData) {
  const auto dir = MustOpen();
  consensus::Recovered recovered;
  auto log = AcceptorLog::Open(fs_, dir->log_dir(), log_, Slot(0), &recovered);
  consensus::PersistRequest request;
  request.hard_state.promised = Ballot{1, NodeId(1)};
  ASSERT_TRUE(log.value()->Append({&request, 1}));
  ASSERT_TRUE(fs_.Remove("/data/identity"));
  log.value().reset();
  fs_.Crash(random_, SimFileSystem::Unsynced::kKeepAll);
  EXPECT_THAT(Refusal(), HasSubstr("identity file is missing"));
}

TEST_F(DataDirTest, AMissingIdentityIsRefusedIfThereIsAState) {
  ASSERT_TRUE(fs_.MakeDirectory("/data/state"));
  EXPECT_THAT(Refusal(), HasSubstr("identity file is missing"));
  EXPECT_FALSE(AcceptorLogExists(fs_, "/data/log"));
}

TEST_F(DataDirTest, ADamagedIdentityIsRefused) {
  MustOpen();
  const std::string text = fs_.Content("/data/identity");
  for (size_t at = 0; at < text.size(); ++at) {
    fs_.FlipBit("/data/identity", at, 0);
    EXPECT_THAT(Refusal(), HasSubstr("it is damaged")) << at;
    fs_.SetContent("/data/identity", text);
  }
  fs_.SetContent("/data/identity", "");
  EXPECT_THAT(Refusal(), HasSubstr("it is damaged"));
}

TEST_F(DataDirTest, ANewerIdentityIsRefused) {
  MustOpen();
  std::string text = "synod-identity 3\nsomething else\n";
  char crc[32];
  std::snprintf(crc, sizeof crc, "crc32c %08x\n", Crc32c(text));
  fs_.SetContent("/data/identity", text + crc);
  EXPECT_THAT(Refusal(), HasSubstr("newer version"));
}

TEST_F(DataDirTest, WorksOnARealDisk) {
  const std::string path = testing::TempDir() + "synod_data_dir_" + std::to_string(::getpid());
  {
    auto dir = DataDir::Open(PosixFileSystem(), path, Hash128{1, 2}, log_);
    ASSERT_TRUE(dir) << dir.error().detail;
    EXPECT_FALSE(DataDir::Open(PosixFileSystem(), path, Hash128{1, 2}, log_));
  }
  EXPECT_TRUE(DataDir::Open(PosixFileSystem(), path, Hash128{1, 2}, log_));
  for (const char* name : {"/log/0000000000000001.log", "/identity", "/lock"})
    EXPECT_EQ(::unlink((path + name).c_str()), 0) << name;
  EXPECT_EQ(::rmdir((path + "/log").c_str()), 0);
  EXPECT_EQ(::rmdir(path.c_str()), 0);
}

}  // namespace
}  // namespace synod::storage
