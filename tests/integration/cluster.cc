#include "tests/integration/cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>

namespace synod::integration {
namespace {

// Below Linux's range for outgoing connections (32768 and up): a port there can be taken by
// anybody's connection while a node is down.
constexpr unsigned kFirstPort = 12'000;
constexpr unsigned kLastPort = 32'000;

bool IsFree(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

// The lock on the port's file is held until this process ends.
bool Reserve(uint16_t port) {
  const std::string dir = std::filesystem::temp_directory_path() / "synod-test-ports";
  std::filesystem::create_directories(dir);
  const int fd =
      open((dir + "/" + std::to_string(port)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && IsFree(port))
    return true;
  if (fd >= 0)
    close(fd);
  return false;
}

std::string LastLines(const std::string& text, size_t bytes = 3000) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

}  // namespace

std::string ProgramDirectory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

std::string Program(const std::string& name) { return ProgramDirectory() + "/" + name; }

uint16_t ReservePorts(const std::vector<uint16_t>& offsets) {
  static std::mt19937 random{std::random_device{}()};
  for (int tries = 0; tries < 1000; ++tries) {
    const auto port = static_cast<uint16_t>(
        std::uniform_int_distribution<unsigned>(kFirstPort, kLastPort)(random));
    if (std::all_of(offsets.begin(), offsets.end(),
                    [&](uint16_t o) { return Reserve(static_cast<uint16_t>(port + o)); }))
      return port;
  }
  throw std::runtime_error("no free port");
}

Node::Node(int id, std::string directory)
    : id_(id),
      directory_(std::move(directory)),
      client_port_(ReservePorts()),
      peer_port_(ReservePorts()) {
  std::filesystem::create_directories(directory_);
}

Arguments Node::BaseArguments() const {
  return {Program(program_),
          "--data-dir",
          data_dir(),
          "--id",
          std::to_string(id_),
          "--client",
          "127.0.0.1:" + std::to_string(client_port_),
          "--peer",
          "127.0.0.1:" + std::to_string(peer_port_),
          "--advertise-peer",
          peer_address()};
}

void Node::Start(const Arguments& extra) {
  last_extra_ = extra;
  Arguments arguments = BaseArguments();
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  ProcessOptions options{.output_file = directory_ + "/log"};
  if (clock_permille_ != 1000)
    options.environment = {{"SYNOD_DEBUG_CLOCK_PERMILLE", std::to_string(clock_permille_)}};
  process_ = std::make_unique<Process>(arguments, options);
}

void Node::Kill() { process_->Kill(); }
void Node::Wipe() {
  // The directory itself stays: a file system may be mounted there.
  for (const auto& entry : std::filesystem::directory_iterator(data_dir()))
    std::filesystem::remove_all(entry);
}
void Node::Move() {
  client_port_ = ReservePorts();
  peer_port_ = ReservePorts();
}
void Node::Pause() { process_->Signal(SIGSTOP); }
void Node::Resume() { process_->Signal(SIGCONT); }

std::optional<int> Node::Stop() {
  process_->Signal(SIGTERM);
  return process_->Wait(Milliseconds(20'000));
}

bool Node::Ready() {
  const auto answer = TryHttp(client_port_, "GET", "/readyz", {.timeout = Milliseconds(2000)});
  return answer && answer->status == 200;
}

void Node::AwaitReady(Milliseconds timeout) {
  const bool ready = Eventually(timeout, [&] { return Ready() || !Running(); });
  if (!ready || !Running())
    throw std::runtime_error("node " + std::to_string(id_) +
                             (Running() ? " is not ready; its log:\n" : " ended; its log:\n") +
                             LastLines(Log()));
}

std::optional<boost::json::object> Node::Status() {
  const auto answer = TryHttp(client_port_, "GET", "/v1/status", {.timeout = Milliseconds(2000)});
  if (!answer || answer->status != 200)
    return std::nullopt;
  return answer->Json().as_object();
}

uint64_t Node::ResidentBytes() const {
  std::istringstream statm(ReadFile("/proc/" + std::to_string(pid()) + "/statm"));
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Cluster::Cluster(int size) {
  for (int id = 1; id <= size; ++id) Add();
}

Node& Cluster::Add() {
  const int id = size() + 1;
  nodes_.push_back(std::make_unique<Node>(id, dir_.path() + "/node-" + std::to_string(id)));
  return *nodes_.back();
}

std::string Cluster::InitialCluster() const {
  std::string list;
  for (const auto& node : nodes_) {
    list += (list.empty() ? "" : ",") + std::to_string(node->id()) + "=" + node->peer_address();
  }
  return list;
}

Arguments Cluster::InitialArguments() const {
  return nodes_.size() == 1 ? Arguments{} : Arguments{"--initial-cluster", InitialCluster()};
}

std::string Cluster::Endpoints() const {
  std::string list;
  for (const auto& node : nodes_) list += (list.empty() ? "" : ",") + node->url();
  return list;
}

void Cluster::Start() {
  for (const auto& node : nodes_) node->Start(InitialArguments());
  AwaitAllReady();
}

void Cluster::AwaitAllReady(Milliseconds timeout) {
  for (const auto& node : nodes_) node->AwaitReady(timeout);
}

std::optional<int> Cluster::FindLeader() {
  std::optional<int> leader;
  int64_t highest = -1;
  for (const auto& node : nodes_) {
    if (!node->Running())
      continue;
    const auto status = node->Status();
    if (!status || status->at("role").as_string() != "leader")
      continue;
    const auto round = status->at("ballot").at("round").to_number<int64_t>();
    if (round > highest) {
      highest = round;
      leader = node->id();
    }
  }
  return leader;
}

int Cluster::Leader(Milliseconds timeout) {
  std::optional<int> leader;
  if (!Eventually(timeout, [&] { return (leader = FindLeader()).has_value(); }))
    throw std::runtime_error("no leader within the deadline");
  return *leader;
}

bool Cluster::Converged() {
  std::set<std::string> states;
  for (const auto& node : nodes_) {
    const auto status = node->Status();
    if (!status)
      return false;
    states.insert(boost::json::serialize(status->at("applied_slot")) +
                  boost::json::serialize(status->at("digest")));
  }
  return states.size() == 1;
}

void Cluster::Restore(const std::string& backup) {
  for (const auto& node : nodes_) {
    const Finished done =
        RunProgram({Program("synod"), "snapshot", "restore", backup, "--data-dir", node->data_dir(),
                    "--id", std::to_string(node->id()), "--initial-cluster", InitialCluster()});
    if (done.exit_code != 0)
      throw std::runtime_error("restore: " + done.err);
  }
}

Finished Cluster::Synod(Arguments arguments, Milliseconds timeout) {
  arguments.insert(arguments.begin(), Program("synod"));
  return RunProgram(arguments, {{"SYNOD_ENDPOINTS", Endpoints()}}, {}, timeout);
}

Answer PutUntilDone(Cluster& cluster,
                    const std::string& target,
                    const std::string& body,
                    Milliseconds timeout) {
  std::optional<Answer> answer;
  int id = 0;
  const bool done = Eventually(timeout, [&] {
    id = id % cluster.size() + 1;
    if (!cluster.node(id).Running())
      return false;
    answer =
        TryHttp(cluster.port(id), "PUT", target, {.body = body, .timeout = Milliseconds(7000)});
    return answer && (answer->status == 200 || answer->status == 201);
  });
  if (!done)
    throw std::runtime_error(
        "PUT " + target + " was not acknowledged; last answer: " +
        (answer ? std::to_string(answer->status) + " " + answer->body : "none"));
  return *answer;
}

}  // namespace synod::integration
