// The service at its job, with three real processes: a configuration tree, a file that only one
// service may write, a leader among candidates, and a watch that outlives the cluster's leader.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

namespace fs = std::filesystem;

class MainJobTest : public testing::Test {
 protected:
  void SetUp() override { cluster_.Start(); }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster_);
  }

  Answer Post(int node, const std::string& target, const std::string& body) {
    return Http(cluster_.port(node), "POST", target,
                {.body = body, .timeout = Milliseconds(60'000)});
  }
  // The client, against one node alone.
  Finished SynodAt(int node, Arguments arguments) {
    arguments.insert(arguments.begin(), Program("synod"));
    return RunProgram(arguments, {{"SYNOD_ENDPOINTS", cluster_.node(node).url()}});
  }

  Cluster cluster_{3};
};

std::map<std::string, std::string> FilesBelow(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), dir)] = ReadFile(entry.path());
  }
  return files;
}

TEST_F(MainJobTest, AConfigurationTreeIsImportedAndExportedByteForByteOnAnotherNode) {
  const TempDir out;
  for (const std::string dir : {"docs", "src"}) {
    const Finished import = SynodAt(1, {"import", dir, "/config/" + dir});
    ASSERT_EQ(import.exit_code, 0) << import.err;
    const std::string copy = out.path() + "/" + dir;
    const Finished exported = SynodAt(2, {"export", "/config/" + dir, copy});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    EXPECT_GT(FilesBelow(dir).size(), 2U);
    EXPECT_EQ(FilesBelow(copy), FilesBelow(dir));
  }
}

// A storage that only the newest holder may write: it keeps the highest token it has seen.
class FencedFile {
 public:
  bool Append(int64_t token, const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (token < highest_)
      return false;
    highest_ = token;
    lines_.push_back(line);
    return true;
  }
  std::vector<std::string> lines() const { return lines_; }

 private:
  std::mutex mutex_;
  int64_t highest_ = 0;
  std::vector<std::string> lines_;
};

TEST_F(MainJobTest, TwoServicesTakeTurnsAtAFileThatOnlyOneMayWrite) {
  FencedFile file;
  std::atomic<int> inside{0};
  const auto service = [&](const std::string& name, int node) {
    for (int round = 0; round < 15; ++round) {
      const Answer hold = Post(node, "/v1/locks/file/acquire",
                               R"({"ttl_ms":10000,"wait_ms":50000,"value":")" + name + "\"}");
      ASSERT_EQ(hold.status, 200) << hold.body;
      const int64_t token = hold.Number("token");
      EXPECT_EQ(inside.fetch_add(1), 0) << "two holders at once";
      EXPECT_TRUE(file.Append(token, name + " begins"));
      EXPECT_TRUE(file.Append(token, name + " ends"));
      inside.fetch_sub(1);
      ASSERT_EQ(
          Post(node, "/v1/locks/file/release", R"({"token":)" + std::to_string(token) + "}").status,
          200);
    }
  };
  std::thread other(service, "billing", 2);
  service("backup", 1);
  other.join();
  const std::vector<std::string> lines = file.lines();
  ASSERT_EQ(lines.size(), 60U);
  for (size_t i = 0; i < lines.size(); i += 2) {
    const std::string name = lines[i].substr(0, lines[i].find(' '));
    EXPECT_EQ(lines[i], name + " begins");
    EXPECT_EQ(lines[i + 1], name + " ends");
  }
}

TEST_F(MainJobTest, AHolderThatSleptThroughItsLeaseIsRefusedByTokenEverywhere) {
  FencedFile file;
  const Answer sleeper = Post(1, "/v1/locks/file/acquire", R"({"ttl_ms":600,"value":"sleeper"})");
  ASSERT_EQ(sleeper.status, 200) << sleeper.body;
  EXPECT_TRUE(file.Append(sleeper.Number("token"), "sleeper, awake"));
  // It renews nothing; the next one gets the lock when the lease has ended.
  const Answer next = Post(2, "/v1/locks/file/acquire", R"({"ttl_ms":60000,"wait_ms":20000})");
  ASSERT_EQ(next.status, 200) << next.body;
  EXPECT_GT(next.Number("token"), sleeper.Number("token"));
  EXPECT_TRUE(file.Append(next.Number("token"), "next"));
  EXPECT_FALSE(file.Append(sleeper.Number("token"), "sleeper, late"));
  const auto put = [&](const Answer& hold) {
    return Http(cluster_.port(3), "PUT", "/v1/kv/guarded",
                {.body = "x",
                 .headers = {{"Synod-Fence", "/file=" + std::to_string(hold.Number("token"))}}});
  };
  const Answer refused = put(sleeper);
  EXPECT_EQ(refused.status, 412);
  EXPECT_EQ(refused.Code(), "fenced");
  EXPECT_EQ(refused.Text("outcome"), "not_applied");
  EXPECT_EQ(put(next).status, 201);
}

