#include "tests/histories/reads_at_revision.h"

#include <map>
#include <optional>
#include <set>

namespace synod::histories {
namespace {

using sim::RegisterOp;

struct Changes {
  std::map<uint64_t, std::optional<std::string>> known;  // by revision; nothing: deleted
  std::set<std::string> open_values;
  bool open_delete = false;
};

Changes ChangesAmong(std::span<const RegisterOp> ops) {
  Changes changes;
  for (const RegisterOp& op : ops) {
    if (op.kind == RegisterOp::Kind::kGet)
      continue;
    const bool put = op.kind == RegisterOp::Kind::kPut;
    if (op.outcome == RegisterOp::Outcome::kOk)
      changes.known[op.mod_revision] = put ? std::optional(op.value) : std::nullopt;
    else if (op.outcome == RegisterOp::Outcome::kUnknown && put)
      changes.open_values.insert(op.value);
    else if (op.outcome == RegisterOp::Outcome::kUnknown)
      changes.open_delete = true;
  }
  return changes;
}

// Null, or what is wrong.
const char* Judge(const Changes& changes, const ReadAtRevision& read) {
  if (read.revision < read.min_revision)
    return "reflects less than was asked for";
  const auto after = changes.known.upper_bound(read.revision);
  const auto last = after == changes.known.begin() ? changes.known.end() : std::prev(after);
  const bool none = last == changes.known.end();
  if (!read.state.present)
    return none || !last->second || changes.open_delete ? nullptr : "misses a change before it";
  if (read.state.mod_revision > read.revision)
    return "shows a change that is newer than itself";
  if (!none && read.state.mod_revision < last->first)
    return "shows what was overwritten before it";
  const auto known = changes.known.find(read.state.mod_revision);
  if (known != changes.known.end())
    return known->second == read.state.value ? nullptr : "shows another value than was written";
  return changes.open_values.contains(read.state.value) ? nullptr
                                                        : "shows a value that nobody wrote";
}

}  // namespace

std::vector<std::string> JudgeReadsAtRevision(std::span<const RegisterOp> ops,
                                              std::span<const ReadAtRevision> reads) {
  const Changes changes = ChangesAmong(ops);
  std::vector<std::string> wrong;
  for (const ReadAtRevision& read : reads) {
    const char* what = Judge(changes, read);
    if (what == nullptr)
      continue;
    wrong.push_back("a read at revision " + std::to_string(read.revision) + " (asked for " +
                    std::to_string(read.min_revision) + ") " + what + ": " +
                    (read.state.present ? "value " + read.state.value + " mod_revision " +
                                              std::to_string(read.state.mod_revision)
                                        : std::string("no node")));
  }
  return wrong;
}

}  // namespace synod::histories
