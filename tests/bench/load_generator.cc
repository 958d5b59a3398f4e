// Loads servers with many clients and tells what it cost: `load --help`.
//
// Closed (no --rate): every client asks again as soon as it has its answer. Open (--rate): requests
// are due at fixed times, whatever the answers take, and the latency of each counts from then, so
// that a stall shows in all that it held up.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/fan_out.h"
#include "tests/bench/histogram.h"
#include "tests/bench/load.h"
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kBeginMicros = 60 * kSecond;
constexpr int64_t kDrainMicros = 5 * kSecond;
constexpr int64_t kKeepAliveMicros = kSecond;
constexpr size_t kEvents = 256;
constexpr int64_t kStallMicros = kSecond / 10;

struct Options {
  std::string server = "synod";
  Work work;
  std::vector<std::string> endpoints;
  double seconds = 10;
  int64_t warm_up_ms = 1000;
  int64_t rate = 0;
  size_t idle = 0;
  size_t watches = 1000;
  size_t connections = 8;
  std::vector<int> pids;
};

struct Client {
  int fd = -1;
  std::unique_ptr<Protocol> protocol;
  std::string in;
  int64_t since = 0;  // when its request was due; 0: it has none
  int64_t asked = 0;
  bool idle = false;  // asks once
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options) {}

  bool Connect();
  void Run();
  void Print() const;

 private:
  // The idle ones have asked once.
  bool SettleIdle();
  bool Listen(int fd, Client* client);  // no client: what the watches hear
  bool InWindow(int64_t time) const { return time >= begin_ && time < end_; }
  void StartDue(int64_t now);
  void Turn();
  void Ask(Client* client, int64_t since);
  void Receive(Client* client);
  void Answered(Client* client, const Protocol::Answer& answer);
  void Fail(Client* client);
  void KeepAlive(int64_t now);
  uint64_t lost() const { return lost_ + (fan_out_ != nullptr && fan_out_->broken() ? 1 : 0); }
  // Whether there is anything to wait for after the end.
  bool Due() const {
    return busy_ != 0 || !waiting_.empty() || (fan_out_ != nullptr && fan_out_->missing() != 0);
  }

  const Options options_;
  const int epoll_ = ::epoll_create1(0);
  std::vector<Client> clients_;
  std::unique_ptr<FanOut> fan_out_;  // of "watch"
  std::vector<Client*> free_;        // open: who has nothing to do
  std::deque<int64_t> waiting_;      // open: due, and no client free
  size_t busy_ = 0;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t ended_ = 0;
  int64_t next_due_ = 0;
  int64_t keep_alive_at_ = 0;
  int64_t due_ = 0;  // how many were
  double cpu_ = 0;
  bool measuring_ = false;
  uint64_t errors_ = 0;
  uint64_t lost_ = 0;  // clients whose connection broke
  Histogram latency_;
  std::vector<int64_t> worst_;  // by second
};

bool Load::Listen(int fd, Client* client) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = client;
  return fd >= 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Load::Connect() {
  clients_.resize(options_.work.clients + options_.idle);
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].idle = i >= options_.work.clients;
    clients_[i].fd = bench::Connect(options_.endpoints[i % options_.endpoints.size()]);
    if (!Listen(clients_[i].fd, &clients_[i]))
      return false;
    clients_[i].protocol = options_.server == "synod"  ? MakeSynodClient(options_.work, i)
                           : options_.server == "etcd" ? MakeEtcdClient(options_.work, i)
                                                       : MakeZooKeeperClient(options_.work, i);
  }
  if (!SettleIdle())
    return false;
  if (options_.work.operation != "watch")
    return true;
  fan_out_ = std::make_unique<FanOut>(options_.server, options_.endpoints, options_.watches,
                                      options_.connections);
  return fan_out_->Begin() && Listen(fan_out_->fd(), nullptr);
}

void Load::Fail(Client* client) {
  ::close(std::exchange(client->fd, -1));
  ++lost_;
  if (std::exchange(client->since, 0) != 0)
    --busy_;
}

