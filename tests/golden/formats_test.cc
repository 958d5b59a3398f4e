// What builds before this one wrote, in tests/golden/formats: every later build must read it.
// `formats_test --update` writes the files anew, with a kind of record or message that was added;
// when a format changes instead, the old file stays under a name of its own, and is still read.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "src/base/codec.h"
#include "src/machine/members.h"
#include "src/net/frame.h"
#include "src/node/engine_frames.h"
#include "src/storage/state_store.h"
#include "tests/support/sample_hello.h"
#include "tests/support/sim_file_system.h"
#include "tests/unit/consensus/support.h"
#include "tests/unit/machine/machine_fixture.h"

namespace synod {
namespace {

bool update = false;

// Named strings of bytes, as hex that can be reviewed.
using Parts = std::map<std::string, std::string>;

std::string PathOf(const std::string& file) {
  return std::string(SYNOD_GOLDEN_DIR) + "/formats/" + file;
}

void WriteParts(const std::string& file, const Parts& parts) {
  constexpr size_t kBytesALine = 48;
  constexpr char kDigits[] = "0123456789abcdef";
  std::filesystem::create_directories(PathOf(""));
  std::ofstream out(PathOf(file));
  for (const auto& [name, bytes] : parts) {
    out << "= " << name;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<uint8_t>(bytes[i]);
      out << (i % kBytesALine == 0 ? "\n" : "") << kDigits[byte >> 4] << kDigits[byte & 15];
    }
    out << "\n";
  }
}

Parts ReadParts(const std::string& file) {
  std::ifstream in(PathOf(file));
  Parts parts;
  std::string* bytes = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("= ")) {
      bytes = &parts[line.substr(2)];
      continue;
    }
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      bytes->push_back(static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16)));
  }
  return parts;
}

// --- the state store ---

constexpr const char* kStateDir = "/state";

class StateFormatTest : public machine::MachineTest {
 protected:
  using Records = std::map<std::string, std::string>;

  static Records RecordsOf(const machine::Machine& machine) {
    Records records;
    machine.ForEachRecord(
        [&](std::string_view key, std::string_view value) { records.emplace(key, value); });
    return records;
  }

  void Config(const Membership& membership) {
    log_.Apply(machine::LogEntry::Kind::kConfig, ballot_,
               machine::EncodeConfigEntry(membership, now_, {}));
  }

