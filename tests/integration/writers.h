// Writers: clients that write until told to stop, and what must be there afterwards.
//
// Contract      Each acknowledged write is a node /w/<name> whose value is its path; none of them
//               may be missing on any node that serves. Requests go through all the given ports.
// Thread        Writers work in threads of their own; all else is the test's.
#ifndef SYNOD_TESTS_INTEGRATION_WRITERS_H_
#define SYNOD_TESTS_INTEGRATION_WRITERS_H_

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/cluster.h"

namespace synod::integration {

class Writers {
 public:
  Writers(Cluster& cluster, int count) {
    for (int id = 1; id <= cluster.size(); ++id) ports_.push_back(cluster.port(id));
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, i] { Work(i); });
  }
  ~Writers() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }
  size_t acknowledged() const {
    const std::lock_guard lock(mutex_);
    return paths_.size();
  }
  // Path of each acknowledged write; its value is its path. Call after Stop().
  const std::set<std::string>& paths() const { return paths_; }

 private:
  void Work(int writer) {
    for (uint64_t n = 0; !stop_; ++n) {
      const std::string path = "/w/" + std::to_string(writer) + "-" + std::to_string(n);
      const auto answer = TryHttp(ports_[(n + static_cast<uint64_t>(writer)) % ports_.size()],
                                  "PUT", "/v1/kv" + path + "?timeout_ms=3000",
                                  {.body = path, .timeout = Milliseconds(5000)});
      if (answer && answer->status == 201) {
        const std::lock_guard lock(mutex_);
        paths_.insert(path);
      }
    }
  }

  std::vector<uint16_t> ports_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::set<std::string> paths_;
  std::vector<std::thread> threads_;
};

inline std::set<std::string> AllPaths(uint16_t port) {
  std::set<std::string> paths;
  std::string after;
  while (true) {
    const Answer page = Http(port, "GET", "/v1/kv/w?list=children&limit=5000" + after);
    if (page.status != 200)
      throw std::runtime_error("list: " + page.body);
    const boost::json::value v = page.Json();
    for (const auto& node : v.at("nodes").as_array()) {
      EXPECT_EQ(node.at("value"), node.at("path"));
      paths.emplace(node.at("path").as_string());
    }
    if (!v.at("more").as_bool())
      return paths;
    after = "&after=" + page.Text("next");
  }
}

inline void ExpectAllThere(Cluster& cluster, const std::set<std::string>& acknowledged) {
  for (int id = 1; id <= cluster.size(); ++id) {
    const std::set<std::string> found = AllPaths(cluster.port(id));
    for (const std::string& path : acknowledged)
      ASSERT_TRUE(found.contains(path)) << path << " was acknowledged and is gone from node " << id;
  }
}

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_WRITERS_H_