// A request never fills the socket's buffer: one is outstanding.
void Load::Ask(Client* client, int64_t since) {
  std::string request;
  client->protocol->Next(&request);
  if (request.empty())
    return;
  if (std::exchange(client->since, since) == 0)
    ++busy_;
  client->asked = NowMicros();
  if (::send(client->fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    Fail(client);
}

void Load::StartDue(int64_t now) {
  for (; next_due_ <= now && next_due_ < end_; ++due_) {
    waiting_.push_back(next_due_);
    next_due_ = begin_ - options_.warm_up_ms * 1000 + (due_ + 1) * kSecond / options_.rate;
  }
  while (!waiting_.empty() && !free_.empty()) {
    Client* client = free_.back();
    free_.pop_back();
    Ask(client, waiting_.front());
    waiting_.pop_front();
  }
}

void Load::Answered(Client* client, const Protocol::Answer& answer) {
  const int64_t now = NowMicros();
  const bool open = options_.rate != 0;
  if (!answer.counts)
    return Ask(client, client->since);
  const int64_t since = std::exchange(client->since, 0);
  --busy_;
  if (client->idle)
    return;
  if (fan_out_ != nullptr)
    fan_out_->Acknowledged(since, InWindow(since));
  // Open: what was due in the window; closed: what was answered in it.
  if (InWindow(open ? since : now) || options_.work.operation == "fill") {
    latency_.Add(static_cast<uint64_t>(now - since));
    errors_ += answer.ok ? 0 : 1;
    const auto second = static_cast<size_t>(std::max<int64_t>(since - begin_, 0) / kSecond);
    if (second < worst_.size())
      worst_[second] = std::max(worst_[second], now - since);
  }
  if (open) {
    free_.push_back(client);
  } else if (now < end_) {
    Ask(client, now);
  }
}

void Load::Receive(Client* client) {
  static std::array<char, 1 << 18> buffer;
  const ssize_t n = ::recv(client->fd, buffer.data(), buffer.size(), 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN)
      Fail(client);
    return;
  }
  client->in.append(buffer.data(), static_cast<size_t>(n));
  while (client->since != 0) {
    const Protocol::Answer answer = client->protocol->Take(client->in);
    if (answer.bytes == 0)
      return;
    client->in.erase(0, answer.bytes);
    Answered(client, answer);
  }
}

void Load::KeepAlive(int64_t now) {
  if (now < keep_alive_at_)
    return;
  keep_alive_at_ = now + kKeepAliveMicros;
  for (Client& client : clients_) {
    if (client.since == 0 || now - client.asked < kKeepAliveMicros)
      continue;
    std::string out;
    client.protocol->KeepAlive(&out);
    if (!out.empty() && ::send(client.fd, out.data(), out.size(), MSG_NOSIGNAL) < 0)
      Fail(&client);
  }
}

void Load::Turn() {
  std::array<epoll_event, kEvents> ready;
  const int n = ::epoll_wait(epoll_, ready.data(), kEvents, 1);
  for (int i = 0; i < n; ++i) {
    auto* client = static_cast<Client*>(ready[static_cast<size_t>(i)].data.ptr);
    if (client != nullptr)
      Receive(client);
    else
      fan_out_->Receive();
  }
}

bool Load::SettleIdle() {
  for (Client& client : clients_)
    if (client.idle)
      Ask(&client, NowMicros());
  for (const int64_t deadline = NowMicros() + kBeginMicros; busy_ != 0; Turn())
    if (NowMicros() > deadline)
      return false;
  return lost_ == 0;
}

void Load::Run() {
  const int64_t start = NowMicros();
  const bool fill = options_.work.operation == "fill";
  begin_ = fill ? start : start + options_.warm_up_ms * 1000;
  end_ = fill ? INT64_MAX : begin_ + static_cast<int64_t>(options_.seconds * kSecond);
  next_due_ = start;
  worst_.resize(static_cast<size_t>(fill ? 0 : std::ceil(options_.seconds)));
  for (Client& client : clients_) {
    if (client.idle)
      continue;
    if (options_.rate == 0) {
      Ask(&client, start);
    } else {
      free_.push_back(&client);
    }
  }
  for (int64_t now = start; now < end_ || (Due() && now < end_ + kDrainMicros); now = NowMicros()) {
    if (!measuring_ && now >= begin_) {
      measuring_ = true;
      cpu_ = -CpuSeconds(options_.pids);
    }
    if (fill && busy_ == 0)
      break;
    // Where nothing was answered there would be nothing to tell.
    if (now >= end_ && latency_.count() == 0 && now < begin_ + kBeginMicros)
      end_ = now + kSecond / 10;
    if (ended_ == 0 && now >= end_) {
      ended_ = now;
      cpu_ += CpuSeconds(options_.pids);
    }
    if (options_.rate != 0)
      StartDue(now);
    KeepAlive(now);
    Turn();
  }
  if (ended_ == 0) {
    ended_ = NowMicros();
    cpu_ += CpuSeconds(options_.pids);
  }
}

void Load::Print() const {
  const double seconds = static_cast<double>(ended_ - begin_) * 1e-6;
  const auto count = static_cast<double>(latency_.count());
  std::printf(
      "{\"server\":\"%s\",\"operation\":\"%s\",\"clients\":%zu,\"rate\":%lld,\"requests\":%llu,"
      "\"errors\":%llu,\"unanswered\":%zu,\"lost\":%llu,\"per_second\":%.0f,\"p50_ms\":%.3f,"
      "\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f,\"cpu_s_per_1000\":%.4f,\"stalls\":[",
      options_.server.c_str(), options_.work.operation.c_str(), options_.work.clients,
      static_cast<long long>(options_.rate), static_cast<unsigned long long>(latency_.count()),
      static_cast<unsigned long long>(errors_), busy_ + waiting_.size(),
      static_cast<unsigned long long>(lost()), count / seconds, latency_.MsAt(0.5),
      latency_.MsAt(0.99), latency_.MsAt(0.999), latency_.MaxMs(),
      count > 0 ? cpu_ / count * 1000 : 0.0);
  bool first = true;
  for (size_t s = 0; s < worst_.size(); ++s)
    if (worst_[s] > kStallMicros)
      std::printf("%s[%zu,%lld]", std::exchange(first, false) ? "" : ",", s,
                  static_cast<long long>(worst_[s] / 1000));
  std::printf("]");
  if (fan_out_ != nullptr)
    fan_out_->Print(cpu_);
  std::printf("}\n");
}

// Empty if they fit together.
std::string Complaint(const Options& options) {
  const std::vector<std::string>& known = options.server == "synod"  ? SynodOperations()
                                          : options.server == "etcd" ? EtcdOperations()
                                                                     : ZooKeeperOperations();
  const std::string& operation = options.work.operation;
  if (std::find(known.begin(), known.end(), operation) == known.end())
    return options.server + " has no operation '" + operation + "'";
  if (operation != "watch")
    return "";
  if (options.rate == 0)
    return "watch needs a --rate";
  if (options.connections > options.watches)
    return "more --connections than --watches";
  if (options.server == "zookeeper" && options.connections != options.watches)
    return "a session of ZooKeeper's has one watch of a key: as many --connections as --watches";
  return "";
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Loads a cluster with many clients, one request of each at a time, and prints one "
      "line of JSON."};
  app.add_option("operation", options.work.operation,
                 "fill put get local mix watch cas lock grant keepalive list (etcd, zookeeper: the "
                 "first six; get is linearizable, local is not; watch: the clients write one key "
                 "at the --rate, and watches of it hear of that)")
      ->required();
  app.add_option("endpoints", options.endpoints, "IPv4 addresses HOST:PORT, clients in turn")
      ->required()
      ->delimiter(',');
  app.add_option("--server", options.server, "whose protocol")
      ->check(CLI::IsMember({"synod", "etcd", "zookeeper"}))
      ->capture_default_str();
  app.add_option("--clients", options.work.clients)
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds)
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--warm-up-ms", options.warm_up_ms, "asked before, and not counted")
      ->check(CLI::Range(0, 60'000))
      ->capture_default_str();
  app.add_option("--rate", options.rate,
                 "requests a second, due at fixed times; 0: each client as fast as it can")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--idle", options.idle, "further connections, that ask once and stay")
      ->check(CLI::Range(0, 20'000))
      ->capture_default_str();
  app.add_option("--watches", options.watches, "of \"watch\"")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--connections", options.connections,
                 "of \"watch\"; zookeeper: as many as watches; synod: event streams if as many, "
                 "else WebSockets")
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str();
  app.add_option("--keys", options.work.keys)
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  app.add_option("--value", options.work.value_bytes, "bytes")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  app.add_option("--pids", options.pids, "processes whose CPU time is told")->delimiter(',');
  app.footer("stalls: every second with a latency above 100 ms, and that latency.");
  CLI11_PARSE(app, argc, argv);
  if (const std::string complaint = Complaint(options); !complaint.empty()) {
    std::fprintf(stderr, "load: %s\n", complaint.c_str());
    return 2;
  }
  if (options.work.operation == "watch")
    options.work.keys = 1;
  Load load(options);
  if (!load.Connect()) {
    std::fprintf(stderr, "load: cannot connect to every endpoint, or begin every watch\n");
    return 1;
  }
  load.Run();
  load.Print();
  return 0;
}

}  // namespace
}  // namespace synod::bench

int main(int argc, char** argv) { return synod::bench::Main(argc, argv); }
