// TLS under the HTTP server, and its files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "src/net/http_server.h"
#include "src/net/wire.h"
#include "tests/support/certificates.h"
#include "tests/unit/net/socket_fixture.h"

namespace synod::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::shared_ptr<Tls> LoadOrDie(const TlsFiles& files) {
  Result<std::shared_ptr<Tls>> loaded = Tls::Load(files);
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
  return loaded ? *loaded : nullptr;
}

class Echo : public HttpHandler {
 public:
  void OnRequest(std::shared_ptr<Exchange> exchange) override {
    const HttpRequest& request = exchange->request();
    exchange->Reply({200, "text/plain", request.body + "!", {{"X-Name", request.certified_name}}});
  }
  HttpResponse Refuse(Errc, std::string detail) override {
    return {400, "text/plain", "refused: " + detail, {}};
  }
};

// A client that speaks by a Wire of its own.
class Client {
 public:
  Client(asio::io_context& io, uint16_t port, const Tls* tls, const std::string& host)
      : wire_(Connected(io, port), tls, host) {}

  void Say(std::string_view text) { out_.Append(text); }
  // Moves what can move; false once the connection is at its end.
  bool Move() {
    uint64_t sent = 0;
    if (wire_.Write(&out_, &sent) == OutputQueue::Written::kFailed)
      return false;
    std::string buffer(size_t{64} << 10, '\0');
    size_t n = 0;
    const Wire::Got got = wire_.Read(buffer.data(), buffer.size(), &n);
    heard.append(buffer, 0, n);
    return got == Wire::Got::kBytes || got == Wire::Got::kBlocked;
  }
  const std::string& error() const { return wire_.error(); }

  std::string heard;

 private:
  static Socket Connected(asio::io_context& io, uint16_t port) {
    Socket socket(io);
    socket.connect(Tcp::endpoint(asio::ip::address_v4::loopback(), port));
    socket.non_blocking(true);
    return socket;
  }

  Wire wire_;
  OutputQueue out_;
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    ours.Issue("server");
    ours.Issue("guest");
  }
  void Start(const TlsFiles& files) {
    tls = LoadOrDie(files);
    HttpOptions options;
    options.own_clock = false;
    options.tls = tls;
    server = std::make_unique<HttpServer>(io, echo, options);
    ASSERT_TRUE(server->Listen("127.0.0.1", 0));
  }
  std::unique_ptr<Client> Connect(const Tls* as, const std::string& host = "127.0.0.1") {
    return std::make_unique<Client>(io, server->port(), as, host);
  }
  static std::string Post(const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  // What a client hears until it ends in '!', or until its connection does.
  std::string Hear(Client* client) {
    PumpUntil(io, [&] { return !client->Move() || client->heard.ends_with('!'); });
    return std::exchange(client->heard, {});
  }

  asio::io_context io{1};
  Echo echo;
  Certificates ours;
  Certificates theirs{"another authority"};
  std::shared_ptr<Tls> tls;
  std::unique_ptr<HttpServer> server;
  const std::shared_ptr<Tls> trusting = LoadOrDie({"", "", ours.ca_file(), false});
};

TEST_F(TlsTest, RequestsAndAnswersOfAnySizePass) {
  Start(ours.FilesOf("server", false));
  const auto client = Connect(trusting.get());
  for (const size_t size : {size_t{1}, size_t{16384}, size_t{16385}, size_t{1} << 20}) {
    const std::string body(size, 'b');
    client->Say(Post(body));
    EXPECT_THAT(Hear(client.get()), EndsWith("\r\n\r\n" + body + "!")) << size;
  }
}

TEST_F(TlsTest, AClientJudgesTheNameThatItDialed) {
  Start(ours.FilesOf("server", false));
  const auto by_name = Connect(trusting.get(), "localhost");
  by_name->Say(Post("x"));
  EXPECT_THAT(Hear(by_name.get()), EndsWith("x!"));
  const auto elsewhere = Connect(trusting.get(), "elsewhere");
  elsewhere->Say(Post("x"));
  EXPECT_EQ(Hear(elsewhere.get()), "");
  EXPECT_THAT(elsewhere->error(), HasSubstr("ostname mismatch"));
}

TEST_F(TlsTest, AClientBelievesItsAuthorityAlone) {
  Start(ours.FilesOf("server", false));
  const auto other = LoadOrDie({"", "", theirs.ca_file(), false});
  const auto client = Connect(other.get());
  client->Say(Post("x"));
  EXPECT_EQ(Hear(client.get()), "");
  EXPECT_NE(client->error(), "");
}

TEST_F(TlsTest, WhoMustShowACertificateShowsAGoodOne) {
  Start(ours.FilesOf("server", true));
  const auto without = Connect(trusting.get());
  without->Say(Post("x"));
  EXPECT_EQ(Hear(without.get()), "");
  theirs.Issue("guest");
  const auto forged =
      LoadOrDie({theirs.cert_file("guest"), theirs.key_file("guest"), ours.ca_file(), false});
  const auto stranger = Connect(forged.get());
  stranger->Say(Post("x"));
  EXPECT_EQ(Hear(stranger.get()), "");
  const auto good = LoadOrDie(ours.FilesOf("guest", false));
  const auto guest = Connect(good.get());
  guest->Say(Post("x"));
  EXPECT_THAT(Hear(guest.get()), EndsWith("x!"));
}

