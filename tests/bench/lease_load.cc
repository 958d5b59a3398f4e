// Many leases of a running cluster: what keeping them alive costs, what memory they take, and how
// long writes wait while all of them expire at once.
//
//   lease_load HOST PORT,PORT,... LEASES TTL_MS SECONDS
//
// Grants LEASES, renews each when a third of its TTL is over, 100 ids a request and the requests
// through all nodes in turn, for SECONDS; then renews none and waits for their end. Meanwhile it
// puts 256 bytes every 10 ms, each when it is due, and counts its latency from then. Prints a line
// per phase and ends; status 1 if a lease was gone early, a write failed, or leases are left. With
// a TTL above a minute it does not wait for the end.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/load.h"

namespace {

using synod::bench::MetricIn;
using synod::bench::MsAt;
using synod::bench::NowMicros;
using synod::bench::NumberAfter;

constexpr size_t kBatch = 100;
constexpr size_t kConnections = 100;  // to each node; a connection's requests are served in turn
constexpr int64_t kWriteEveryMicros = 10'000;
constexpr int64_t kAskEveryMicros = 1'000'000;
constexpr int64_t kEndMicros = 120'000'000;
constexpr int64_t kWaitedForMs = 60'000;

struct Plan {
  std::string host;
  std::vector<uint16_t> ports;
  size_t leases;
  int64_t ttl_ms;
  int64_t seconds;
};

enum class Kind { kGrant, kRenewal, kWrite };

struct Request {
  Kind kind;
  int64_t since;  // when it was due
};

struct Connection {
  int fd = -1;
  std::deque<Request> in_flight;
  std::string in;
};

// Leases that are renewed in one request.
struct Batch {
  std::vector<uint64_t> ids;
  int64_t due = 0;
};

struct Phase {
  std::vector<int64_t> writes;
  std::vector<int64_t> renewals;
  std::vector<double> cpu;
  int64_t start = 0;
};

int Connect(const Plan& plan, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  if (::inet_pton(AF_INET, plan.host.c_str(), &address.sin_addr) != 1 || fd < 0 ||
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    std::perror("lease_load: connect");
    std::exit(1);
  }
  return fd;
}

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      std::perror("lease_load: send");
      std::exit(1);
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

class LeaseLoad {
 public:
  explicit LeaseLoad(const Plan& plan) : plan_(plan) {}
  bool Run();

 private:
  double Metric(size_t node, const std::string& name) const;
  std::vector<double> Metrics(const std::string& name) const;
  void Begin();
  void Report(const char* what);
  void Turn(bool renew);
  void Grant();
  void Renew(int64_t now);
  void Spread();
  void Write(int64_t now);
  void Post(size_t connection,
            Request request,
            const std::string& method,
            const std::string& target,
            const std::string& body);
  void Read(Connection* c);
  void Take(const Request& request, int status, std::string_view body);
  int64_t third() const { return plan_.ttl_ms * 1000 / 3; }

