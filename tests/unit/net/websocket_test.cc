// Connections that become WebSockets: RFC 6455 as bytes, written here by hand.
#include "src/net/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "src/net/http_server.h"
#include "tests/unit/net/socket_fixture.h"

namespace synod::net {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kHandshake =
    "GET /v1/watch HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

constexpr int kContinuation = 0x0;
constexpr int kText = 0x1;
constexpr int kBinary = 0x2;
constexpr int kClose = 0x8;
constexpr int kPing = 0x9;
constexpr int kPong = 0xA;

// A client's frame: masked.
std::string Frame(int opcode, std::string payload, bool fin = true) {
  static constexpr char kMask[] = {0x37, static_cast<char>(0xfa), 0x21, 0x3d};
  std::string frame(1, static_cast<char>((fin ? 0x80 : 0) | opcode));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    const bool medium = payload.size() <= 0xFFFF;
    frame.push_back(static_cast<char>(0x80 | (medium ? 126 : 127)));
    for (int shift = medium ? 8 : 56; shift >= 0; shift -= 8)
      frame.push_back(static_cast<char>(payload.size() >> shift));
  }
  frame.append(kMask, 4);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= kMask[i % 4];
  return frame + payload;
}

std::string Unmasked(int opcode, const std::string& payload) {
  return std::string(1, static_cast<char>(0x80 | opcode)) +
         std::string(1, static_cast<char>(payload.size())) + payload;
}

std::string CloseFrame(uint16_t code, const std::string& reason = "") {
  return Unmasked(kClose, std::string(1, static_cast<char>(code >> 8)) +
                              std::string(1, static_cast<char>(code & 0xFF)) + reason);
}

// Upgrades everything that comes; keeps what it is told.
class Upgrader : public HttpHandler {
 public:
  void OnRequest(std::shared_ptr<Exchange> exchange) override {
    targets.push_back(exchange->request().target);
    if (exchange->request().Header("upgrade").empty()) {
      others.push_back(std::move(exchange));
      return;
    }
    socket = std::move(exchange);
    socket->OnGone([this] {
      ++gone;
      if (drop_when_gone)
        socket.reset();
    });
    if (!wait)
      Accept();
  }
  void Accept() {
    HttpResponse head;
    head.headers = {{"Synod-Node", "2"}};
    socket->StartSocket(std::move(head),
                        [this](std::string text) { messages.push_back(std::move(text)); });
  }
  HttpResponse Refuse(Errc, std::string detail) override {
    return {400, "application/problem+json", std::move(detail), {}};
  }
  void Send(const std::string& prefix, std::string text) {
    const auto bytes = std::make_shared<const std::string>(std::move(text));
    socket->Send(prefix, bytes, *bytes);
  }

  bool wait = false;
  bool drop_when_gone = true;
  std::shared_ptr<Exchange> socket;
  std::vector<std::shared_ptr<Exchange>> others;
  std::vector<std::string> targets;
  std::vector<std::string> messages;
  int gone = 0;
};

class WebSocketTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }
  void Start(HttpOptions options) {
    options.own_clock = false;
    server = std::make_unique<HttpServer>(io, handler, options);
    ASSERT_TRUE(server->Listen("127.0.0.1", 0).has_value());
    server->Sweep(0);
  }
  // With the answer to the handshake taken.
  void Open(int receive_buffer = 0) {
    client = std::make_unique<RawClient>(server->port(), receive_buffer);
    client->Send(kHandshake);
    Until("\r\n\r\n");
    client->TakeReceived();
  }
  void Until(std::string_view end) {
    Pump([&] {
      client->Receive();
      return client->received().ends_with(end) || client->ended();
    });
    EXPECT_THAT(client->received(), EndsWith(std::string(end)));
  }
  void UntilEnded() {
    Pump([&] { return !client->Receive(); });
  }
  void UntilMessages(size_t n) {
    Pump([&] { return handler.messages.size() >= n; });
    EXPECT_EQ(handler.messages.size(), n);
  }
  bool Pump(const std::function<bool()>& done) { return PumpUntil(io, done); }

  asio::io_context io{1};
  Upgrader handler;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<RawClient> client;
};

