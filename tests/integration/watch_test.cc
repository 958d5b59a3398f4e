// Watches on three nodes: order, completeness, resume on another node, the three forms of delivery.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

namespace json = boost::json;

class WatchTest : public ClusterTest<3> {
 protected:
  // The next message that is a change.
  static json::object NextChange(Stream& stream) {
    while (true) {
      const std::optional<Message> message = stream.Next();
      if (!message)
        throw HttpFailure("the stream ended");
      const json::object body = message->Json().as_object();
      if (body.contains("events"))
        return body;
    }
  }
  static std::string Events(const json::object& change) {
    std::string text;
    for (const auto& event : change.at("events").as_array()) {
      text += text.empty() ? "" : " ";
      text += event.at("type").as_string();
      text += event.at("path").as_string();
    }
    return text;
  }
};

TEST_F(WatchTest, TellsThatItBeganAndThenEveryChangeInOrder) {
  const Answer before = Put("/w1", "0");
  Stream stream(port(1), "/v1/watch/w1");
  EXPECT_EQ(stream.head().status, 200);
  EXPECT_TRUE(stream.head().Header("content-type").starts_with("text/event-stream"));
  EXPECT_EQ(stream.head().Header("cache-control"), "no-store");
  EXPECT_EQ(stream.head().Header("x-accel-buffering"), "no");
  const std::optional<Message> created = stream.Next();
  ASSERT_TRUE(created);
  EXPECT_EQ(created->event, "created");
  EXPECT_GE(created->Json().at("revision").to_number<uint64_t>(), before.Revision());
  for (int i = 1; i <= 20; ++i) {
    const Answer put = Put("/w1", std::to_string(i), i);
    const json::object change = NextChange(stream);
    EXPECT_EQ(change.at("revision").to_number<uint64_t>(), put.Revision());
    EXPECT_EQ(change.at("events").at(0).at("node").at("value").as_string(), std::to_string(i));
    EXPECT_EQ(change.at("events").at(0).at("cause").as_string(), "client");
  }
}

TEST_F(WatchTest, ScopesAreNodeChildrenAndSubtree) {
  Put("/w2", "parent");
  Stream node(port(0), "/v1/watch/w2?scope=node");
  Stream children(port(1), "/v1/watch/w2?scope=children");
  Stream subtree(port(2), "/v1/watch/w2?scope=subtree");
  for (Stream* stream : {&node, &children, &subtree}) ASSERT_EQ(stream->Next()->event, "created");
  Put("/w2/a/b", "x");
  Put("/w2", "again");
  EXPECT_EQ(Events(NextChange(node)), "put/w2");
  EXPECT_EQ(Events(NextChange(children)), "put/w2/a");
  EXPECT_EQ(Events(NextChange(subtree)), "put/w2/a put/w2/a/b");
  EXPECT_EQ(Events(NextChange(subtree)), "put/w2");
  Http(port(0), "DELETE", "/v1/kv/w2/a?recursive=true");
  EXPECT_EQ(Events(NextChange(children)), "delete/w2/a");
  EXPECT_EQ(Events(NextChange(subtree)), "delete/w2/a delete/w2/a/b");
}

TEST_F(WatchTest, FiltersAndPreviousValues) {
  Put("/w3", "old");
  Stream deletes(port(1), "/v1/watch/w3?filter=delete&prev=true");
  ASSERT_EQ(deletes.Next()->event, "created");
  Put("/w3", "new");
  Http(port(2), "DELETE", "/v1/kv/w3");
  const json::object change = NextChange(deletes);
  EXPECT_EQ(Events(change), "delete/w3");
  const json::object event = change.at("events").at(0).as_object();
  EXPECT_EQ(event.at("prev").at("value").as_string(), "new");
  EXPECT_FALSE(event.contains("node"));
}

TEST_F(WatchTest, ResumesOnAnotherNodeWhereItWas) {
  const Answer first = Put("/w4", "1");
  std::string id;
  {
    Stream stream(port(0), "/v1/watch/w4?from_revision=" + std::to_string(first.Revision()));
    ASSERT_EQ(stream.Next()->event, "created");
    const std::optional<Message> message = stream.Next();
    id = message->id;
    EXPECT_EQ(id, std::to_string(first.Revision()));
  }
  Put("/w4", "2");
  Put("/w4", "3");
  // Last-Event-ID beats from_revision.
  Stream resumed(port(1), "/v1/watch/w4?from_revision=1", {{"Last-Event-ID", id}});
  ASSERT_EQ(resumed.Next()->event, "created");
  EXPECT_EQ(NextChange(resumed).at("events").at(0).at("node").at("value").as_string(), "2");
  EXPECT_EQ(NextChange(resumed).at("events").at(0).at("node").at("value").as_string(), "3");
}

