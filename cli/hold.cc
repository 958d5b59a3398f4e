#include "cli/hold.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "src/client/election.h"
#include "src/client/lock.h"

namespace synod::cli {
namespace {

using client::Clock;
using client::Milliseconds;

class Holder {
 public:
  Holder(Session& session, const HoldRequest& request) : session_(session), request_(request) {}

  int Run() {
    if (const int code = Acquire(); code != kOk)
      return code;
    // Blocked before the child exists, so that no news of it can be missed.
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&set, signal);
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    child_ = Start(before);
    if (child_ < 0) {
      std::fprintf(stderr, "synod: cannot start the command: %s\n", std::strerror(errno));
      Release();
      return kError;
    }
    Watch(set);
    if (lost_) {
      std::fprintf(stderr, "synod: the hold on %s was lost; the command was stopped\n",
                   request_.path.c_str());
      return kLost;
    }
    Release();
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  int Acquire() {
    client::HoldOptions options;
    options.ttl = Milliseconds(request_.ttl_ms);
    options.value = request_.value;
    options.on_lost = [this] {
      gone_ = true;
      kill(getpid(), SIGCHLD);  // wakes AwaitSignal; ignored while nobody waits
    };
    const Milliseconds wait(request_.wait_ms);
    client::Client& client = session_.client();
    Result<client::Hold> hold =
        request_.election ? client::Election(client, request_.path, options).Campaign(wait)
                          : client::Lock(client, request_.path, options).Acquire(wait);
    if (!hold)
      return session_.Explain(hold.error());
    hold_.emplace(*std::move(hold));
    return kOk;
  }

  pid_t Start(const sigset_t& mask) {
    const std::string token = std::to_string(hold_->token());
    setenv("SYNOD_PATH", request_.path.c_str(), 1);
    setenv("SYNOD_TOKEN", token.c_str(), 1);
    setenv("SYNOD_LEASE", std::to_string(hold_->lease()).c_str(), 1);
    setenv("SYNOD_FENCE", hold_->fence().Header().c_str(), 1);
    const pid_t pid = fork();
    if (pid != 0)
      return pid;
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    setpgid(0, 0);
    std::vector<char*> argv;
    for (const std::string& word : request_.command)
      argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    std::fprintf(stderr, "synod: %s: %s\n", argv[0], std::strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }

  // Until the child has ended.
  void Watch(const sigset_t& set) {
    while (waitpid(child_, &status_, WNOHANG) != child_) {
      const Clock::time_point now = Clock::now();
      const Clock::time_point end = hold_->safe_until();
      // A quarter of the TTL is the command's to end in.
      const Clock::time_point term_at = end - Milliseconds(request_.ttl_ms / 4);
      if (gone_ || now >= end) {
        lost_ = true;
        kill(-child_, SIGKILL);
        waitpid(child_, &status_, 0);
        return;
      }
      if (now >= term_at && !lost_) {
        lost_ = true;
        kill(-child_, SIGTERM);
      }
      AwaitSignal(set, lost_ ? end : term_at);
    }
  }

  void AwaitSignal(const sigset_t& set, Clock::time_point until) {
    const auto left = std::max(until - Clock::now(), Clock::duration(Milliseconds(1)));
    timespec timeout{};
    timeout.tv_sec = left.count() / 1'000'000'000;
    timeout.tv_nsec = left.count() % 1'000'000'000;
    const int signal = sigtimedwait(&set, nullptr, &timeout);
    if (signal == SIGINT || signal == SIGTERM)
      kill(-child_, signal);
  }

  void Release() {
    if (!hold_->Release())
      std::fprintf(stderr, "synod: the hold could not be given back; it ends with its lease\n");
  }

  Session& session_;
  const HoldRequest& request_;
  std::optional<client::Hold> hold_;
  pid_t child_ = -1;
  int status_ = 0;
  bool lost_ = false;               // or about to be: the command was told to end
  std::atomic<bool> gone_ = false;  // said by the client's thread
};

}  // namespace

int RunWhileHeld(Session& session, const HoldRequest& request) {
  return Holder(session, request).Run();
}

}  // namespace synod::cli
