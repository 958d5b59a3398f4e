// Messages of watches and elections, as text.
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

constexpr auto kSse = StreamFormat::kSse;
constexpr auto kNdjson = StreamFormat::kNdjson;
constexpr auto kPoll = StreamFormat::kLongPoll;

// A revision that put /a over an older one and deleted /b.
watch::Message TwoChanges(bool prev, uint64_t revision = 18, std::string value = "x") {
  auto changes = std::make_shared<store::RevisionChanges>();
  changes->revision = Revision(revision);
  store::Change put;
  put.path = "/a";
  put.node = MakeNode("/a", std::move(value)).node;
  put.prev = MakeNode("/a", "old", 16).node;
  store::Change gone;
  gone.type = store::Change::Type::kDelete;
  gone.path = "/b";
  gone.prev = MakeNode("/b", "\xFF", 15).node;
  gone.cause = store::Cause::kExpired;
  changes->changes = {put, gone};
  watch::Message message;
  message.revision = changes;
  message.prev = prev;
  for (const store::Change& change : changes->changes) message.changes.push_back(&change);
  return message;
}

std::string Node(std::string_view path, std::string_view value, int mod_revision) {
  return R"({"path":")" + std::string(path) + "\"," + std::string(value) +
         R"(,"version":3,"create_revision":5,"mod_revision":)" + std::to_string(mod_revision) +
         R"(,"children_revision":9,"num_children":2,"lease":0})";
}

std::string Events(bool prev, std::string_view revision = "") {
  return "{" + std::string(revision) + R"("type":"put","path":"/a","node":)" +
         Node("/a", R"("value":"x")", 17) +
         (prev ? ",\"prev\":" + Node("/a", R"("value":"old")", 16) : "") +
         R"(,"cause":"client"},{)" + std::string(revision) + R"("type":"delete","path":"/b")" +
         (prev ? ",\"prev\":" + Node("/b", R"("value_base64":"/w==")", 15) : "") +
         R"(,"cause":"expired"})";
}

TEST(StreamTest, AMessageIsAllThatOneRevisionChanged) {
  EXPECT_EQ(
      *RenderChange(kSse, false, TwoChanges(false)),
      "id: 18\nevent: change\ndata: {\"revision\":18,\"events\":[" + Events(false) + "]}\n\n");
  EXPECT_EQ(*RenderChange(kNdjson, false, TwoChanges(true)),
            "{\"type\":\"change\",\"revision\":18,\"events\":[" + Events(true) + "]}\n");
  EXPECT_EQ(*RenderChange(kPoll, false, TwoChanges(true)), Events(true, "\"revision\":18,"));
}

TEST(StreamTest, AMessageIsRenderedOnceForAllListeners) {
  const watch::Message message = TwoChanges(false);
  const SharedBytes sse = RenderChange(kSse, false, message);
  EXPECT_EQ(RenderChange(kSse, false, message), sse);
  EXPECT_NE(RenderChange(kNdjson, false, message), sse);
  const SharedBytes base64 = RenderChange(kSse, true, message);
  EXPECT_NE(base64->find("\"value_base64\":\"eA==\""), std::string::npos);
  EXPECT_EQ(RenderChange(kSse, false, message), sse);
}

TEST(StreamTest, ValuesWithNewlinesStayOnOneLine) {
  const SharedBytes text = RenderChange(kSse, false, TwoChanges(false, 18, "a\nb\r\nc"));
  EXPECT_NE(text->find(R"("value":"a\nb\r\nc")"), std::string::npos);
  EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), 4);
  EXPECT_EQ(text->find('\r'), std::string::npos);
}

