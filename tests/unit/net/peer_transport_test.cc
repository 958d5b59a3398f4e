#include "src/net/peer_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/net/frame.h"
#include "tests/support/certificates.h"
#include "tests/unit/net/reset_proxy.h"
#include "tests/unit/net/socket_fixture.h"

namespace synod::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr NodeId kOne(1);
constexpr NodeId kTwo(2);

// One node: a transport and a record of everything it was told.
class Node : public PeerHandler {
 public:
  Node(asio::io_context& io, NodeId id, uint64_t boot, PeerOptions options = {})
      : transport(io, *this, SelfOf(id, boot), options) {
    EXPECT_TRUE(transport.Listen("127.0.0.1", 0).has_value());
  }

  static Hello SelfOf(NodeId id, uint64_t boot) {
    Hello hello;
    hello.cluster_id = "c";
    hello.from = id;
    hello.uuid = "uuid-" + std::to_string(id.value);
    hello.boot_id = boot;
    return hello;
  }

  Bytes HelloPayload(NodeId to) override { return "for " + std::to_string(to.value); }
  HelloVerdict OnHello(const Hello& hello, bool answer) override {
    (answer ? answers : hellos).push_back(hello);
    if (!refuse_reason.empty())
      return {false, refuse_reason};
    return {};
  }
  void OnBadPeer(const std::string& why) override { bad_peers.push_back(why); }
  void OnHelloRefused(NodeId peer, const std::string& reason, const Hello& theirs) override {
    refusals.push_back(std::to_string(peer.value) + ": " + reason);
    refused_by = theirs;
  }
  void OnPeerUp(NodeId peer, const Hello&) override {
    log.push_back("up " + std::to_string(peer.value));
  }
  void OnPeerDown(NodeId peer, bool process_gone) override {
    log.push_back((process_gone ? "gone " : "down ") + std::to_string(peer.value));
  }
  void OnFrame(NodeId from, std::string_view body) override {
    frames.push_back(std::to_string(from.value) + ": " + std::string(body));
  }

  size_t Count(const std::string& event) const {
    return static_cast<size_t>(std::count(log.begin(), log.end(), event));
  }

  std::string refuse_reason;
  std::vector<Hello> hellos;
  std::vector<Hello> answers;
  std::vector<std::string> refusals;
  std::vector<std::string> bad_peers;
  Hello refused_by;
  std::vector<std::string> log;
  std::vector<std::string> frames;
  PeerTransport transport;  // last: its end is the end of the callbacks
};

class PeerTransportTest : public ::testing::Test {
 protected:
  bool Pump(const std::function<bool()>& done) { return PumpUntil(io, done); }
  PeerAddress At(NodeId id, uint16_t port) { return {id, "127.0.0.1", port}; }
  void ConnectBoth(Node& a, Node& b) {
    a.transport.SetPeers({At(kTwo, b.transport.port())});
    b.transport.SetPeers({At(kOne, a.transport.port())});
    ASSERT_TRUE(Pump([&] { return a.transport.IsUp(kTwo) && b.transport.IsUp(kOne); }));
  }

  asio::io_context io{1};
};

TEST_F(PeerTransportTest, BothSidesMeetAndFramesArriveInOrder) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  EXPECT_THAT(a.log, ElementsAre("up 2"));
  EXPECT_TRUE(a.transport.Send(kTwo, Bytes("first")));
  EXPECT_TRUE(a.transport.Send(kTwo, Bytes(1 << 20, 'x')));
  EXPECT_TRUE(a.transport.Send(kTwo, std::make_shared<const std::string>("third")));
  EXPECT_TRUE(b.transport.Send(kOne, Bytes("back")));
  Pump([&] { return b.frames.size() == 3 && a.frames.size() == 1; });
  EXPECT_THAT(b.frames, ElementsAre("1: first", "1: " + Bytes(1 << 20, 'x'), "1: third"));
  EXPECT_THAT(a.frames, ElementsAre("2: back"));
}

