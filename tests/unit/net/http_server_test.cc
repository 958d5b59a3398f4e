#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/net/http_server_fixture.h"

namespace synod::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(HttpServerTest, AnswersOnAConnectionThatStaysOpen) {
  StartEcho();
  auto client = Connect();
  client->Send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilReceived(*client, "GET /a ");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(client->received(), HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(client->received(), HasSubstr("\r\nContent-Length: 7\r\n"));
  EXPECT_THAT(client->received(), Not(HasSubstr("Connection:")));
  client->TakeReceived();
  client->Send("PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz");
  PumpUntilReceived(*client, "PUT /b xyz");
  EXPECT_EQ(server->counters().accepted, 1u);
  EXPECT_EQ(server->counters().requests, 2u);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInTheirOrder) {
  Start();
  auto client = Connect();
  client->Send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(3);
  handler.waiting[2]->Reply({200, "text/plain", "third", {}});
  handler.waiting[1]->Reply({200, "text/plain", "second", {}});
  io.restart();
  io.poll();
  client->Receive();
  EXPECT_EQ(client->received(), "");
  handler.waiting[0]->Reply({200, "text/plain", "first", {}});
  PumpUntilReceived(*client, "third");
  const std::string& all = client->received();
  EXPECT_LT(all.find("first"), all.find("second"));
  EXPECT_LT(all.find("second"), all.find("third"));
}

TEST_F(HttpServerTest, APipelinedChangeRunsAlone) {
  Start();
  auto client = Connect();
  client->Send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
  for (size_t i = 0; i < 3; ++i) {
    PumpUntilWaiting(i + 1);
    io.restart();
    io.poll();
    ASSERT_EQ(handler.waiting.size(), i + 1);
    handler.waiting[i]->Reply({200, "text/plain", "answer-" + std::to_string(i), {}});
  }
  PumpUntilReceived(*client, "answer-2");
}

TEST_F(HttpServerTest, StopsReadingAtThePipelineLimitAndGoesOnLater) {
  HttpOptions options;
  options.pipeline_max = 4;
  Start(options);
  auto client = Connect();
  std::string burst;
  for (int i = 0; i < 10; ++i)
    burst += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  client->Send(burst);
  PumpUntilWaiting(4);
  io.poll();
  EXPECT_EQ(handler.waiting.size(), 4u);
  for (size_t i = 0; i < 10; ++i) {
    PumpUntilWaiting(std::min<size_t>(i + 4, 10));
    handler.waiting[i]->Reply({200, "text/plain", "answer-" + std::to_string(i), {}});
  }
  PumpUntilReceived(*client, "answer-9");
}

TEST_F(HttpServerTest, TakesNoRequestWhileAnswersPileUp) {
  HttpOptions options;
  options.output_high_water = 100'000;
  Start(options);
  auto client = Connect(4096);
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->Reply({200, "text/plain", std::string(16 << 20, 'x'), {}});
  client->Send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 0; i < 10; ++i) io.run_one_for(std::chrono::milliseconds(1));
  EXPECT_EQ(handler.waiting.size(), 1u);
  EXPECT_GT(server->counters().output_bytes, options.output_high_water);
  Pump([&] {
    client->Receive();
    return handler.waiting.size() == 2;
  });
  EXPECT_LT(server->counters().output_bytes, options.output_high_water);
}

