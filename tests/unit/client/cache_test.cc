#include "src/client/cache.h"

#include <gtest/gtest.h>

#include "tests/unit/client/fake_runtime.h"

namespace synod::client {
namespace {

class CacheTest : public testing::Test {
 protected:
  CacheTest() {
    auto world = std::make_unique<FakeRuntime>();
    world_ = world.get();
    client_ = std::make_unique<Client>(std::make_unique<Client::Core>(std::move(world), 2));
    Cache::Options options;
    options.on_event = [this](const Event& event) {
      events_.push_back((event.type == Event::Type::kPut ? "put " : "delete ") + event.path + " " +
                        event.node.value);
    };
    options.on_lost = [this](const Error& error) { lost_ = error; };
    cache_ = std::make_unique<Cache>(*client_, "/c", options);
    world_->Advance();
  }
  void List(const std::string& nodes, uint64_t revision) {
    ASSERT_EQ(world_->exchange().request.target, "/v1/kv/c?list=subtree");
    world_->Reply(200, R"({"nodes":[)" + nodes + R"(],"revision":)" + std::to_string(revision) +
                           R"(,"more":false})");
  }
  static std::string Node(const std::string& name, const std::string& value, uint64_t revision) {
    return R"({"path":"/c/)" + name + R"(","value":")" + value + R"(","mod_revision":)" +
           std::to_string(revision) + "}";
  }
  std::vector<std::string> Cached() const {
    std::vector<std::string> all;
    for (const auto& [path, node] : cache_->All()) all.push_back(path + " " + node.value);
    return all;
  }
  using Strings = std::vector<std::string>;

  FakeRuntime* world_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Cache> cache_;
  Strings events_;
  std::optional<Error> lost_;
};

TEST_F(CacheTest, FollowsItsListFromTheNextRevision) {
  List(Node("a", "1", 3), 10);
  EXPECT_EQ(HeaderOf(world_->exchange().request, "Last-Event-ID"), "10");
  EXPECT_EQ(events_, Strings{});
  world_->Data(R"({"type":"change","revision":11,"events":[{"type":"put","path":"/c/b","node":)" +
               Node("b", "2", 11) + R"(},{"type":"delete","path":"/c/a"}]})" + "\n");
  EXPECT_EQ(events_, (Strings{"put /c/b 2", "delete /c/a "}));
  EXPECT_EQ(Cached(), Strings{"/c/b 2"});
  EXPECT_EQ(cache_->revision(), 11U);
}

TEST_F(CacheTest, ListsAnewAndTellsTheDifferencesWhenTheHistoryIsGone) {
  List(Node("a", "1", 3) + "," + Node("b", "1", 4) + "," + Node("same", "1", 5), 10);
  world_->Reply(410, R"({"code":"compacted","detail":"gone"})");
  List(Node("b", "2", 40) + "," + Node("c", "1", 41) + "," + Node("same", "1", 5), 50);
  EXPECT_EQ(events_, (Strings{"delete /c/a ", "put /c/b 2", "put /c/c 1"}));
  EXPECT_EQ(Cached(), (Strings{"/c/b 2", "/c/c 1", "/c/same 1"}));
  EXPECT_EQ(HeaderOf(world_->exchange().request, "Last-Event-ID"), "50");
  EXPECT_FALSE(lost_);
}

TEST_F(CacheTest, WhatDoesNotExistIsEmptyAsOfTheAnswer) {
  world_->Reply(404, R"({"code":"not_found"})", {{"synod-revision", "7"}});
  EXPECT_EQ(Cached(), Strings{});
  EXPECT_EQ(HeaderOf(world_->exchange().request, "Last-Event-ID"), "7");
}

TEST_F(CacheTest, APageOfAProxyIsNoEmptyTree) {
  List(Node("a", "1", 3), 10);
  const std::pair<int, const char*> pages[] = {{404, "<html>"}, {200, "<html>"}, {302, ""}};
  for (const auto& [status, body] : pages) {
    world_->Reply(410, R"({"code":"compacted"})");
    world_->Reply(status, body);
    EXPECT_EQ(Cached(), Strings{"/c/a 1"}) << status;
    world_->Advance(Milliseconds(1000));
    List(Node("a", "1", 3), 20);
  }
  EXPECT_EQ(events_, Strings{});
  EXPECT_FALSE(lost_);
}

TEST_F(CacheTest, MayBeDroppedByWhatItTells) {
  int told = 0;
  // Goes with the function, which must not go while it runs.
  auto kept = std::make_shared<int>();
  const std::weak_ptr<int> life = kept;
  Cache::Options options;
  options.on_event = [this, &told, &life, kept = std::move(kept)](const Event&) {
    int& count = told;
    const std::weak_ptr<int>& function = life;
    cache_.reset();
    ++count;
    EXPECT_FALSE(function.expired());
  };
  cache_ = std::make_unique<Cache>(*client_, "/c", options);
  options = {};
  world_->Advance();
  List("", 10);  // of the one before, which is gone
  List("", 10);
  world_->Data(R"({"type":"change","revision":11,"events":[{"type":"put","path":"/c/b","node":)" +
               Node("b", "2", 11) + R"(},{"type":"delete","path":"/c/a"}]})" + "\n");
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(life.expired());
  EXPECT_EQ(world_->open(), 0U);
}

TEST_F(CacheTest, OutlivesEveryTroubleThatPasses) {
  List(Node("a", "1", 3), 10);
  const std::pair<int, const char*> troubles[] = {
      {408, "request_timeout"}, {429, "overloaded"},    {429, "rate_limited"},
      {500, "internal"},        {503, "no_leader"},     {503, "no_quorum"},
      {503, "not_ready"},       {503, "shutting_down"}, {504, "deadline_exceeded"}};
  uint64_t revision = 10;
  for (const auto& [status, code] : troubles) {
    // The history is gone, and the list that is asked for then is refused until its deadline.
    world_->Reply(410, R"({"code":"compacted"})");
    const std::string refusal = R"({"code":")" + std::string(code) + R"("})";
    for (int ms = 0; ms < 10'000; ++ms) {
      if (world_->open() > 0)
        world_->Reply(status, refusal);
      world_->Advance(Milliseconds(1));
    }
    EXPECT_FALSE(lost_) << code;
    while (world_->open() == 0) world_->Advance(Milliseconds(100));
    List(Node("a", "1", 3), ++revision);
    EXPECT_EQ(HeaderOf(world_->exchange().request, "Last-Event-ID"), std::to_string(revision));
  }
}

TEST_F(CacheTest, WithdrawnPermissionIsTold) {
  List("", 10);
  world_->Data(R"({"type":"denied"})"
               "\n");
  world_->Reply(200, "");
  ASSERT_TRUE(lost_);
  EXPECT_EQ(lost_->code, Errc::kPermissionDenied);
}

}  // namespace
}  // namespace synod::client