TEST_F(WebSocketTest, AnswersTheHandshakeOfTheRfc) {
  client = std::make_unique<RawClient>(server->port());
  client->Send(kHandshake);
  Until("\r\n\r\n");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(client->received(),
              HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(client->received(), HasSubstr("\r\nSynod-Node: 2\r\n"));
  EXPECT_THAT(client->received(), Not(HasSubstr("Beast")));
  EXPECT_EQ(server->counters().websockets, 1u);
}

TEST_F(WebSocketTest, GivesTextMessagesHoweverTheyAreCut) {
  Open();
  const std::string hello = Frame(kText, "Hello");
  EXPECT_EQ(hello, std::string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));  // section 5.7
  client->Send(hello + Frame(kText, "one") + Frame(kText, ""));
  UntilMessages(3);
  client->Send(Frame(kText, "fr", false) + Frame(kPing, "p") + Frame(kContinuation, "ag"));
  UntilMessages(4);
  for (const char byte : Frame(kText, "bytewise")) {
    client->Send(std::string_view(&byte, 1));
    const uint64_t before = server->counters().received_bytes;
    Pump([&] { return server->counters().received_bytes > before; });
  }
  UntilMessages(5);
  client->Send(Frame(kText, std::string(60'000, 'x')));
  UntilMessages(6);
  EXPECT_EQ(handler.messages.back(), std::string(60'000, 'x'));
  handler.messages.pop_back();
  EXPECT_THAT(handler.messages, ElementsAre("Hello", "one", "", "frag", "bytewise"));
  Until(Unmasked(kPong, "p"));
}

// What it holds of a message that is not whole must not keep it from reading the rest.
TEST_F(WebSocketTest, ReadsTheRestOfTheLargestMessage) {
  for (const std::string rest : {"", "x"}) {
    Open();
    const std::string largest(64 << 10, 'x');
    // The pong tells that all before it was taken.
    client->Send(Frame(kText, largest, false) + Frame(kPing, "p"));
    Until(Unmasked(kPong, "p"));
    client->TakeReceived();
    client->Send(Frame(kContinuation, rest));
    if (rest.empty()) {
      UntilMessages(1);
      EXPECT_TRUE(handler.messages.back() == largest);
    } else {
      Pump([&] {
        client->Receive();
        return client->received().size() >= 4;
      });
      EXPECT_THAT(client->received(), StartsWith(CloseFrame(1009).substr(0, 1)));
      EXPECT_THAT(client->received().substr(2), StartsWith(CloseFrame(1009).substr(2)));
    }
  }
}

TEST_F(WebSocketTest, FramesWhatIsSentByItsLength) {
  Open();
  handler.Send("", "Hello");
  Until(std::string("\x81\x05Hello"));
  for (const size_t size : {size_t{125}, size_t{126}, size_t{65'535}, size_t{65'536}}) {
    client->TakeReceived();
    handler.Send("{\"id\":1,", std::string(size - 8, 'x'));
    std::string head = size <= 125    ? std::string("\x81\x7d")
                       : size == 126  ? std::string("\x81\x7e\x00\x7e", 4)
                       : size < 65536 ? std::string("\x81\x7e\xff\xff", 4)
                                      : std::string("\x81\x7f\0\0\0\0\0\x01\0\0", 10);
    head += "{\"id\":1," + std::string(size - 8, 'x');
    Pump([&] {
      client->Receive();
      return client->received().size() >= head.size();
    });
    EXPECT_TRUE(client->received() == head) << size;
  }
}

TEST_F(WebSocketTest, ClosesWithTheCodeForWhatItCannotTake) {
  struct Case {
    const char* name;
    std::string bytes;
    uint16_t code;
  };
  const std::vector<Case> cases = {
      {"binary", Frame(kBinary, "x"), 1003},
      {"not masked", Unmasked(kText, "x"), 1002},
      {"unknown opcode", Frame(0x3, "x"), 1002},
      {"reserved bit", "\xC1" + Frame(kText, "x").substr(1), 1002},
      {"continues nothing", Frame(kContinuation, "x"), 1002},
      {"control frame in pieces", Frame(kPing, "x", false), 1002},
      {"length not in its shortest form", std::string("\x81\xFE\0\x01maskx", 9), 1002},
      {"not UTF-8", Frame(kText, "\xff"), 1007},
      {"too large", Frame(kText, std::string((64 << 10) + 1, 'x')), 1009},
      {"too large in pieces",
       Frame(kText, std::string(64 << 10, 'x'), false) + Frame(kContinuation, "x"), 1009},
  };
  for (const Case& c : cases) {
    handler.gone = 0;
    Open();
    client->Send(c.bytes);
    Pump([&] {
      client->Receive();
      return client->received().size() >= 4;
    });
    const std::string& got = client->received();
    EXPECT_EQ(got[0], static_cast<char>(0x88)) << c.name;
    EXPECT_EQ(static_cast<uint8_t>(got[2]) << 8 | static_cast<uint8_t>(got[3]), c.code) << c.name;
    client->Send(Frame(kClose, got.substr(2, 2)));
    Pump([&] { return !client->Receive(); });
    client->Close();
    Pump([&] { return server->counters().connections == 0; });
    EXPECT_TRUE(handler.messages.empty()) << c.name;
    EXPECT_EQ(handler.socket, nullptr) << c.name;
    EXPECT_EQ(server->counters().websockets, 0u) << c.name;
    EXPECT_EQ(server->counters().request_bytes, 0u) << c.name;
    EXPECT_EQ(server->counters().output_bytes, 0u) << c.name;
  }
}

TEST_F(WebSocketTest, AnswersTheClientsCloseAndTellsThatItIsGone) {
  Open();
  client->Send(Frame(kText, "last") + Frame(kClose, std::string("\x03\xe8", 2)));
  UntilEnded();
  EXPECT_EQ(client->received(), CloseFrame(1000));
  EXPECT_EQ(handler.gone, 1);
  EXPECT_THAT(handler.messages, ElementsAre("last"));
  client->Close();
  Pump([&] { return server->counters().connections == 0; });
}

TEST_F(WebSocketTest, NothingFollowsItsOwnClose) {
  Open();
  handler.Send("", "first");
  handler.socket->CloseSocket(kCloseGoingAway, "stopping");
  handler.Send("", "never");
  handler.socket->CloseSocket(kCloseGoingAway, "again");
  Until(CloseFrame(1001, "stopping"));
  EXPECT_EQ(client->received(), Unmasked(kText, "first") + CloseFrame(1001, "stopping"));
  // What crossed it on its way is not given out.
  client->Send(Frame(kText, "crossed") + Frame(kClose, std::string("\x03\xe9", 2)));
  UntilEnded();
  EXPECT_TRUE(handler.messages.empty());
  EXPECT_EQ(handler.gone, 0);
}

TEST_F(WebSocketTest, AClientThatDoesNotAnswerTheCloseIsClosed) {
  Open();
  server->Sweep(1'000);
  handler.socket->CloseSocket(kCloseGoingAway, "");
  handler.socket.reset();
  Until(CloseFrame(1001));
  server->Sweep(5'999);
  EXPECT_EQ(server->counters().connections, 1u);
  server->Sweep(6'000);
  EXPECT_EQ(server->counters().connections, 0u);
}

TEST_F(WebSocketTest, AsksASilentClientForASignOfLifeAndClosesOneThatGivesNone) {
  Open();
  server->Sweep(9'999);
  server->Sweep(10'000);
  Until(Unmasked(kPing, ""));
  EXPECT_EQ(client->received(), Unmasked(kPing, ""));
  client->Send(Frame(kPong, ""));
  const uint64_t before = server->counters().received_bytes;
  Pump([&] { return server->counters().received_bytes > before; });
  server->Sweep(19'999);
  server->Sweep(20'000);
  Until(Unmasked(kPing, "") + Unmasked(kPing, ""));
  server->Sweep(30'000);
  server->Sweep(39'999);
  EXPECT_EQ(server->counters().connections, 1u);
  server->Sweep(40'000);
  EXPECT_EQ(server->counters().connections, 0u);
  EXPECT_EQ(handler.gone, 1);
}

TEST_F(WebSocketTest, AClientThatGoesWithoutAWordIsGone) {
  for (const bool with_reset : {false, true}) {
    handler.gone = 0;
    Open();
    if (with_reset)
      client->Reset();
    else
      client->Close();
    Pump([&] { return handler.gone > 0; });
    Pump([&] { return server->counters().connections == 0; });
    EXPECT_EQ(handler.gone, 1);
  }
}

TEST_F(WebSocketTest, TheUpgradeWaitsForItsTurnAndWhatFollowsItIsNoRequest) {
  handler.wait = true;
  client = std::make_unique<RawClient>(server->port());
  client->Send("GET /before HTTP/1.1\r\nHost: h\r\n\r\n" + std::string(kHandshake) +
               Frame(kText, "early"));
  Pump([&] { return handler.others.size() == 1; });
  io.restart();
  io.poll();
  EXPECT_THAT(handler.targets, ElementsAre("/before"));
  handler.others[0]->Reply({200, "text/plain", "before", {}});
  Pump([&] { return handler.socket != nullptr; });
  EXPECT_TRUE(handler.messages.empty());
  handler.Accept();
  UntilMessages(1);
  Until("\r\n\r\n");
  EXPECT_THAT(client->received(), HasSubstr("beforeHTTP/1.1 101 "));
  EXPECT_THAT(handler.messages, ElementsAre("early"));
}

TEST_F(WebSocketTest, IsNotListenedToWhileItTakesNothing) {
  Open(4096);
  const auto chunk = std::make_shared<const std::string>(1 << 20, 'c');
  for (int i = 0; i < 16; ++i) handler.socket->Send("", chunk, *chunk);
  io.restart();
  io.poll();
  EXPECT_GT(handler.socket->QueuedBytes(), size_t{4} << 20);
  client->Send(Frame(kText, "asked"));
  for (int i = 0; i < 10; ++i) io.run_one_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(handler.messages.empty());
  // Its silence is not its fault meanwhile.
  server->Sweep(60'000);
  EXPECT_EQ(handler.gone, 0);
  int drained = 0;
  handler.socket->OnDrained([&] { ++drained; });
  Pump([&] {
    client->Receive();
    return drained > 0;
  });
  UntilMessages(1);
  EXPECT_THAT(handler.messages, ElementsAre("asked"));
}

TEST_F(WebSocketTest, EndsWithItsServerAndWithItsOwner) {
  Open();
  handler.drop_when_gone = false;
  server.reset();
  EXPECT_EQ(handler.gone, 1);
  handler.Send("", "late");
  handler.socket->CloseSocket(kCloseGoingAway, "");
  handler.socket.reset();
  SetUp();
  Open();
  handler.socket.reset();
  UntilEnded();
  EXPECT_EQ(server->counters().connections, 0u);
}

}  // namespace
}  // namespace synod::net