  // A state with records of every kind that there was first.
  void BuildFirst() {
    const std::vector<NodeId> voters = {NodeId(1), NodeId(2), NodeId(3)};
    Config({1, voters, {NodeId(4)}, NodeId(5)});
    for (uint32_t n = 1; n <= 4; ++n) {
      const std::string name = "node-" + std::to_string(n);
      Do(machine::SetMember{NodeId(n), "uuid-" + name, name, name + ":7302", "http://" + name, 1});
    }
    Config({2, voters, {}, NodeId(5)});
    Do(machine::ChangeSettings{{{3, 300'000}, {7, 1 << 30}}});
    PutNode("/app/config", "one");
    PutNode("/app/config", std::string("\0\xff two", 6));
    PutNode("/gone", "x");
    Do(machine::Delete{"/gone", false, {}, false, false});
    Do(machine::CreateSequential{"/queue/job-", "work", LeaseId()});
    const LeaseId lease = Lease(60'000);
    PutNode("/alive", "here", lease);
    Run(MakeKeyed("done", machine::Put{"/keyed", "once", std::nullopt, {}, false}));
    machine::Acquire delayed = AcquireOf("/locks/one", lease, 0);
    delayed.lock_delay_ms = 5000;
    Do(delayed);
    Run(MakeKeyed("waits", AcquireOf("/locks/one", Lease(60'000), 30'000)));
    machine::Acquire semaphore = AcquireOf("/locks/many", lease, 0);
    semaphore.limit = 3;
    Do(semaphore);
    Do(CampaignOf("/leader", lease, 0));
    Do(machine::CheckDigests{
        Slot(5),
        2,
        {{NodeId(1), Digest{{1, 2}}}, {NodeId(2), Digest{{1, 2}}}, {NodeId(3), Digest{{3, 4}}}}});
  }

  // And of those that were added.
  void BuildSecond() {
    BuildFirst();
    Do(machine::RaiseFence{"/storage", FenceToken(12)});
    Run(MakeKeyed("fenced", machine::RaiseFence{"/storage", FenceToken(11)}));
  }

  Parts Files() {
    storage::SimFileSystem fs;
    auto store = storage::StateStore::Open(fs, kStateDir).value();
    storage::Checkpoint checkpoint;
    checkpoint.slot = machine().applied();
    checkpoint.digest = machine().digest();
    for (const auto& [key, value] : RecordsOf(machine()))
      checkpoint.records.push_back({key, value});
    checkpoint.log_gen = 41;
    checkpoint.witness = "what it saw";
    checkpoint.revision = machine().revision();
    checkpoint.time = machine().time();
    EXPECT_TRUE(store->Write(checkpoint));
    store.reset();
    return fs.DurableImage();
  }

  // `file` is read as the state that this build makes of the same commands, bit by bit.
  void ExpectRead(const char* file) {
    const Parts files = ReadParts(file);
    ASSERT_FALSE(files.empty());
    storage::SimFileSystem fs;
    ASSERT_TRUE(fs.MakeDirectory(kStateDir));
    fs.SetImage(files);
    auto store = storage::StateStore::Open(fs, kStateDir);
    ASSERT_TRUE(store) << store.error().detail;
    EXPECT_EQ((*store)->log_gen(), 41U);
    EXPECT_EQ((*store)->witness(), "what it saw");
    EXPECT_EQ((*store)->machine_version(), 1U);
    machine::Machine loaded{auth::Settings()};
    const Status read = (*store)->Load([&](std::string_view key, std::string_view value) {
      return loaded.LoadRecord(key, value);
    });
    ASSERT_TRUE(read) << read.error().detail;
    const Status whole = loaded.FinishLoad();
    ASSERT_TRUE(whole) << whole.error().detail;
    loaded.CheckInvariants();
    EXPECT_EQ(loaded.applied(), (*store)->slot());
    EXPECT_EQ(loaded.digest(), (*store)->digest());
    EXPECT_EQ(RecordsOf(loaded), RecordsOf(machine()));
  }
};

TEST_F(StateFormatTest, AStateWrittenBeforeIsReadWhole) {
  BuildSecond();
  if (update)
    WriteParts("state-store-2.txt", Files());
  ExpectRead("state-store-2.txt");
}

// What was added since and that it does not use is nothing to its digest.
TEST_F(StateFormatTest, AStateWithoutFenceRegistersIsReadWhole) {
  BuildFirst();
  ExpectRead("state-store-1.txt");
}

TEST_F(StateFormatTest, TheFileHasEveryKindOfRecord) {
  BuildSecond();
  std::string tags;
  std::string names;
  for (const auto& [key, value] : RecordsOf(machine())) {
    if (key[0] == static_cast<char>(RecordTag::kMeta))
      names += key.substr(1) + " ";
    if (tags.empty() || tags.back() != key[0])
      tags.push_back(key[0]);
  }
  EXPECT_EQ(tags, "cfhiklmnp");
  EXPECT_EQ(names, "clock digests membership removed settings ");
}

// A state from which another cluster begins.
TEST_F(StateFormatTest, ARestoredStateIsReadWhole) {
  BuildSecond();
  machine().BeginNewCluster();
  EXPECT_TRUE(RecordsOf(machine()).contains("mfence-floor"));
  if (update)
    WriteParts("state-store-restored-2.txt", Files());
  ExpectRead("state-store-restored-2.txt");
}

// --- the wire ---

template <typename Item>
std::string ItemBytes(const Item& item) {
  Bytes frame;
  node::AppendItem(item, &frame);
  return frame;
}

// As nodes without leader leases send it.
consensus::Message WithoutLease(consensus::Message message) {
  if (auto* prepare = std::get_if<consensus::Prepare>(&message))
    prepare->released = Ballot();
  else if (auto* accept = std::get_if<consensus::Accept>(&message))
    accept->lease_ms = 0;
  else if (auto* accepted = std::get_if<consensus::Accepted>(&message))
    accepted->lease_ms = 0;
  return message;
}

// The messages that leader leases add to.
Parts WireOfLeases() {
  Parts parts;
  for (const consensus::Message& message : consensus::OneOfEach())
    if (ItemBytes(message) != ItemBytes(WithoutLease(message)))
      parts[std::string("message ") + consensus::Name(message)] = ItemBytes(message);
  return parts;
}

// One of each kind of frame and item, as this build writes it.
Parts Wire() {
  Parts parts;
  parts["hello"] = net::EncodeHello(net::SampleHello());
  parts["hello-ack"] = net::EncodeHelloAck({false, "why", net::SampleHello()});
  net::AppendFrameHeader(net::FrameType::kMessage, "ping", &parts["frame"]);
  parts["frame"] += "ping";
  for (const consensus::Message& message : consensus::OneOfEach())
    parts[std::string("message ") + consensus::Name(message)] = ItemBytes(WithoutLease(message));
  const Ballot ballot{7, NodeId(2)};
  const Hash128 id{1, 2};
  parts["item forward"] = ItemBytes(node::Forward{ballot, 99, 1, {{1, "first"}, {2, "second"}}});
  parts["item reject"] =
      ItemBytes(node::Reject{ballot, 99, node::Reject::Reason::kOverloaded, {4, 5}});
  parts["item report"] = ItemBytes(node::Report{Slot(12), {{Slot(10), {{5, 6}}}}, Slot(11)});
  parts["item move-leader"] = ItemBytes(node::MoveLeader{NodeId(3)});
  parts["item statement"] =
      ItemBytes(node::Witness::Statement{true, 70, 3, {NodeId(1), NodeId(4)}});
  parts["item standing"] = ItemBytes(node::Standing{2, false});
  parts["item snapshot-request"] = ItemBytes(node::SnapshotRequest{id, 4096, Slot(7)});
  parts["item snapshot-chunk"] =
      ItemBytes(node::SnapshotChunk{id, 9000, 4096, 0xabcdef01, "piece"});
  parts["item snapshot-refusal"] =
      ItemBytes(node::SnapshotRefusal{id, node::SnapshotRefusal::Reason::kNothing});
  return parts;
}

// What an item or frame of another build is here, told in this build's bytes.
std::string Understood(const std::string& name, const std::string& bytes) {
  if (name == "hello") {
    const auto hello = net::DecodeHello(bytes);
    return hello ? net::EncodeHello(*hello) : "refused";
  }
  if (name == "hello-ack") {
    const auto ack = net::DecodeHelloAck(bytes);
    return ack ? net::EncodeHelloAck(*ack) : "refused";
  }
  if (name == "frame") {
    std::string again;
    net::FrameReader reader;
    const char* wrong = reader.Feed(bytes, [&](net::FrameType type, std::string_view body) {
      net::AppendFrameHeader(type, body, &again);
      again += body;
      return true;
    });
    return wrong == nullptr ? again : wrong;
  }
  const auto items = node::ParseFrame(bytes);
  if (!items || items->size() != 1)
    return "refused";
  return std::visit([](const auto& item) { return ItemBytes(item); }, items->front());
}

void ExpectUnderstood(const std::string& file, const Parts& now) {
  if (update)
    WriteParts(file, now);
  const Parts golden = ReadParts(file);
  ASSERT_EQ(golden.size(), now.size());
  for (const auto& [name, bytes] : golden) {
    ASSERT_TRUE(now.contains(name)) << name;
    EXPECT_EQ(Understood(name, bytes), now.at(name)) << name;
    // And the other way round: during a rolling upgrade they read what this build sends.
    EXPECT_EQ(bytes, now.at(name)) << name;
  }
}

TEST(WireFormatTest, WhatNodesBeforeSentIsUnderstoodWhole) {
  ExpectUnderstood("wire-1.txt", Wire());
}

TEST(WireFormatTest, SoIsWhatNodesWithLeaderLeasesSend) {
  const Parts now = WireOfLeases();
  EXPECT_EQ(now.size(), 3u);
  ExpectUnderstood("wire-leases-1.txt", now);
}

}  // namespace
}  // namespace synod

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  synod::update = argc > 1 && std::string(argv[1]) == "--update";
  return RUN_ALL_TESTS();
}