TEST_F(HttpServerTest, HeadHasTheLengthButNotTheBody) {
  Start();
  auto client = Connect();
  client->Send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
  EXPECT_TRUE(handler.waiting[0]->request().head);
  handler.waiting[0]->Reply({200, "text/plain", "unseen", {}});
  handler.waiting[1]->Reply({204, "", "", {}});
  Pump([&] {
    client->Receive();
    return client->received().find("204") != std::string::npos;
  });
  EXPECT_THAT(client->received(),
              HasSubstr("Content-Length: 6\r\n\r\nHTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(client->received(), Not(HasSubstr("unseen")));
}

TEST_F(HttpServerTest, HeaderValuesCannotBreakOutOfTheirLine) {
  Start();
  auto client = Connect();
  client->Send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->Reply({200, "", "", {{"X-Echo", "a\r\nEvil: b"}}});
  PumpUntilReceived(*client, "\r\n\r\n");
  EXPECT_THAT(client->received(), HasSubstr("X-Echo: a  Evil: b\r\n"));
}

TEST_F(HttpServerTest, ConnectionCloseEndsTheConnectionAfterTheAnswer) {
  StartEcho();
  auto client = Connect();
  client->Send(
      "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilEnded(*client);
  EXPECT_FALSE(client->was_reset());
  EXPECT_THAT(client->received(), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(client->received(), ::testing::EndsWith("GET /1 "));
  EXPECT_EQ(server->counters().requests, 1u);
}

TEST_F(HttpServerTest, Http10ClosesUnlessAskedToStay) {
  StartEcho();
  auto staying = Connect();
  staying->Send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  PumpUntilReceived(*staying, "GET /1 ");
  EXPECT_THAT(staying->received(), HasSubstr("Connection: keep-alive\r\n"));
  auto leaving = Connect();
  leaving->Send("GET /2 HTTP/1.0\r\n\r\n");
  PumpUntilEnded(*leaving);
  EXPECT_THAT(leaving->received(), HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, SendsContinueBeforeTheBodyIsThere) {
  StartEcho();
  auto client = Connect();
  client->Send("PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  PumpUntilReceived(*client, "HTTP/1.1 100 Continue\r\n\r\n");
  client->Send("hi");
  PumpUntilReceived(*client, "PUT /a hi");
}

TEST_F(HttpServerTest, ContinueWaitsForEarlierAnswers) {
  Start();
  auto client = Connect();
  client->Send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "PUT /2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->Reply({200, "text/plain", "one", {}});
  PumpUntilReceived(*client,
                    "one"
                    "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_F(HttpServerTest, RefusesATooLargeBodyBeforeItComesAndDropsIt) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  StartEcho(options);
  auto client = Connect();
  const std::string body(3 << 20, 'b');
  const std::string request =
      "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
      body;
  // The client sends all of it before it looks at the answer.
  size_t sent = 0;
  Pump([&] {
    sent += client->Send(std::string_view(request).substr(sent));
    return sent == request.size();
  });
  PumpUntilReceived(*client, "larger than 1000 bytes");
  PumpUntilEnded(*client);
  EXPECT_FALSE(client->was_reset());
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(server->counters().requests, 0u);
}

TEST_F(HttpServerTest, ClosesOnAClientThatSendsOnAfterARefusal) {
  HttpOptions options;
  options.drain_bytes_max = 100'000;
  StartEcho(options);
  auto client = Connect();
  client->Send("BAD\r\n\r\n");
  PumpUntilReceived(*client, "bad method");
  const std::string garbage(1 << 20, 'g');
  Pump([&] {
    client->Send(garbage);
    return server->counters().connections == 0;
  });
  EXPECT_LT(server->counters().received_bytes, 500'000u);
}

TEST_F(HttpServerTest, RefusalComesAfterTheAnswersBeforeIt) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/3.0\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->Reply({200, "text/plain", "one", {}});
  PumpUntilEnded(*client);
  EXPECT_THAT(client->received(), HasSubstr("one"
                                            "HTTP/1.1 505 HTTP Version Not Supported\r\n"));
  EXPECT_THAT(client->received(), HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, StreamsChunksInOrderAndStaysOpen) {
  Start();
  auto client = Connect();
  client->Send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
  handler.waiting[1]->Reply({200, "text/plain", "after", {}});
  Exchange& stream = *handler.waiting[0];
  stream.StartStream({200, "text/event-stream", "", {{"X-A", "b"}}});
  PumpUntilReceived(*client, "\r\n\r\n");
  EXPECT_THAT(client->received(), HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(client->TakeReceived(), Not(HasSubstr("Content-Length")));
  stream.Write(std::make_shared<const std::string>("hello"));
  PumpUntilReceived(*client, "5\r\nhello\r\n");
  const auto large = std::make_shared<const std::string>(5000, 'L');
  stream.Write(large);
  stream.EndStream();
  PumpUntilReceived(*client, "after");
  EXPECT_THAT(client->received(), HasSubstr("1388\r\n" + *large + "\r\n0\r\n\r\nHTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, StreamToHttp10EndsWithTheConnection) {
  Start();
  auto client = Connect();
  client->Send("GET /watch HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->StartStream({200, "text/event-stream", "first", {}});
  handler.waiting[0]->Write(std::make_shared<const std::string>("second"));
  handler.waiting[0]->EndStream();
  PumpUntilEnded(*client);
  EXPECT_THAT(client->received(), Not(HasSubstr("chunked")));
  EXPECT_THAT(client->received(), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(client->received(), ::testing::EndsWith("\r\n\r\nfirstsecond"));
}

TEST_F(HttpServerTest, StreamToHeadIsItsHeadAndItsOwnerIsTold) {
  Start();
  auto client = Connect();
  client->Send("HEAD /watch HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  bool gone = false;
  handler.waiting[0]->OnGone([&] { gone = true; });
  handler.waiting[0]->StartStream({200, "text/event-stream", "first", {}});
  handler.waiting[0]->Write(std::make_shared<const std::string>("second"));
  EXPECT_FALSE(gone);
  Pump([&] { return gone; });
  handler.waiting[0]->EndStream();
  PumpUntilReceived(*client, "\r\n\r\n");
  client->Send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
}

TEST_F(HttpServerTest, SlowReaderShowsInQueuedBytesAndDrainsOnce) {
  Start();
  auto client = Connect(4096);
  client->Send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  Exchange& stream = *handler.waiting[0];
  stream.StartStream({200, "text/event-stream", "", {}});
  const auto chunk = std::make_shared<const std::string>(1 << 20, 'c');
  for (int i = 0; i < 16; ++i) stream.Write(chunk);
  io.restart();
  io.poll();
  const size_t queued = stream.QueuedBytes();
  EXPECT_GT(queued, size_t{4} << 20);
  EXPECT_EQ(server->counters().output_bytes, queued);
  int drained = 0;
  stream.OnDrained([&] { ++drained; });
  io.restart();
  io.poll();
  EXPECT_EQ(drained, 0);
  Pump([&] {
    client->Receive();
    return drained > 0;
  });
  EXPECT_LT(stream.QueuedBytes(), HttpOptions{}.stream_low_water);
  Pump([&] {
    client->Receive();
    return stream.QueuedBytes() == 0;
  });
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(server->counters().output_bytes, 0u);
}

TEST_F(HttpServerTest, DrainedIsCalledSoonWhenNothingIsQueued) {
  Start();
  auto client = Connect();
  client->Send("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->StartStream({200, "text/event-stream", "", {}});
  bool drained = false;
  handler.waiting[0]->OnDrained([&] { drained = true; });
  EXPECT_FALSE(drained);
  Pump([&] { return drained; });
}

TEST_F(HttpServerTest, ReportsAClientThatGoesWhileItsRequestWaits) {
  Start();
  for (const bool with_reset : {false, true}) {
    handler.waiting.clear();
    auto client = Connect();
    client->Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    PumpUntilWaiting(1);
    int gone = 0;
    handler.waiting[0]->OnGone([&] { ++gone; });
    EXPECT_FALSE(handler.waiting[0]->gone());
    if (with_reset) {
      client->Reset();
    } else {
      client->Close();
    }
    Pump([&] { return gone > 0; });
    EXPECT_TRUE(handler.waiting[0]->gone());
    handler.waiting[0]->Reply({200, "text/plain", "nobody", {}});
    Pump([&] { return server->counters().connections == 0; });
    EXPECT_EQ(gone, 1);
  }
}

// What was read stays behind a change until that is answered: the end of the input may come first.
TEST_F(HttpServerTest, ReportsAClientThatWentBeforeItsRequestHadItsTurn) {
  Start();
  auto client = Connect();
  client->Send(
      "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
      "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  client->FinishSending();
  PumpUntilWaiting(1);
  Pump([&] { return handler.waiting[0]->gone(); });
  handler.waiting[0]->Reply({200, "text/plain", "written", {}});
  PumpUntilWaiting(2);
  bool gone = false;
  handler.waiting[1]->OnGone([&] { gone = true; });
  EXPECT_FALSE(gone) << "not from within the handler's call";
  EXPECT_TRUE(Pump([&] { return gone; }));
  handler.waiting[1]->Reply({200, "text/plain", "still answered", {}});
  PumpUntilEnded(*client);
  EXPECT_THAT(client->received(), ::testing::EndsWith("still answered"));
}

TEST_F(HttpServerTest, StillAnswersAClientThatClosedItsSendingHalf) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  client->FinishSending();
  PumpUntilWaiting(1);
  Pump([&] { return handler.waiting[0]->gone(); });
  handler.waiting[0]->Reply({200, "text/plain", "answer", {}});
  PumpUntilEnded(*client);
  EXPECT_THAT(client->received(), ::testing::EndsWith("answer"));
}

TEST_F(HttpServerTest, AnswerThatWasGivenIsNotReportedGone) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  bool gone = false;
  handler.waiting[0]->OnGone([&] { gone = true; });
  handler.waiting[0]->Reply({200, "text/plain", "answer", {}});
  client->Close();
  Pump([&] { return server->counters().connections == 0; });
  EXPECT_FALSE(gone);
}

TEST_F(HttpServerTest, DroppedExchangeEndsItsConnectionAfterEarlierAnswers) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
  handler.waiting[0]->Reply({200, "text/plain", "one", {}});
  handler.waiting.clear();
  PumpUntilEnded(*client);
  EXPECT_THAT(client->received(), ::testing::EndsWith("one"));
}

TEST_F(HttpServerTest, ExchangeMayOutliveTheServer) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  bool gone = false;
  handler.waiting[0]->OnGone([&] { gone = true; });
  server.reset();
  EXPECT_TRUE(gone);
  handler.waiting[0]->Reply({200, "text/plain", "late", {}});
  handler.waiting.clear();
}

TEST_F(HttpServerTest, SlowHeaderIsRefusedAfterItsTimeAndNotBefore) {
  StartEcho();
  server->Sweep(1'000);
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost");
  Pump([&] { return server->counters().received_bytes > 0; });
  client->Send(": h\r\nX-Drip: a");
  server->Sweep(10'999);
  Pump([&] { return server->counters().received_bytes > 30; });
  EXPECT_EQ(server->counters().refusals, 0u);
  server->Sweep(11'000);
  PumpUntilReceived(*client, "too long");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(HttpServerTest, AHeadOfWhatHasNoLengthTellsNone) {
  Start();
  auto client = Connect();
  client->Send("HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
  HttpResponse head{200, "text/event-stream", "", {}};
  head.no_length = true;
  handler.waiting[0]->Reply(std::move(head));
  handler.waiting[1]->Reply({200, "text/plain", "second", {}});
  PumpUntilReceived(*client, "second");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 200 OK\r\n"));
  const std::string first = client->received().substr(0, client->received().find("\r\n\r\n"));
  EXPECT_THAT(first, HasSubstr("text/event-stream"));
  EXPECT_THAT(first, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(first, Not(HasSubstr("Transfer-Encoding")));
}

TEST_F(HttpServerTest, ALimitCountsFromWhatStartedItAndNotFromTheSweepBefore) {
  handler.echo = true;
  server = std::make_unique<HttpServer>(io, handler, HttpOptions());
  ASSERT_TRUE(server->Listen("127.0.0.1", 0).has_value());
  const auto now_ms = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  server->Sweep(now_ms() - 60'000);
  auto client = Connect();
  const int64_t began_ms = now_ms();
  client->Send("GET /1 HTTP/1.1\r\nHost");
  Pump([&] { return server->counters().received_bytes > 0; });
  server->Sweep(began_ms + 9'999);
  EXPECT_EQ(server->counters().refusals, 0u);
  server->Sweep(now_ms() + 10'001);
  PumpUntilReceived(*client, "too long");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(HttpServerTest, SlowBodyIsRefused) {
  StartEcho();
  server->Sweep(0);
  auto client = Connect();
  client->Send("PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
  Pump([&] { return server->counters().request_bytes > 5; });
  server->Sweep(59'999);
  EXPECT_EQ(server->counters().refusals, 0u);
  server->Sweep(60'000);
  PumpUntilReceived(*client, "too long");
  EXPECT_THAT(client->received(), StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(server->counters().request_bytes, 0u);
}

TEST_F(HttpServerTest, IdleConnectionIsClosedButAWaitingRequestIsNot) {
  Start();
  server->Sweep(0);
  auto idle = Connect();
  auto waiting = Connect();
  waiting->Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  Pump([&] { return server->counters().connections == 2; });
  server->Sweep(299'999);
  EXPECT_EQ(server->counters().connections, 2u);
  server->Sweep(300'000);
  EXPECT_EQ(server->counters().connections, 1u);
  PumpUntilEnded(*idle);
  server->Sweep(3'000'000);
  handler.waiting[0]->Reply({200, "text/plain", "late", {}});
  PumpUntilReceived(*waiting, "late");
}

TEST_F(HttpServerTest, ClientThatNeverTakesItsAnswerIsClosed) {
  Start();
  server->Sweep(0);
  auto client = Connect(4096);
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  handler.waiting[0]->Reply({200, "text/plain", std::string(16 << 20, 'x'), {}});
  Pump([&] { return server->counters().sent_bytes > 0; });
  server->Sweep(300'000);
  EXPECT_EQ(server->counters().connections, 0u);
  EXPECT_EQ(server->counters().output_bytes, 0u);
}

// Ten clients at once, a turn for each: what others have posted runs between them.
TEST_F(HttpServerTest, TheLoopSeesToOthersBetweenTheTurnsOfMany) {
  HttpOptions options;
  options.turn_max = std::chrono::microseconds(0);
  StartEcho(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Connect());
  ASSERT_TRUE(Pump([&] { return server->counters().connections == 10; }));
  for (const auto& client : clients) client->Send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  std::vector<uint64_t> answered_by;  // as every round of the loop sees it
  std::function<void()> look = [&] {
    answered_by.push_back(server->counters().requests);
    if (answered_by.back() < 10)
      asio::post(io, look);
  };
  asio::post(io, look);
  ASSERT_TRUE(Pump([&] { return !answered_by.empty() && answered_by.back() == 10; }));
  for (size_t i = 1; i < answered_by.size(); ++i)
    EXPECT_LE(answered_by[i] - answered_by[i - 1], 1u);
  EXPECT_EQ(server->counters().in_line, 0u);
}

TEST_F(HttpServerTest, ARequestKnowsHowLongItWaitedForItsTurn) {
  HttpOptions options;
  options.turn_max = std::chrono::microseconds(0);
  Start(options);
  auto first = Connect();
  auto second = Connect();
  ASSERT_TRUE(Pump([&] { return server->counters().connections == 2; }));
  handler.spend = std::chrono::milliseconds(5);
  first->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  second->Send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(2);
  EXPECT_GE(handler.waiting[1]->request().waited_us, 5000);
}

TEST_F(HttpServerTest, WhatIsTakenUpOnlyAfterAnAnswerHasNoMeasuredWait) {
  Start();
  auto client = Connect();
  client->Send(
      "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  EXPECT_TRUE(handler.waiting[0]->request().waited_us.has_value());
  handler.waiting[0]->Reply({200, "text/plain", "first", {}});
  PumpUntilWaiting(2);
  EXPECT_FALSE(handler.waiting[1]->request().waited_us.has_value());
}

TEST_F(HttpServerTest, LingersOnlySoLongForAClientThatDoesNotClose) {
  StartEcho();
  server->Sweep(0);
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  PumpUntilEnded(*client);
  EXPECT_EQ(server->counters().connections, 1u);
  server->Sweep(5'000);
  EXPECT_EQ(server->counters().connections, 0u);
}

TEST_F(HttpServerTest, ConnectionsOverTheLimitAreToldSo) {
  HttpOptions options;
  options.connections_max = 1;
  StartEcho(options);
  auto first = Connect();
  Pump([&] { return server->counters().connections == 1; });
  auto second = Connect();
  PumpUntilEnded(*second);
  EXPECT_THAT(second->received(), StartsWith("HTTP/1.1 429 "));
  first->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilReceived(*first, "GET /1 ");
  EXPECT_EQ(server->counters().rejected, 1u);
}

TEST_F(HttpServerTest, ConnectionsLeaveDescriptorsForFilesWhateverIsAskedFor) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 3000;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  HttpOptions options;
  options.connections_max = 2500;
  Start(options);
  EXPECT_EQ(server->counters().connections_max, 2000u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(HttpServerTest, RefusesRequestsOverTheMemoryBudget) {
  HttpOptions options;
  options.memory_bytes_max = 100'000;
  Start(options);
  auto hog = Connect();
  hog->Send("PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n" +
            std::string(90'000, 'h'));
  PumpUntilWaiting(1);
  auto second = Connect();
  second->Send("PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n" +
               std::string(20'000, 'h'));
  PumpUntilEnded(*second);
  EXPECT_THAT(second->received(), StartsWith("HTTP/1.1 429 "));
  handler.waiting[0]->Reply({200, "", "", {}});
  handler.waiting.clear();
  EXPECT_EQ(server->counters().request_bytes, 0u);
}

TEST_F(HttpServerTest, WhatIsReadButNotYetARequestCountsAsHeld) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\nX-Long: " + std::string(5000, 'x'));
  Pump([&] { return server->counters().received_bytes > 5000; });
  EXPECT_GT(server->counters().request_bytes, 5000u);
  client->Send("\r\n\r\n");
  PumpUntilWaiting(1);
  EXPECT_GT(server->counters().request_bytes, 5000u);
  EXPECT_LT(server->counters().request_bytes, 6000u);
  handler.waiting[0]->Reply({200, "", "", {}});
  handler.waiting.clear();
  EXPECT_EQ(server->counters().request_bytes, 0u);
  client->TakeReceived();
  client->Send("GET /2 HTTP/1.1\r\nHost: h\r\nX-Long: " + std::string(5000, 'x'));
  Pump([&] { return server->counters().request_bytes > 5000; });
  client->Close();
  Pump([&] { return server->counters().connections == 0; });
  EXPECT_EQ(server->counters().request_bytes, 0u);
}

TEST_F(HttpServerTest, CloseIdleLetsWaitingRequestsFinish) {
  Start();
  auto idle = Connect();
  auto busy = Connect();
  busy->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  Pump([&] { return server->counters().connections == 2; });
  server->StopAccepting();
  server->CloseIdle();
  PumpUntilEnded(*idle);
  EXPECT_FALSE(idle->was_reset());
  EXPECT_TRUE(busy->Receive());
  handler.waiting[0]->Reply({200, "text/plain", "last", {}});
  PumpUntilEnded(*busy);
  EXPECT_THAT(busy->received(), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(busy->received(), ::testing::EndsWith("last"));
}

TEST_F(HttpServerTest, ListeningOnATakenPortSaysSo) {
  Start();
  const Status second = server->Listen("127.0.0.1", server->port());
  ASSERT_TRUE(second.has_error());
  EXPECT_THAT(second.error().detail, HasSubstr("Address already in use"));
}

TEST_F(HttpServerTest, RemoteNamesTheClient) {
  Start();
  auto client = Connect();
  client->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  PumpUntilWaiting(1);
  EXPECT_THAT(handler.waiting[0]->remote(), StartsWith("127.0.0.1:"));
}

}  // namespace
}  // namespace synod::net