TEST_F(PeerTransportTest, WhoIsLetGoIsJudgedAnewWhenItComesBack) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  a.refuse_reason = "removed";
  a.transport.SetPeers({});
  EXPECT_TRUE(Pump([&] { return !b.refusals.empty(); }));
  EXPECT_EQ(b.refusals.front(), "1: removed");
  EXPECT_FALSE(b.transport.IsUp(kOne));
  EXPECT_EQ(b.Count("gone 1"), 0U);
}

TEST_F(PeerTransportTest, HelloCarriesWhoAskedWhomAndThePayload) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  EXPECT_EQ(b.hellos.front().from, kOne);
  EXPECT_EQ(b.hellos.front().to, kTwo);
  EXPECT_EQ(b.hellos.front().boot_id, 11u);
  EXPECT_EQ(b.hellos.front().payload, "for 2");
  EXPECT_EQ(a.answers.front().from, kTwo);
  EXPECT_EQ(a.answers.front().to, kOne);
  EXPECT_EQ(a.answers.front().uuid, "uuid-2");
}

TEST_F(PeerTransportTest, RefusedHelloIsToldWithItsReasonAndNothingPasses) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  b.refuse_reason = "another cluster";
  a.transport.SetPeers({At(kTwo, b.transport.port())});
  Pump([&] { return a.refusals.size() >= 2; });
  EXPECT_EQ(a.refusals.front(), "2: another cluster");
  EXPECT_EQ(a.refused_by.cluster_id, "c");
  EXPECT_THAT(a.log, IsEmpty());
  EXPECT_FALSE(a.transport.Send(kTwo, Bytes("x")));
  EXPECT_EQ(a.transport.counters().frames_dropped, 1u);
  b.refuse_reason.clear();
  Pump([&] { return a.transport.IsUp(kTwo); });
}

TEST_F(PeerTransportTest, AnswerOfAnotherNodeIsARefusal) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  a.transport.SetPeers({At(NodeId(3), b.transport.port())});
  Pump([&] { return !a.refusals.empty(); });
  EXPECT_EQ(a.refusals.front(), "3: node 2 answers at this address");
  EXPECT_FALSE(a.transport.IsUp(NodeId(3)));
}

TEST_F(PeerTransportTest, ReintroductionIsJudgedOnTheSameConnection) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  Hello self = Node::SelfOf(kOne, 11);
  self.founded = true;
  a.transport.SetSelf(self);
  a.transport.Reintroduce();
  Pump([&] { return b.hellos.back().founded; });
  EXPECT_EQ(a.transport.counters().connects, 1u);
  EXPECT_THAT(a.log, ElementsAre("up 2"));
}

TEST_F(PeerTransportTest, ResettingEveryConnectionAHundredTimesNeverLooksLikeADeath) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ResetProxy to_a(io);
  ResetProxy to_b(io);
  to_a.set_target(a.transport.port());
  to_b.set_target(b.transport.port());
  a.transport.SetPeers({At(kTwo, to_b.port())});
  b.transport.SetPeers({At(kOne, to_a.port())});
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(Pump([&] { return a.transport.IsUp(kTwo) && b.transport.IsUp(kOne); })) << round;
    const uint64_t connects = a.transport.counters().connects + b.transport.counters().connects;
    // Under load, and sometimes only one of the two.
    a.transport.Send(kTwo, Bytes(5000, 'x'));
    b.transport.Send(kOne, Bytes(5000, 'y'));
    size_t reset = round % 3 != 1 ? to_a.ResetAll() : 0;
    reset += round % 3 != 2 ? to_b.ResetAll() : 0;
    ASSERT_GT(reset, 0u);
    ASSERT_TRUE(Pump([&] {
      return a.transport.counters().connects + b.transport.counters().connects >= connects + reset;
    })) << round;
  }
  Pump([&] { return a.transport.IsUp(kTwo) && b.transport.IsUp(kOne); });
  EXPECT_EQ(a.Count("gone 2"), 0u);
  EXPECT_EQ(b.Count("gone 1"), 0u);
}

TEST_F(PeerTransportTest, MereReconnectIsNotTold) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ResetProxy to_b(io);
  to_b.set_target(b.transport.port());
  PeerOptions patient;
  patient.verdict_timeout = std::chrono::seconds(5);
  Node c(io, NodeId(3), 33, patient);
  c.transport.SetPeers({At(kTwo, to_b.port())});
  Pump([&] { return c.transport.IsUp(kTwo); });
  for (int round = 0; round < 10; ++round) {
    to_b.ResetAll();
    Pump([&] { return c.transport.counters().connects == static_cast<uint64_t>(round) + 2; });
  }
  EXPECT_THAT(c.log, ElementsAre("up 2"));
}