TEST_F(WatchTest, NdjsonCarriesTheSameMessages) {
  Stream stream(port(2), "/v1/watch/w5", {{"Accept", "application/x-ndjson"}});
  EXPECT_TRUE(stream.head().Header("content-type").starts_with("application/x-ndjson"));
  ASSERT_EQ(stream.Next()->event, "created");
  Put("/w5", "x");
  const std::optional<Message> message = stream.Next();
  EXPECT_EQ(message->event, "change");
  EXPECT_EQ(Events(message->Json().as_object()), "put/w5");
}

TEST_F(WatchTest, LongPollsGoOnWhereTheLastEnded) {
  const Answer first = Put("/w6", "1");
  Put("/w6", "2");
  const auto poll = [](int n, const std::string& query) {
    return Http(port(n), "GET", "/v1/watch/w6?" + query,
                {.headers = {{"Accept", "application/json"}}});
  };
  const Answer two = poll(0, "from_revision=" + std::to_string(first.Revision()));
  ASSERT_EQ(two.status, 200) << two.body;
  EXPECT_EQ(two.Json().at("events").as_array().size(), 2U);
  const std::string next = std::to_string(two.Number("next_revision"));
  const Answer none = poll(1, "from_revision=" + next + "&wait_ms=200");
  EXPECT_EQ(none.Json().at("events").as_array().size(), 0U);
  const Answer later = Put("/w6", "3");
  const Answer three = poll(2, "from_revision=" + next);
  ASSERT_EQ(three.Json().at("events").as_array().size(), 1U) << three.body;
  EXPECT_EQ(three.Json().at("events").at(0).at("revision").to_number<uint64_t>(), later.Revision());
}

TEST_F(WatchTest, ExpiryAndReleaseAreCauses) {
  const std::string lease = std::to_string(
      Http(port(0), "POST", "/v1/leases", {.body = R"({"ttl_ms":500})"}).Number("id"));
  const std::string revoked = std::to_string(
      Http(port(0), "POST", "/v1/leases", {.body = R"({"ttl_ms":60000})"}).Number("id"));
  ASSERT_EQ(Http(port(1), "PUT", "/v1/kv/w7/revoked?lease=" + revoked).status, 201);
  ASSERT_EQ(Http(port(1), "PUT", "/v1/kv/w7/expired?lease=" + lease).status, 201);
  Stream stream(port(2), "/v1/watch/w7?scope=subtree&filter=delete");
  ASSERT_EQ(stream.Next()->event, "created");
  ASSERT_EQ(Http(port(0), "DELETE", "/v1/leases/" + revoked).status, 200);
  const auto cause_of = [&](const std::string& path) {
    const json::object change = NextChange(stream);
    EXPECT_EQ(Events(change), "delete" + path);
    return std::string(change.at("events").at(0).at("cause").as_string());
  };
  EXPECT_EQ(cause_of("/w7/revoked"), "released");
  EXPECT_EQ(cause_of("/w7/expired"), "expired");
}

TEST_F(WatchTest, AnIdleStreamShowsThatItLives) {
  Stream stream(port(1), "/v1/watch/w8");
  ASSERT_EQ(stream.Next()->event, "created");
  Put("/elsewhere", "x");
  const std::optional<Message> progress = stream.Next(Milliseconds(25'000));
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->event, "progress");
  EXPECT_FALSE(progress->id.empty());
  EXPECT_GE(stream.comments(), 1U);
}

TEST_F(WatchTest, ManyListenersAllSeeTheSame) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 60; ++i) {
    streams.push_back(std::make_unique<Stream>(port(i), "/v1/watch/w9?scope=subtree"));
    ASSERT_EQ(streams.back()->Next()->event, "created");
  }
  for (int i = 0; i < 30; ++i) Put("/w9/" + std::to_string(i), "x", i);
  std::string expected;
  for (auto& stream : streams) {
    std::string seen;
    for (int i = 0; i < 30; ++i) seen += json::serialize(NextChange(*stream));
    if (expected.empty())
      expected = seen;
    EXPECT_EQ(seen, expected);
  }
}

}  // namespace
}  // namespace synod::integration