  const Plan plan_;
  // The nodes in turn. Every one of the first node writes, too: while leases are renewed none does.
  std::vector<Connection> connections_;
  std::vector<Batch> batches_;
  size_t asked_ = 0;
  size_t granted_ = 0;
  size_t renewed_ = 0;
  size_t written_ = 0;
  int64_t next_write_ = 0;
  uint64_t early_ = 0;
  uint64_t failed_ = 0;
  Phase phase_;
};

double LeaseLoad::Metric(size_t node, const std::string& name) const {
  const int fd = Connect(plan_, plan_.ports[node]);
  SendAll(fd, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  std::string text;
  char buffer[65536];
  for (ssize_t n = ::recv(fd, buffer, sizeof buffer, 0); n > 0;
       n = ::recv(fd, buffer, sizeof buffer, 0))
    text.append(buffer, static_cast<size_t>(n));
  ::close(fd);
  return MetricIn(text, name);
}

std::vector<double> LeaseLoad::Metrics(const std::string& name) const {
  std::vector<double> all;
  for (size_t node = 0; node < plan_.ports.size(); ++node) all.push_back(Metric(node, name));
  return all;
}

void LeaseLoad::Post(size_t connection,
                     Request request,
                     const std::string& method,
                     const std::string& target,
                     const std::string& body) {
  Connection& c = connections_[connection];
  c.in_flight.push_back(request);
  SendAll(c.fd, method + " " + target +
                    " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
}

void LeaseLoad::Grant() {
  const std::string body = R"({"ttl_ms":)" + std::to_string(plan_.ttl_ms) + "}";
  for (size_t c = 0; c < connections_.size() && asked_ < plan_.leases; ++c) {
    if (!connections_[c].in_flight.empty())
      continue;
    ++asked_;
    Post(c, {Kind::kGrant, NowMicros()}, "POST", "/v1/leases", body);
  }
}

void LeaseLoad::Renew(int64_t now) {
  for (size_t b = 0; b < batches_.size(); ++b) {
    Batch& batch = batches_[b];
    const bool full = batch.ids.size() == kBatch || asked_ == granted_;
    if (!full || batch.due > now)
      continue;
    std::string ids;
    for (const uint64_t id : batch.ids) ids += (ids.empty() ? "" : ",") + std::to_string(id);
    Post(renewed_++ % connections_.size(), {Kind::kRenewal, batch.due}, "POST",
         "/v1/leases/keepalive", R"({"ids":[)" + ids + "]}");
    batch.due += third();
  }
}

// As those of many clients that know nothing of each other.
void LeaseLoad::Spread() {
  for (size_t b = 0; b < batches_.size(); ++b)
    batches_[b].due =
        NowMicros() + third() * static_cast<int64_t>(b) / static_cast<int64_t>(batches_.size());
}

void LeaseLoad::Write(int64_t now) {
  for (; next_write_ <= now; next_write_ += kWriteEveryMicros)
    Post(written_++ % kConnections * plan_.ports.size(), {Kind::kWrite, next_write_}, "PUT",
         "/v1/kv/load/lease", std::string(256, 'v'));
}

void LeaseLoad::Take(const Request& request, int status, std::string_view body) {
  const int64_t now = NowMicros();
  if (status >= 300) {
    ++failed_;
    std::fprintf(stderr, "lease_load: %d %.*s\n", status, static_cast<int>(body.size()),
                 body.data());
  }
  if (request.kind == Kind::kWrite) {
    phase_.writes.push_back(now - request.since);
  } else if (request.kind == Kind::kRenewal) {
    phase_.renewals.push_back(now - request.since);
    const std::string_view gone = body.substr(std::min(body.find("\"not_found\""), body.size()));
    early_ += gone.find("[]") != std::string_view::npos
                  ? 0
                  : static_cast<uint64_t>(std::count(gone.begin(), gone.end(), ',')) + 1;
  } else {
    ++granted_;
    if (batches_.empty() || batches_.back().ids.size() == kBatch)
      batches_.push_back({{}, request.since + third()});
    batches_.back().ids.push_back(NumberAfter(body, "\"id\":"));
  }
}

void LeaseLoad::Read(Connection* c) {
  char buffer[65536];
  const ssize_t n = ::recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n == 0) {
    std::fprintf(stderr, "lease_load: a connection was closed\n");
    std::exit(1);
  }
  c->in.append(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  std::string_view in = c->in;
  for (size_t end = in.find("\r\n\r\n"); end != std::string_view::npos; end = in.find("\r\n\r\n")) {
    const size_t body = NumberAfter(in.substr(0, end), "Content-Length: ");
    if (in.size() < end + 4 + body)
      break;
    const Request request = c->in_flight.front();
    c->in_flight.pop_front();
    Take(request, std::atoi(in.data() + 9), in.substr(end + 4, body));
    in.remove_prefix(end + 4 + body);
  }
  c->in.erase(0, c->in.size() - in.size());
}

void LeaseLoad::Turn(bool renew) {
  std::vector<pollfd> fds;
  for (const Connection& c : connections_) fds.push_back({c.fd, POLLIN, 0});
  ::poll(fds.data(), fds.size(), 2);
  for (size_t i = 0; i < fds.size(); ++i)
    if (fds[i].revents != 0)
      Read(&connections_[i]);
  const int64_t now = NowMicros();
  if (renew)
    Renew(now);
  else
    Write(now);
}

void LeaseLoad::Begin() {
  phase_ = Phase();
  phase_.cpu = Metrics("process_cpu_seconds_total");
  phase_.start = next_write_ = NowMicros();
}

void LeaseLoad::Report(const char* what) {
  const double seconds = static_cast<double>(NowMicros() - phase_.start) * 1e-6;
  const std::vector<double> cpu = Metrics("process_cpu_seconds_total");
  std::sort(phase_.writes.begin(), phase_.writes.end());
  std::sort(phase_.renewals.begin(), phase_.renewals.end());
  double sum = 0;
  std::string each;
  for (size_t i = 0; i < cpu.size(); ++i) {
    sum += cpu[i] - phase_.cpu[i];
    each += (i == 0 ? "" : " ") + std::to_string((cpu[i] - phase_.cpu[i]) / seconds).substr(0, 5);
  }
  std::printf(
      "%s: %.1f s, %.3f cores (%s), %zu renewals p99 %.1f max %.1f ms, "
      "%zu writes p50 %.1f p99 %.1f max %.1f ms\n",
      what, seconds, sum / seconds, each.c_str(), phase_.renewals.size(),
      MsAt(phase_.renewals, 0.99), MsAt(phase_.renewals, 1), phase_.writes.size(),
      MsAt(phase_.writes, 0.5), MsAt(phase_.writes, 0.99), MsAt(phase_.writes, 1));
  std::fflush(stdout);
}

bool LeaseLoad::Run() {
  for (size_t i = 0; i < kConnections; ++i)
    for (const uint16_t port : plan_.ports) connections_.push_back({Connect(plan_, port), {}, {}});
  const std::vector<double> before = Metrics("process_resident_memory_bytes");
  Begin();
  while (granted_ < plan_.leases) {
    Grant();
    Turn(true);
  }
  Report("granting");
  Spread();
  Begin();
  while (NowMicros() < phase_.start + plan_.seconds * 1'000'000) Turn(true);
  Report("keeping alive");
  const std::vector<double> after = Metrics("process_resident_memory_bytes");
  for (size_t i = 0; i < after.size(); ++i)
    std::printf("node at %d: %.1f MB, then %.1f MB more: %.0f bytes a lease\n", plan_.ports[i],
                before[i] / 1e6, (after[i] - before[i]) / 1e6,
                (after[i] - before[i]) / static_cast<double>(plan_.leases));
  if (plan_.ttl_ms > kWaitedForMs)
    return early_ == 0 && failed_ == 0;
  Begin();
  double left = 1;
  for (int64_t ask = 0; left > 0 && NowMicros() < phase_.start + kEndMicros; Turn(false)) {
    if (NowMicros() < ask)
      continue;
    left = Metric(0, "synod_leases");
    ask = NowMicros() + kAskEveryMicros;
  }
  Report("expiring");
  std::printf("%llu gone early, %llu failed, %.0f left\n", static_cast<unsigned long long>(early_),
              static_cast<unsigned long long>(failed_), left);
  return early_ == 0 && failed_ == 0 && left == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "lease_load HOST PORT,PORT,... LEASES TTL_MS SECONDS\n");
    return 2;
  }
  Plan plan{
      argv[1], {}, std::strtoull(argv[3], nullptr, 10), std::atoll(argv[4]), std::atoll(argv[5])};
  for (const char* at = argv[2]; *at != '\0'; at += *at == ',' ? 1 : 0) {
    char* end = nullptr;
    plan.ports.push_back(static_cast<uint16_t>(std::strtoul(at, &end, 10)));
    at = end;
  }
  return LeaseLoad(plan).Run() ? 0 : 1;
}