TEST_F(PeerTransportTest, KilledProcessIsReportedGoneAtOnce) {
  Node a(io, kOne, 11);
  auto b = std::make_unique<Node>(io, kTwo, 22);
  ConnectBoth(a, *b);
  b->transport.Abort();
  Pump([&] { return a.log.size() >= 2; });
  EXPECT_THAT(a.log, ElementsAre("up 2", "gone 2"));
  EXPECT_FALSE(a.transport.IsUp(kTwo));
}

TEST_F(PeerTransportTest, SuccessorAtTheSameAddressProvesTheDeath) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  Node next(io, kTwo, 23);
  ResetProxy to_b(io);
  to_b.set_target(b.transport.port());
  a.transport.SetPeers({At(kTwo, to_b.port())});
  Pump([&] { return a.transport.IsUp(kTwo); });
  to_b.set_target(next.transport.port());
  to_b.ResetAll();
  Pump([&] { return a.log.size() >= 3; });
  EXPECT_THAT(a.log, ElementsAre("up 2", "gone 2", "up 2"));
}

TEST_F(PeerTransportTest, SuccessorThatDialsFirstProvesTheDeath) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  a.transport.SetPeers({At(kTwo, b.transport.port())});
  Pump([&] { return a.transport.IsUp(kTwo); });
  Node next(io, kTwo, 23);
  next.transport.SetPeers({At(kOne, a.transport.port())});
  Pump([&] { return a.Count("gone 2") == 1; });
}

TEST_F(PeerTransportTest, TwoLiveProcessesOfOneIdDoNotChaseEachOtherAtFullSpeed) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  Node twin(io, kTwo, 23);
  twin.transport.SetPeers({At(kOne, a.transport.port())});
  const auto begin = std::chrono::steady_clock::now();
  Pump([&] { return a.hellos.size() > 20; });
  // Each of the two dials at most once in ten milliseconds.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(80));
}

TEST_F(PeerTransportTest, SilentPeerIsDownButNotGone) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ResetProxy to_b(io);
  to_b.set_target(b.transport.port());
  a.transport.SetPeers({At(kTwo, to_b.port())});
  Pump([&] { return a.transport.IsUp(kTwo); });
  to_b.set_mute(true);
  to_b.ResetAll();
  Pump([&] { return a.log.size() >= 2; });
  EXPECT_THAT(a.log, ElementsAre("up 2", "down 2"));
  to_b.set_mute(false);
  to_b.ResetAll();
  Pump([&] { return a.transport.IsUp(kTwo); });
  EXPECT_THAT(a.log, ElementsAre("up 2", "down 2", "up 2"));
}

TEST_F(PeerTransportTest, GoodbyeIsNoDeath) {
  Node a(io, kOne, 11);
  auto b = std::make_unique<Node>(io, kTwo, 22);
  ConnectBoth(a, *b);
  b->transport.Goodbye();
  Pump([&] { return a.log.size() >= 2; });
  // Several refused reconnects later it still is none.
  Pump([&] { return a.transport.counters().dials >= 5; });
  EXPECT_THAT(a.log, ElementsAre("up 2", "down 2"));
}

TEST_F(PeerTransportTest, GoodbyeArrivesAfterTheFramesBeforeIt) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  for (int i = 0; i < 10; ++i) b.transport.Send(kOne, Bytes("m"));
  b.transport.Goodbye();
  Pump([&] { return a.log.size() >= 2; });
  EXPECT_EQ(a.frames.size(), 10u);
}

