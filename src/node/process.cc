#include "src/node/process.h"

#include <dirent.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "src/base/check.h"

extern char** environ;

namespace synod::node {
namespace {

int64_t clock_permille = 1000;

}  // namespace

void SlowClock(int64_t permille) { clock_permille = permille; }

int64_t MonotonicUs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000) * clock_permille / 1000;
}

int64_t MonotonicMs() { return MonotonicUs() / 1000; }

uint64_t Entropy64() {
  uint64_t value = 0;
  SYNOD_CHECK_EQ(getrandom(&value, sizeof value, 0), static_cast<ssize_t>(sizeof value));
  return value;
}

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

void NotifyServiceManager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  if (path == nullptr || (path[0] != '/' && path[0] != '@') ||
      std::strlen(path) >= sizeof to.sun_path)
    return;
  to.sun_family = AF_UNIX;
  std::strcpy(to.sun_path, path);
  if (path[0] == '@')  // a name that is no file begins with a zero byte
    to.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  // Lost if nobody reads it: the manager then ends what did not get ready in time.
  (void)sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to),
               size);
  close(fd);
}

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  rusage self{};
  getrusage(RUSAGE_SELF, &self);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  usage.cpu_seconds = seconds(self.ru_utime) + seconds(self.ru_stime);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    usage.descriptors_max = files.rlim_cur;
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  if (statm >> total >> resident)
    usage.resident_bytes = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (DIR* dir = opendir("/proc/self/fd")) {
    while (readdir(dir) != nullptr) ++usage.open_descriptors;
    closedir(dir);
    usage.open_descriptors -= std::min<uint64_t>(usage.open_descriptors, 3);  // ., .., the listing
  }
  return usage;
}

}  // namespace synod::node
