// Adds to two lists under a lock, as a program does that trusts the lock alone: one list is a file,
// which takes any write, the other a node of the cluster, written under Synod-Fence. Prints what
// came of each, with the element's name.
//
//   list_updater ENDPOINTS PATH NAME FILE TTL_MS GATE
//
// The lock and the list are both at PATH. Between reading and writing it waits for the file GATE,
// and then ends; without GATE it works on for some time, and goes on for ever.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "src/base/random.h"
#include "src/client/lock.h"

namespace {

using namespace synod::client;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Whole: a list that is killed in the middle of this is the old one.
void ReplaceFile(const std::string& path, const std::string& own_name, const std::string& text) {
  const std::string part = path + "." + own_name;
  std::ofstream(part) << text;
  std::filesystem::rename(part, path);
}

const char* Outcome(const synod::Result<Node>& written) {
  if (written)
    return "cluster";
  if (written.error().code == synod::Errc::kFenced)
    return "fenced";
  return written.error().outcome == synod::Outcome::kNotApplied ? "refused" : "unknown";
}

class Updater {
 public:
  explicit Updater(char** argv)
      : client_(ParseEndpoints(argv[1]).value()),
        path_(argv[2]),
        name_(argv[3]),
        file_(argv[4]),
        gate_(argv[6]),
        random_(static_cast<uint64_t>(getpid())),
        lock_(client_, path_, Options(argv[5])) {}

  // False if the lock was not to be had, or what it protects not to be read.
  bool AddOne() {
    const synod::Result<Hold> hold = lock_.Acquire(std::chrono::seconds(30));
    if (!hold || !hold->Held())
      return false;
    Tree tree(client_);
    const synod::Result<Node> before = tree.Get(path_);
    if (!before && before.error().code != synod::Errc::kNotFound)
      return false;
    const std::string file_before = ReadFile(file_);
    const std::string element = name_ + "-" + std::to_string(++elements_);
    Print("read", element);
    Work();
    ReplaceFile(file_, name_, file_before + element + "\n");
    Print("file", element);
    WriteOptions fenced;
    fenced.fences = {hold->fence()};
    Print(Outcome(tree.Put(path_, (before ? before->value : "") + element + "\n", fenced)),
          element);
    return true;
  }

 private:
  static HoldOptions Options(const char* ttl_ms) {
    HoldOptions options;
    options.ttl = Milliseconds(std::atoi(ttl_ms));
    return options;
  }
  static void Print(const char* what, const std::string& element) {
    std::printf("%s %s\n", what, element.c_str());
  }
  void Work() {
    if (gate_.empty())
      std::this_thread::sleep_for(Milliseconds(random_.Between(20, 150)));
    while (!gate_.empty() && !std::filesystem::exists(gate_))
      std::this_thread::sleep_for(Milliseconds(1));
  }

  Client client_;
  std::string path_;
  std::string name_;
  std::string file_;
  std::string gate_;
  synod::Random random_;
  Lock lock_;
  uint64_t elements_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7)
    return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Updater updater(argv);
  if (*argv[6] != '\0')
    return updater.AddOne() ? 0 : 1;
  while (true) updater.AddOne();
}
