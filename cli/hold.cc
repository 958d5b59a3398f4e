#include "cli/hold.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace synod::cli {
namespace {

namespace json = boost::json;
using client::Clock;
using std::chrono::milliseconds;

constexpr int64_t kDriftPercent = 1;
constexpr milliseconds kMargin{100};

// Until when the hold of this answer may be believed.
Clock::time_point SafeUntil(const client::Answer& answer) {
  const int64_t remaining = Number(answer.Json().as_object(), "remaining_ms");
  return answer.sent_at + milliseconds(remaining * (100 - kDriftPercent) / 100) - kMargin;
}

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
    sigprocmask(SIG_BLOCK, &set, &before);
    child_ = Start(before);
    if (child_ < 0) {
      std::fprintf(stderr, "synod: cannot start the command: %s\n", std::strerror(errno));
      Release();
      return kError;
    }
    Watch(set);
    Release();
    if (lost_) {
      std::fprintf(stderr, "synod: the hold on %s was lost; the command was stopped\n",
                   request_.path.c_str());
      return kLost;
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  std::string Base() const {
    return (request_.election ? "/v1/elections" : "/v1/locks") + client::EncodePath(request_.path);
  }

  int Acquire() {
    client::Answer answer;
    if (const int code = session_.Post(
            "/v1/leases", json::object{{"ttl_ms", request_.ttl_ms}, {"name", "synod run"}},
            &answer);
        code != kOk)
      return code;
    lease_ = Number(answer.Json().as_object(), "id");
    safe_until_ = SafeUntil(answer);
    return AwaitTurn();
  }

  // Waits in steps, so that the lease can be renewed between them; asking again keeps the place.
  int AwaitTurn() {
    const Clock::time_point give_up = Clock::now() + milliseconds(request_.wait_ms);
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(give_up - Clock::now()).count();
      const int64_t step = std::clamp<int64_t>(left, 0, request_.ttl_ms / 3);
      const bool last = step == left || left <= 0;
      json::object body{{"lease", lease_},
                        {"wait_ms", last ? step : std::max<int64_t>(left, step)}};
      if (!request_.value.empty())
        body["value"] = request_.value;
      client::Call call;
      call.method = "POST";
      call.target = Base() + (request_.election ? "/campaign" : "/acquire");
      call.headers = {{"Content-Type", "application/json"}};
      call.body = json::serialize(body);
      // The request is left when its step is over; its place in the queue stays for the next.
      call.timeout = milliseconds(step) + (last ? session_.timeout() : milliseconds(0));
      call.timeout = std::max(call.timeout, milliseconds(200));
      Result<client::Answer> answer = session_.client().Send(call);
      if (answer && answer->ok()) {
        token_ = Number(answer->Json().as_object(), "token");
        // A grant may have waited: only a renewal of its own says how long it may be believed.
        return Renew(session_.timeout()) ? static_cast<int>(kOk) : static_cast<int>(kUnavailable);
      }
      if (last || (answer && answer->reply.status != 504)) {
        Revoke();
        return answer ? session_.Explain(*answer) : session_.Explain(answer.error());
      }
      if (!Renew(session_.timeout())) {
        std::fprintf(stderr, "synod: the lease was lost while waiting\n");
        return kUnavailable;
      }
    }
  }

  bool Renew(milliseconds timeout) {
    client::Call call;
    call.method = "POST";
    call.target = "/v1/leases/" + std::to_string(lease_) + "/keepalive";
    call.timeout = timeout;
    const Result<client::Answer> answer = session_.client().Send(call);
    if (!answer || !answer->ok()) {
      gone_ = answer && answer->reply.status == 404;
      return false;
    }
    safe_until_ = SafeUntil(*answer);
    return true;
  }

  pid_t Start(const sigset_t& mask) {
    const std::string token = std::to_string(token_);
    setenv("SYNOD_PATH", request_.path.c_str(), 1);
    setenv("SYNOD_TOKEN", token.c_str(), 1);
    setenv("SYNOD_LEASE", std::to_string(lease_).c_str(), 1);
    setenv("SYNOD_FENCE", (client::EncodePath(request_.path) + "=" + token).c_str(), 1);
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

  // Renews and waits until the child has ended.
  void Watch(const sigset_t& set) {
    const milliseconds third(request_.ttl_ms / 3);
    Clock::time_point renew_at = Clock::now() + third;
    while (true) {
      if (waitpid(child_, &status_, WNOHANG) == child_)
        return;
      const Clock::time_point now = Clock::now();
      // A quarter of the TTL is the command's to end in.
      const Clock::time_point term_at = safe_until_ - milliseconds(request_.ttl_ms / 4);
      if (now >= safe_until_) {
        lost_ = true;
        kill(-child_, SIGKILL);
        waitpid(child_, &status_, 0);
        return;
      }
      if ((now >= term_at || gone_) && !lost_) {
        lost_ = true;
        kill(-child_, gone_ ? SIGKILL : SIGTERM);
      }
      if (!lost_ && now >= renew_at) {
        const auto room = std::chrono::duration_cast<milliseconds>(term_at - now);
        Renew(std::clamp(room / 2, milliseconds(50), third));
        renew_at = Clock::now() + (safe_until_ - Clock::now() > 2 * third ? third : third / 8);
        continue;
      }
      const Clock::time_point wake = lost_ ? safe_until_ : std::min(renew_at, term_at);
      AwaitSignal(set, wake);
    }
  }

  void AwaitSignal(const sigset_t& set, Clock::time_point until) {
    const auto left = std::max(until - Clock::now(), Clock::duration(milliseconds(1)));
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    timespec timeout{};
    timeout.tv_sec = ns / 1'000'000'000;
    timeout.tv_nsec = ns % 1'000'000'000;
    const int signal = sigtimedwait(&set, nullptr, &timeout);
    if (signal == SIGINT || signal == SIGTERM)
      kill(-child_, signal);
  }

  // The lease is ours alone: with it the hold goes, whatever became of the release.
  void Release() {
    if (!lost_)
      Revoke();
  }
  void Revoke() {
    client::Call call;
    call.method = "DELETE";
    call.target = "/v1/leases/" + std::to_string(lease_);
    call.timeout = session_.timeout();
    const Result<client::Answer> answer = session_.client().Send(call);
    if (!answer)
      std::fprintf(stderr, "synod: the hold could not be given back; it ends with its lease\n");
  }

  Session& session_;
  const HoldRequest& request_;
  int64_t lease_ = 0;
  int64_t token_ = 0;
  Clock::time_point safe_until_;
  pid_t child_ = -1;
  int status_ = 0;
  bool lost_ = false;
  bool gone_ = false;  // the cluster says that the lease has ended
};

}  // namespace

int RunWhileHeld(Session& session, const HoldRequest& request) {
  return Holder(session, request).Run();
}

}  // namespace synod::cli