TEST_F(TlsTest, ARequestHasTheNameOfItsClientsCertificate) {
  Start(ours.FilesOf("server", false));
  ours.Issue("two", "DNS:two", "root");
  struct Case {
    TlsFiles client;
    const char* name;
  };
  for (const Case& c : {Case{ours.FilesOf("guest", false), "guest"},
                        Case{ours.FilesOf("two", false), ""},  // of two names none counts
                        Case{{"", "", ours.ca_file(), false}, ""}}) {
    const auto tls_of_client = LoadOrDie(c.client);
    const auto client = Connect(tls_of_client.get());
    for (int request = 0; request < 2; ++request) {
      client->Say(Post("x"));
      EXPECT_THAT(Hear(client.get()), HasSubstr("X-Name: " + std::string(c.name) + "\r\n"));
    }
  }
  // Who asks for no certificate gets none.
  Start({ours.cert_file("server"), ours.key_file("server"), "", false});
  const auto guest_tls = LoadOrDie(ours.FilesOf("guest", false));
  const auto guest = Connect(guest_tls.get());
  guest->Say(Post("x"));
  EXPECT_THAT(Hear(guest.get()), HasSubstr("X-Name: \r\n"));
}

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Session = std::unique_ptr<SSL_SESSION, SessionDeleter>;

// A client that comes back with the session of before, as most do that are not ours.
class ReturningClient {
 public:
  explicit ReturningClient(int version) : context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
  }
  bool Connect(asio::io_context& io, uint16_t port) {
    Socket socket(io);
    socket.connect(Tcp::endpoint(asio::ip::address_v4::loopback(), port));
    socket.non_blocking(true);
    const Ssl ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), socket.native_handle());
    if (session_ != nullptr)
      SSL_set_session(ssl.get(), session_.get());
    int result = 0;
    PumpUntil(io, [&] {
      result = SSL_connect(ssl.get());
      return SSL_get_error(ssl.get(), result) != SSL_ERROR_WANT_READ;
    });
    session_.reset(SSL_get1_session(ssl.get()));
    resumed = SSL_session_reused(ssl.get()) == 1;
    SSL_shutdown(ssl.get());  // a session of a connection that broke off is not used again
    return result == 1;
  }

  bool resumed = false;

 private:
  SslContext context_;
  Session session_;
};

TEST_F(TlsTest, WhoComesBackWithItsSessionIsJudgedAnew) {
  Start(ours.FilesOf("server", false));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ReturningClient client(version);
    for (int connection = 0; connection < 3; ++connection) {
      EXPECT_TRUE(client.Connect(io, server->port())) << version << " " << connection;
      EXPECT_FALSE(client.resumed) << version << " " << connection;
    }
  }
}

TEST_F(TlsTest, WhatIsNotTlsGetsNothingDone) {
  Start(ours.FilesOf("server", false));
  RawClient plain(server->port());
  plain.Send(Post("x"));
  PumpUntil(io, [&] { return !plain.Receive(); });
  EXPECT_THAT(plain.received(), testing::Not(HasSubstr("HTTP")));
  EXPECT_EQ(server->counters().requests, 0u);
}

TEST_F(TlsTest, NewFilesCountForNewConnections) {
  Start(ours.FilesOf("server", false));
  EXPECT_FALSE(*tls->Refresh());
  const auto before = Connect(trusting.get());
  before->Say(Post("x"));
  EXPECT_THAT(Hear(before.get()), EndsWith("x!"));
  ours.Issue("server", "DNS:moved");
  EXPECT_TRUE(*tls->Refresh());
  EXPECT_FALSE(*tls->Refresh());
  before->Say(Post("y"));
  EXPECT_THAT(Hear(before.get()), EndsWith("y!"));
  const auto after = Connect(trusting.get(), "moved");
  after->Say(Post("z"));
  EXPECT_THAT(Hear(after.get()), EndsWith("z!"));
}

TEST_F(TlsTest, FilesThatDoNotFitLeaveAllAsItIs) {
  Start(ours.FilesOf("server", false));
  std::filesystem::copy_file(ours.key_file("guest"), ours.key_file("server"),
                             std::filesystem::copy_options::overwrite_existing);
  const Result<bool> refreshed = tls->Refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_THAT(refreshed.error().detail, HasSubstr(ours.key_file("server")));
  const auto client = Connect(trusting.get());
  client->Say(Post("x"));
  EXPECT_THAT(Hear(client.get()), EndsWith("x!"));
}

TEST_F(TlsTest, FilesThatCannotBeReadAreNamed) {
  TlsFiles files = ours.FilesOf("server", false);
  files.ca_file = "/nonexistent/ca.pem";
  const Result<std::shared_ptr<Tls>> loaded = Tls::Load(files);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().detail, HasSubstr("/nonexistent/ca.pem"));
  EXPECT_THAT(loaded.error().detail, HasSubstr("No such file"));
  std::ofstream(ours.cert_file("server")) << "no certificate";
  const Result<std::shared_ptr<Tls>> damaged = Tls::Load(ours.FilesOf("server", false));
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().detail, HasSubstr(ours.cert_file("server")));
}

}  // namespace
}  // namespace synod::net
