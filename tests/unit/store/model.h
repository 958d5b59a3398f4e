// Model: the tree as one std::map a revision, written down a second time and as plainly as
// possible.
//
// Contract      Each call does what docs/api.md says of it, by walking everything. States of all
//               revisions are kept whole, so that any read of the past can be compared.
#ifndef SYNOD_TESTS_UNIT_STORE_MODEL_H_
#define SYNOD_TESTS_UNIT_STORE_MODEL_H_

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/base/error.h"
#include "src/store/tree.h"

namespace synod::store {

struct ModelNode {
  std::string value;
  uint64_t version = 0, create = 0, mod = 0, children = 0, count = 0, lease = 0, sequence = 0;
  bool operator==(const ModelNode&) const = default;
};

// '/' ends a component, so it comes before every byte that would go on with it.
struct ModelOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char x, char y) { return rank(x) < rank(y); });
  }
};

using ModelState = std::map<std::string, ModelNode, ModelOrder>;

inline bool IsBelow(const std::string& path, const std::string& ancestor) {
  return path != ancestor && path.starts_with(ancestor == "/" ? "/" : ancestor + "/");
}
inline bool IsSynods(const std::string& path) {
  return path == "/.synod" || path.starts_with("/.synod/");
}
inline std::string ModelParent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

inline ModelNode Plain(const NodeState& s) {
  return {
      std::string(s.value.view()), s.version,      s.create_revision.value, s.mod_revision.value,
      s.children_revision.value,   s.num_children, s.lease.value,           s.last_sequence};
}

class Model {
 public:
  Model() { states_[0]["/"] = {}; }

  void Begin(uint64_t revision) {
    revision_ = revision;
    now_ = states_.rbegin()->second;
  }
  void Commit() { states_[revision_] = now_; }

  const ModelState& now() const { return now_; }
  // The state at a revision: that of the last commit not above it.
  const ModelState& At(uint64_t revision) const {
    return std::prev(states_.upper_bound(revision))->second;
  }
  const ModelState& last() const { return states_.rbegin()->second; }

  Errc Put(const std::string& path,
           const std::string& value,
           std::optional<uint64_t> lease,
           const Precondition& p) {
    const auto it = now_.find(path);
    if (!Holds(p, it == now_.end() ? nullptr : &it->second))
      return Errc::kPreconditionFailed;
    const uint64_t new_lease = lease ? *lease : it == now_.end() ? 0 : it->second.lease;
    if (new_lease != 0 && (path == "/" || (it != now_.end() && it->second.count > 0)))
      return Errc::kLeasedParent;
    if (it == now_.end()) {
      for (std::string up = ModelParent(path);; up = ModelParent(up)) {
        if (now_.contains(up)) {
          if (now_[up].lease != 0)
            return Errc::kLeasedParent;
          break;
        }
      }
      Create(path);
    }
    ModelNode& node = now_[path];
    node.value = value;
    ++node.version;
    node.mod = revision_;
    node.lease = new_lease;
    return Errc::kOk;
  }

  Errc CreateSequential(const std::string& prefix,
                        const std::string& value,
                        uint64_t lease,
                        std::string* path) {
    const std::string parent = ModelParent(prefix);
    uint64_t number = now_.contains(parent) ? now_[parent].sequence : 0;
    do {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%010llu", static_cast<unsigned long long>(++number));
      *path = prefix + digits;
    } while (now_.contains(*path));
    const Errc code = Put(*path, value, lease, {});
    if (code == Errc::kOk)
      now_[parent].sequence = number;
    return code;
  }

  Errc Delete(const std::string& path,
              bool recursive,
              const Precondition& p,
              std::vector<std::string>* deleted) {
    const auto it = now_.find(path);
    if (!Holds(p, it == now_.end() ? nullptr : &it->second))
      return Errc::kPreconditionFailed;
    if (it == now_.end())
      return Errc::kNotFound;
    if (!recursive && (path == "/" || it->second.count > 0))
      return Errc::kNotEmpty;
    for (const auto& [at, node] : now_) {
      const bool itself = at == path && path != "/";
      const bool below = IsBelow(at, path) && (IsSynods(path) || !IsSynods(at));
      if (itself || below)
        deleted->push_back(at);
    }
    for (const std::string& at : *deleted) {
      now_.erase(at);
      if (now_.contains(ModelParent(at))) {
        ModelNode& parent = now_[ModelParent(at)];
        --parent.count;
        parent.children = revision_;
      }
    }
    return Errc::kOk;
  }

  static std::vector<std::string> List(const ModelState& state,
                                       const std::string& path,
                                       ListScope scope) {
    std::vector<std::string> found;
    for (const auto& [at, node] : state) {
      const bool wanted = scope == ListScope::kSubtree
                              ? IsBelow(at, path)
                              : IsBelow(at, path) && ModelParent(at) == path;
      if (wanted && (IsSynods(path) || !IsSynods(at)))
        found.push_back(at);
    }
    return found;
  }

 private:
  static bool Holds(const Precondition& p, const ModelNode* node) {
    switch (p.kind) {
      case Precondition::Kind::kNone:
        return true;
      case Precondition::Kind::kModRevision:
        return node != nullptr && node->mod == p.number;
      case Precondition::Kind::kExists:
        return node != nullptr;
      case Precondition::Kind::kAbsent:
        return node == nullptr;
      case Precondition::Kind::kVersion:
        return p.number == 0 ? node == nullptr : node != nullptr && node->version == p.number;
    }
    return false;
  }

  void Create(const std::string& path) {
    const std::string parent = ModelParent(path);
    if (!now_.contains(parent)) {
      Create(parent);
      now_[parent].version = 1;
      now_[parent].mod = revision_;
    }
    ++now_[parent].count;
    now_[parent].children = revision_;
    now_[path].create = revision_;
  }

  uint64_t revision_ = 0;
  ModelState now_;
  std::map<uint64_t, ModelState> states_;
};

}  // namespace synod::store

#endif  // SYNOD_TESTS_UNIT_STORE_MODEL_H_
