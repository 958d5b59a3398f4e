// Tree: the nodes of the cluster: read, written, deleted, listed, changed by transaction.
//
// Contract      Reads are linearizable. Each change happens at most once (call.h). Nodes carry the
//               revision that the answer reflects, which is where a watch without a gap begins.
// Thread        Any; callbacks on the client's.
// Errors        kNotFound, kPreconditionFailed, kFenced and the others of the API.
#ifndef SYNOD_CLIENT_TREE_H_
#define SYNOD_CLIENT_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/client/client.h"

namespace synod::client {

struct Node {
  std::string path;
  std::string value;
  uint64_t version = 0;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t num_children = 0;
  uint64_t lease = 0;
  uint64_t revision = 0;  // of the answer
};

struct Listing {
  std::vector<Node> nodes;  // in path order
  uint64_t revision = 0;    // one for all pages
};

enum class Scope : uint8_t { kNode, kChildren, kSubtree };

// A hold of a lock or an election, by which a write proves that it is still held.
struct Fence {
  std::string path;
  uint64_t token = 0;
  std::string Header() const;  // of Synod-Fence
};

struct WriteOptions {
  uint64_t lease = 0;  // ties the node to it
  std::vector<Fence> fences;
  // Only if the node's mod_revision is this; 0: only if it does not exist.
  std::optional<uint64_t> if_revision;
  bool recursive = false;  // of Delete
};

class Tree {
 public:
  explicit Tree(Client& client) : client_(client) {}

  Result<Node> Get(const std::string& path);
  void Get(const std::string& path, Callback<Node> done);
  // The node without its value.
  Result<Node> Put(const std::string& path, std::string value, const WriteOptions& options = {});
  void Put(const std::string& path,
           std::string value,
           const WriteOptions& options,
           Callback<Node> done);
  // A child with a number behind `prefix` that only grows: "/q/job-" makes "/q/job-0000000001".
  Result<Node> Append(const std::string& prefix,
                      std::string value,
                      const WriteOptions& options = {});
  void Append(const std::string& prefix,
              std::string value,
              const WriteOptions& options,
              Callback<Node> done);
  // The revision of the deletion.
  Result<uint64_t> Delete(const std::string& path, const WriteOptions& options = {});
  void Delete(const std::string& path, const WriteOptions& options, Callback<uint64_t> done);
  // What is below, all pages at one revision; nothing below what does not exist. `limit`: at most
  // so many nodes; 0: all.
  Result<Listing> List(const std::string& path, Scope scope, size_t limit = 0);
  void List(const std::string& path, Scope scope, size_t limit, Callback<Listing> done);
  // The body of POST /v1/txn and of its answer, as JSON.
  Result<std::string> Transact(const std::string& json);
  void Transact(const std::string& json, Callback<std::string> done);

 private:
  void Write(const char* method,
             const std::string& path,
             std::string value,
             const WriteOptions& options,
             Callback<Node> done);

  Client& client_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_TREE_H_