TEST_F(MainJobTest, TwoProcessesRunACommandOnlyWhileTheyHoldTheLock) {
  const TempDir dir;
  const std::string file = dir.path() + "/file";
  // Appends its token twice with a pause: two at once would interleave.
  const std::string command =
      "echo begin $SYNOD_TOKEN >> " + file + "; sleep 0.05; echo end " + "$SYNOD_TOKEN >> " + file;
  std::vector<std::thread> services;
  std::atomic<int> failures{0};
  for (int s = 0; s < 2; ++s) {
    services.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const Finished run = RunProgram(
            {Program("synod"), "lock", "run", "/file", "--wait", "60s", "--", "sh", "-c", command},
            {{"SYNOD_ENDPOINTS", cluster_.Endpoints()}});
        EXPECT_EQ(run.exit_code, 0) << run.err;
        failures += run.exit_code == 0 ? 0 : 1;
      }
    });
  }
  for (std::thread& t : services) t.join();
  ASSERT_EQ(failures, 0);
  std::istringstream lines(ReadFile(file));
  std::string word;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t last = 0;
  int rounds = 0;
  while (lines >> word >> begin) {
    ASSERT_EQ(word, "begin");
    ASSERT_TRUE(lines >> word >> end);
    EXPECT_EQ(word, "end");
    EXPECT_EQ(begin, end);
    EXPECT_GT(begin, last);
    last = begin;
    ++rounds;
  }
  EXPECT_EQ(rounds, 10);
}

TEST_F(MainJobTest, WhenTheElectedProcessIsKilledTheNextIsElectedWithAGreaterToken) {
  const TempDir dir;
  std::vector<std::unique_ptr<Process>> candidates;
  const auto token_of = [&](int i) {
    const std::string text = ReadFile(dir.path() + "/token-" + std::to_string(i));
    return text.empty() ? int64_t{0} : std::stoll(text);
  };
  for (int i = 0; i < 3; ++i) {
    const std::string command =
        "echo $SYNOD_TOKEN > " + dir.path() + "/token-" + std::to_string(i) + "; exec sleep 1000";
    candidates.push_back(std::make_unique<Process>(
        Arguments{Program("synod"), "elect", "run", "/service/leader", "--ttl", "2s", "--wait",
                  "10m", "--value", "candidate " + std::to_string(i), "--", "sh", "-c", command},
        ProcessOptions{.environment = {{"SYNOD_ENDPOINTS", cluster_.Endpoints()}},
                       .output_file = dir.path() + "/log"}));
  }
  std::set<int> dead;
  int64_t last = 0;
  for (int term = 0; term < 3; ++term) {
    int leader = -1;
    ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
      for (int i = 0; i < 3; ++i) {
        if (!dead.contains(i) && token_of(i) > last)
          leader = i;
      }
      return leader >= 0;
    })) << ReadFile(dir.path() + "/log");
    const auto election =
        Http(cluster_.port(term + 1), "GET", "/v1/elections/service/leader").Json();
    EXPECT_EQ(election.at("leader").at("value").as_string(), "candidate " + std::to_string(leader));
    EXPECT_EQ(election.at("leader").at("token").to_number<int64_t>(), token_of(leader));
    EXPECT_GT(token_of(leader), last);
    last = token_of(leader);
    candidates[static_cast<size_t>(leader)]->Kill();
    dead.insert(leader);
  }
}

// Reads a watch to its end, on whichever node answers, resuming where it was; gives the values.
std::vector<std::string> FollowUntil(Cluster& cluster, int first_node, const std::string& last) {
  std::vector<std::string> values;
  std::string position;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (int node = first_node; std::chrono::steady_clock::now() < deadline;
       node = cluster.Other(node)) {
    try {
      Headers headers;
      if (!position.empty())
        headers = {{"Last-Event-ID", position}};
      Stream stream(cluster.port(node), "/v1/watch/followed?from_revision=1", headers);
      while (const std::optional<Message> message = stream.Next(Milliseconds(12'000))) {
        if (!message->id.empty())
          position = message->id;
        const boost::json::object body = message->Json().as_object();
        const auto* events = body.if_contains("events");
        if (events == nullptr)
          continue;
        values.emplace_back(events->at(0).at("node").at("value").as_string());
        if (values.back() == last)
          return values;
      }
    } catch (const HttpFailure&) {
      // That node is gone or has no leader yet: the next one.
    }
  }
  return values;
}

TEST_F(MainJobTest, AWatchGoesOnWithoutAGapWhenTheClustersLeaderDies) {
  constexpr int kWrites = 300;
  const int leader = cluster_.Leader();
  std::vector<std::vector<std::string>> seen(3);
  std::vector<std::thread> followers;
  // One of them begins on the leader itself, and has to move.
  for (int node = 1; node <= 3; ++node)
    followers.emplace_back([&, node] {
      seen[static_cast<size_t>(node - 1)] =
          FollowUntil(cluster_, node, std::to_string(kWrites - 1));
    });
  for (int i = 0; i < kWrites; ++i) {
    if (i == kWrites / 2)
      cluster_.node(leader).Kill();
    const Call call = {.body = std::to_string(i),
                       .headers = {{"Idempotency-Key", "follow-" + std::to_string(i)}}};
    std::optional<Answer> put;
    int node = i % 3 + 1;
    ASSERT_TRUE(Eventually(Milliseconds(20'000), [&] {
      put = TryHttp(cluster_.port(node), "PUT", "/v1/kv/followed", call);
      node = cluster_.Other(node);
      return put && put->status / 100 == 2;
    }));
  }
  for (std::thread& t : followers) t.join();
  for (const std::vector<std::string>& values : seen) {
    ASSERT_EQ(values.size(), static_cast<size_t>(kWrites));
    for (int i = 0; i < kWrites; ++i) EXPECT_EQ(values[static_cast<size_t>(i)], std::to_string(i));
  }
}

}  // namespace
}  // namespace synod::integration