TEST_F(PeerTransportTest, FullQueueDropsAndSaysSo) {
  PeerOptions options;
  options.queue_bytes_max = 1'000'000;
  Node a(io, kOne, 11, options);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  size_t accepted = 0;
  while (accepted < 1000 && a.transport.Send(kTwo, Bytes(100'000, 'x'))) ++accepted;
  EXPECT_EQ(accepted, 9u);
  EXPECT_LE(a.transport.QueuedBytes(kTwo), options.queue_bytes_max);
  Pump([&] { return b.frames.size() == accepted; });
  EXPECT_EQ(a.transport.QueuedBytes(kTwo), 0u);
  EXPECT_TRUE(a.transport.Send(kTwo, Bytes("x")));
}

TEST_F(PeerTransportTest, PeerTakenOffTheListIsLetGo) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  a.transport.SetPeers({});
  EXPECT_FALSE(a.transport.IsUp(kTwo));
  EXPECT_FALSE(a.transport.Send(kTwo, Bytes("x")));
  // It introduces itself anew, and may be heard again if it is still welcome.
  Pump([&] { return b.Count("up 1") == 2; });
  EXPECT_TRUE(b.transport.Send(kOne, Bytes("still")));
  Pump([&] { return !a.frames.empty(); });
  EXPECT_THAT(a.log, ElementsAre("up 2"));
  EXPECT_EQ(b.Count("gone 1"), 0U);
}

TEST_F(PeerTransportTest, NamesAreResolved) {
  Node a(io, kOne, 11);
  Node b(io, kTwo, 22);
  a.transport.SetPeers({{kTwo, "localhost", b.transport.port()}});
  Pump([&] { return a.transport.IsUp(kTwo); });
}

TEST_F(PeerTransportTest, KeepsDialingUntilThePeerAppears) {
  Node a(io, kOne, 11);
  uint16_t port = 0;
  {
    Node reserved(io, kTwo, 1);
    port = reserved.transport.port();
  }
  a.transport.SetPeers({At(kTwo, port)});
  Pump([&] { return a.transport.counters().dials >= 4; });
  EXPECT_THAT(a.log, IsEmpty());
  ResetProxy appears(io);
  Node b(io, kTwo, 22);
  appears.set_target(b.transport.port());
  a.transport.SetPeers({At(kTwo, appears.port())});
  Pump([&] { return a.transport.IsUp(kTwo); });
}

// --- strangers ---

std::string FrameOf(FrameType type, std::string_view body) {
  std::string out;
  AppendFrameHeader(type, body, &out);
  return out.append(body);
}

struct HostileCase {
  const char* name;
  std::string bytes;
};

class HostilePeerTest : public PeerTransportTest,
                        public ::testing::WithParamInterface<HostileCase> {};

TEST_P(HostilePeerTest, IsCutOffWithoutHarm) {
  Node a(io, kOne, 11);
  RawClient stranger(a.transport.port());
  stranger.Send(GetParam().bytes);
  Pump([&] { return !stranger.Receive(); });
  EXPECT_GE(a.transport.counters().bad_connections, 1u);
  EXPECT_THAT(a.frames, IsEmpty());
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
}

std::vector<HostileCase> HostileCases() {
  const std::string hello = EncodeHello(Node::SelfOf(kTwo, 9));
  Hello other = Node::SelfOf(NodeId(3), 9);
  Random random(3);
  std::string noise(5000, '\0');
  for (char& c : noise) c = static_cast<char>(random.Next());
  return {
      {"HttpRequest", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"TlsClientHello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + noise},
      {"Noise", noise},
      {"MessageBeforeHello", FrameOf(FrameType::kMessage, "m")},
      {"AckFromADialer", FrameOf(FrameType::kHelloAck, EncodeHelloAck({true, "", other}))},
      {"EmptyHello", FrameOf(FrameType::kHello, "")},
      {"HelloOfNoise", FrameOf(FrameType::kHello, noise)},
      {"LargeFrameOfAStranger", FrameOf(FrameType::kHello, std::string(70'000, 'x'))},
      {"SecondHelloOfAnother",
       FrameOf(FrameType::kHello, hello) + FrameOf(FrameType::kHello, EncodeHello(other))},
      {"BadFrameAfterHello", FrameOf(FrameType::kHello, hello) + noise},
      {"NothingAtAll", ""},
  };
}

INSTANTIATE_TEST_SUITE_P(PeerPort,
                         HostilePeerTest,
                         ::testing::ValuesIn(HostileCases()),
                         [](const auto& row) { return row.param.name; });

TEST_F(PeerTransportTest, HostileAnswerEndsTheAttemptOnly) {
  Node a(io, kOne, 11);
  ResetProxy liar(io);
  liar.set_target(a.transport.port());
  // Node 1 dials itself in the belief to reach node 2: its own Hello comes back as an answer.
  a.transport.SetPeers({At(kTwo, liar.port())});
  Pump([&] { return a.refusals.size() >= 2; });
  EXPECT_THAT(a.refusals.front(), HasSubstr("node 1 answers at this address"));
}

TEST_F(PeerTransportTest, ManyStrangersDoNotKeepPeersOut) {
  Node a(io, kOne, 11);
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 100; ++i)
    strangers.push_back(std::make_unique<RawClient>(a.transport.port()));
  Node b(io, kTwo, 22);
  ConnectBoth(a, b);
  EXPECT_GE(a.transport.counters().bad_connections, 30u);
}

// --- TLS ---

PeerOptions Under(const Certificates& authority, const std::string& name) {
  PeerOptions options;
  Result<std::shared_ptr<Tls>> tls = Tls::Load(authority.FilesOf(name, true));
  EXPECT_TRUE(tls) << (tls ? "" : tls.error().detail);
  options.tls = tls ? *tls : nullptr;
  return options;
}

TEST_F(PeerTransportTest, UnderTlsBothSidesMeetAndFramesArriveInOrder) {
  Certificates ours;
  ours.Issue("one");
  ours.Issue("two");
  Node a(io, kOne, 11, Under(ours, "one"));
  Node b(io, kTwo, 22, Under(ours, "two"));
  ConnectBoth(a, b);
  EXPECT_TRUE(a.transport.Send(kTwo, Bytes("first")));
  EXPECT_TRUE(a.transport.Send(kTwo, Bytes(5 << 20, 'x')));
  EXPECT_TRUE(b.transport.Send(kOne, Bytes("back")));
  Pump([&] { return b.frames.size() == 2 && a.frames.size() == 1; });
  EXPECT_THAT(b.frames, ElementsAre("1: first", "1: " + Bytes(5 << 20, 'x')));
  EXPECT_THAT(a.frames, ElementsAre("2: back"));
  b.transport.Goodbye();
  EXPECT_TRUE(Pump([&] { return a.Count("down 2") == 1; }));
}

TEST_F(PeerTransportTest, UnderTlsNobodyIsMetWithoutACertificateOfTheClusters) {
  Certificates ours;
  Certificates theirs("another authority");
  ours.Issue("one");
  theirs.Issue("two");
  Node a(io, kOne, 11, Under(ours, "one"));
  Node stranger(io, kTwo, 22, Under(theirs, "two"));
  Node plain(io, kTwo, 33);
  for (Node* other : {&stranger, &plain}) {
    a.bad_peers.clear();
    other->transport.SetPeers({At(kOne, a.transport.port())});
    EXPECT_TRUE(Pump([&] { return a.bad_peers.size() >= 2; }));
    EXPECT_THAT(a.hellos, IsEmpty());
    EXPECT_THAT(other->log, IsEmpty());
    other->transport.SetPeers({});
  }
  // Nor is one believed that was dialed.
  a.bad_peers.clear();
  a.transport.SetPeers({At(kTwo, stranger.transport.port())});
  EXPECT_TRUE(Pump([&] { return a.bad_peers.size() >= 2; }));
  EXPECT_THAT(a.log, IsEmpty());
  EXPECT_THAT(stranger.hellos, IsEmpty());
}

TEST_F(PeerTransportTest, UnderTlsAPeerIsWhereItsCertificateSays) {
  Certificates ours;
  ours.Issue("one");
  ours.Issue("two", "DNS:elsewhere");
  Node a(io, kOne, 11, Under(ours, "one"));
  Node b(io, kTwo, 22, Under(ours, "two"));
  a.transport.SetPeers({At(kTwo, b.transport.port())});
  EXPECT_TRUE(Pump([&] { return !a.bad_peers.empty(); }));
  EXPECT_THAT(a.bad_peers.front(), HasSubstr("IP address mismatch"));
  EXPECT_THAT(b.hellos, IsEmpty());
}

}  // namespace
}  // namespace synod::net
