// Cluster: real synodd processes on loopback, each with a data directory of its own.
//
// Contract      Ports are free ones outside the kernel's range for outgoing connections, and stay
//               the same over restarts, so that a node can be killed and started as often as a
//               test likes. A cluster of one is started without --initial-cluster.
// Errors        std::runtime_error with the end of the node's log if a node does not get ready, and
//               with what the program said if a backup is not restored.
// Thread        The test's main thread, which has to outlive the nodes.
#ifndef SYNOD_TESTS_INTEGRATION_CLUSTER_H_
#define SYNOD_TESTS_INTEGRATION_CLUSTER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/http_client.h"
#include "tests/integration/process.h"

namespace synod::integration {

// Where this program and the project's others are.
std::string ProgramDirectory();
std::string Program(const std::string& name);

// A port P such that nobody else of the running tests gets P + any of the offsets.
uint16_t ReservePorts(const std::vector<uint16_t>& offsets = {0});

class Node {
 public:
  Node(int id, std::string directory);

  int id() const { return id_; }
  uint16_t port() const { return client_port_; }
  uint16_t peer_port() const { return peer_port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(client_port_); }
  std::string data_dir() const { return directory_ + "/data"; }
  // Where the others reach it.
  std::string peer_address() const {
    return "127.0.0.1:" + std::to_string(advertised_.value_or(peer_port_));
  }
  // Through somebody in between who passes on what comes there.
  void AdvertisePeer(uint16_t port) { advertised_ = port; }
  std::string Log() const { return ReadFile(directory_ + "/log"); }

  // The arguments besides --initial-cluster, for tests that start a node in their own way.
  Arguments BaseArguments() const;
  void Start(const Arguments& extra = {});
  void StartAgain() { Start(last_extra_); }
  // Another build, from the next start on.
  void UseProgram(const std::string& name) { program_ = name; }
  // Its clock goes at this rate, in thousandths, from the next start on.
  void SlowClock(int permille) { clock_permille_ = permille; }
  bool Running() { return process_ != nullptr && process_->Running(); }
  pid_t pid() const { return process_->pid(); }

  void Kill();  // SIGKILL, and waits
  void Wipe();  // loses its disk
  // Takes other ports: it has moved.
  void Move();
  void Pause();   // SIGSTOP
  void Resume();  // SIGCONT
  // SIGTERM; its exit code, nothing if it still runs after 20 s.
  std::optional<int> Stop();
  std::optional<int> AwaitExit(Milliseconds timeout) { return process_->Wait(timeout); }

  bool Ready();
  void AwaitReady(Milliseconds timeout = Milliseconds(60'000));
  // Its own /v1/status, if it answers.
  std::optional<boost::json::object> Status();
  // Resident memory in bytes.
  uint64_t ResidentBytes() const;

 private:
  int id_;
  std::string directory_;
  uint16_t client_port_;
  uint16_t peer_port_;
  std::optional<uint16_t> advertised_;
  std::string program_ = "synodd";
  int clock_permille_ = 1000;
  Arguments last_extra_;
  std::unique_ptr<Process> process_;
};

class Cluster {
 public:
  // Makes the nodes; Start() runs them.
  explicit Cluster(int size);
  // Starts all and waits until each is ready.
  void Start();
  // One node more, not started and in nobody's list; its number here is size(), in the cluster what
  // the cluster gives it.
  Node& Add();

  int size() const { return static_cast<int>(nodes_.size()); }
  Node& node(int id) { return *nodes_.at(static_cast<size_t>(id - 1)); }
  uint16_t port(int id) const { return nodes_.at(static_cast<size_t>(id - 1))->port(); }
  // "1=127.0.0.1:PORT,..." of all peers.
  std::string InitialCluster() const;
  Arguments InitialArguments() const;
  std::string Endpoints() const;  // URLs of all, by commas

  void AwaitAllReady(Milliseconds timeout = Milliseconds(60'000));
  // The node that says it leads, with the highest ballot if several do; waits for one.
  int Leader(Milliseconds timeout = Milliseconds(20'000));
  // True when every node answers, has applied the same and has the same digest.
  bool Converged();
  // Some running node that is not `id`.
  int Other(int id) const { return id == size() ? 1 : id + 1; }
  // Makes the data directories of all nodes from a backup; before the first start.
  void Restore(const std::string& backup);
  // Runs the command line client against all nodes.
  Finished Synod(Arguments arguments, Milliseconds timeout = Milliseconds(60'000));

 private:
  std::optional<int> FindLeader();

  TempDir dir_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// A write that goes on until it is acknowledged, at whichever node answers; the answer.
Answer PutUntilDone(Cluster& cluster,
                    const std::string& target,
                    const std::string& body,
                    Milliseconds timeout = Milliseconds(30'000));

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_CLUSTER_H_
