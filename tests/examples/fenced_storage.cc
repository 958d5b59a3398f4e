// A storage outside of Synod that two processes write, one at a time. The one that was paused while
// its hold ended comes too late: the storage has seen a higher token, and refuses the lower one.
#include <synod/client/lock.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace synod::client;

namespace {

// Stands for a file server or a database: the check must be where the data is, in one step with the
// write.
class Storage {
 public:
  bool Write(uint64_t token, const std::string& data) {
    if (token < highest_token_)
      return false;
    highest_token_ = token;
    data_ = data;
    return true;
  }
  const std::string& data() const { return data_; }

 private:
  uint64_t highest_token_ = 0;
  std::string data_;
};

}  // namespace

int main() {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  Lock lock(client, "/examples/storage");
  Storage storage;

  auto first = lock.Acquire(std::chrono::seconds(10));
  if (!first)
    return 1;
  const uint64_t first_token = first->token();
  std::printf("first writes: %s\n", storage.Write(first_token, "one") ? "yes" : "no");
  // The first one's hold ends, as it would while it is paused, and it does not know it.
  auto ended = first->Release();

  auto second = lock.Acquire(std::chrono::seconds(10));
  if (!second || !ended)
    return 1;
  std::printf("the second token is higher: %s\n", second->token() > first_token ? "yes" : "no");
  std::printf("second writes: %s\n", storage.Write(second->token(), "two") ? "yes" : "no");
  std::printf("first writes, late: %s\n", storage.Write(first_token, "one") ? "yes" : "no");
  std::printf("stored: %s\n", storage.data().c_str());
  return storage.data() == "two" ? 0 : 1;
}