TEST(StreamTest, ControlMessages) {
  // The id of `created` is where a resume loses nothing, which need not be the revision told.
  EXPECT_EQ(RenderCreated(kSse, Revision(41), Revision(4)),
            "id: 4\nevent: created\ndata: {\"type\":\"created\",\"revision\":41}\n\n");
  EXPECT_EQ(RenderCreated(kNdjson, Revision(41), Revision(4)),
            "{\"type\":\"created\",\"revision\":41}\n");
  EXPECT_EQ(RenderProgress(kSse, Revision(50)),
            "id: 50\nevent: progress\ndata: {\"type\":\"progress\",\"revision\":50}\n\n");
  EXPECT_EQ(RenderProgress(kNdjson, Revision(50)), "{\"type\":\"progress\",\"revision\":50}\n");
  EXPECT_EQ(RenderOverflow(kSse, Revision(9)),
            "event: overflow\ndata: {\"type\":\"overflow\",\"resume_from\":9}\n\n");
  EXPECT_EQ(RenderCompacted(kNdjson, Revision(9)),
            "{\"type\":\"compacted\",\"compact_revision\":9}\n");
  EXPECT_EQ(RenderDenied(kSse), "event: denied\ndata: {\"type\":\"denied\"}\n\n");
  EXPECT_EQ(RenderShuttingDown(kNdjson, Revision(18)),
            "{\"type\":\"shutting_down\",\"resume_from\":18}\n");
  EXPECT_EQ(Heartbeat(kSse), ":\n\n");
  EXPECT_EQ(Heartbeat(kNdjson), "");
}

TEST(StreamTest, TheHeadForbidsStoringAndBuffering) {
  const net::HttpResponse sse = RenderStreamHead({}, TestContext(), kSse);
  EXPECT_EQ(sse.status, 200);
  EXPECT_EQ(sse.content_type, "text/event-stream");
  EXPECT_EQ(HeaderOf(sse, "Cache-Control"), "no-store");
  EXPECT_EQ(HeaderOf(sse, "X-Accel-Buffering"), "no");
  EXPECT_EQ(HeaderOf(sse, "Synod-Node"), "2");
  EXPECT_EQ(RenderStreamHead({}, TestContext(), kNdjson).content_type, "application/x-ndjson");
}

TEST(StreamTest, LeadersOfAnElection) {
  machine::Holder leader;
  leader.token = FenceToken(5);
  leader.lease = LeaseId(2);
  leader.value = "n1";
  leader.since_revision = Revision(5);
  EXPECT_EQ(RenderLeader(kSse, false, Revision(7), leader),
            "id: 7\nevent: change\ndata: {\"revision\":7,\"leader\":{\"token\":5,\"lease\":2,"
            "\"value\":\"n1\",\"since_revision\":5}}\n\n");
  EXPECT_EQ(RenderLeader(kNdjson, true, Revision(7), leader),
            "{\"type\":\"change\",\"revision\":7,\"leader\":{\"token\":5,\"lease\":2,"
            "\"value_base64\":\"bjE=\",\"since_revision\":5}}\n");
  EXPECT_EQ(RenderLeader(kNdjson, false, Revision(8), std::nullopt),
            "{\"type\":\"change\",\"revision\":8,\"leader\":null}\n");
}

TEST(LongPollTest, GathersWholeRevisions) {
  LongPoll poll(false);
  EXPECT_TRUE(poll.empty());
  EXPECT_EQ(poll.Render({}, TestContext(), Revision(41), Revision(42)).body,
            R"({"revision":41,"next_revision":42,"events":[]})");
  EXPECT_TRUE(poll.Add(TwoChanges(false, 18)));
  EXPECT_TRUE(poll.Add(TwoChanges(false, 19)));
  EXPECT_FALSE(poll.empty());
  const net::HttpResponse response = poll.Render({}, TestContext(), Revision(19), Revision(20));
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body, R"({"revision":19,"next_revision":20,"events":[)" +
                               Events(false, "\"revision\":18,") + "," +
                               Events(false, "\"revision\":19,") + "]}");
}

TEST(LongPollTest, TakesAtLeastOneRevisionAndThenAsManyAsFit) {
  const std::string big(3 << 20, 'x');
  LongPoll poll(false);
  EXPECT_TRUE(poll.Add(TwoChanges(false, 18, big + big)));
  EXPECT_FALSE(poll.Add(TwoChanges(false, 19)));
  LongPoll other(false);
  EXPECT_TRUE(other.Add(TwoChanges(false, 18, big)));
  EXPECT_TRUE(other.Add(TwoChanges(false, 19)));
  EXPECT_FALSE(other.Add(TwoChanges(false, 20, big)));
}

}  // namespace
}  // namespace synod::api
