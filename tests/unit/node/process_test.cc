#include "src/node/process.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace synod::node {
namespace {

// A service manager: a datagram socket of some name, and what comes there.
class ManagerSocket {
 public:
  // `name` begins with '/', or with '@' if it is to be no file.
  explicit ManagerSocket(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name[0] == '@')
      address.sun_path[0] = 0;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0) << std::strerror(errno);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~ManagerSocket() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  // What has come; empty if nothing has.
  std::string Take() const {
    char text[256];
    const ssize_t n = recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? std::string() : std::string(text, static_cast<size_t>(n));
  }

 private:
  const int fd_;
};

TEST(ProcessTest, TellsTheServiceManagerThatItIsReady) {
  std::string directory = testing::TempDir() + "notify.XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  for (const std::string& name : {directory + "/socket", "@" + directory}) {
    const ManagerSocket manager(name);
    NotifyServiceManager("READY=1");
    EXPECT_EQ(manager.Take(), "READY=1") << name;
    EXPECT_EQ(manager.Take(), "") << name;
  }
  unlink((directory + "/socket").c_str());
  rmdir(directory.c_str());
}

TEST(ProcessTest, SaysNothingWithoutAServiceManager) {
  const ManagerSocket manager("@synod-process-test-" + std::to_string(getpid()));
  for (const char* none : {"", "relative", "/nobody/listens/here"}) {
    setenv("NOTIFY_SOCKET", none, 1);
    NotifyServiceManager("READY=1");
  }
  unsetenv("NOTIFY_SOCKET");
  NotifyServiceManager("READY=1");
  EXPECT_EQ(manager.Take(), "");
}

}  // namespace
}  // namespace synod::node
