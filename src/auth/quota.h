// Quota: what a subtree may grow to, replicated beside the settings.
//
// Contract      A soft limit warns and forbids nothing; a change that would pass a hard one is
//               refused. 0 is no limit, and a quota without any is none. Nodes are the root of the
//               subtree and all below it, bytes those of their paths and values. Each limit has one
//               name, here, for the API and the file.
// Not here      Counting (src/store/subtree_counts.h), judging (src/machine/quotas.cc).
#ifndef SYNOD_AUTH_QUOTA_H_
#define SYNOD_AUTH_QUOTA_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/codec.h"
#include "src/base/error.h"

namespace synod::auth {

struct Quota {
  uint64_t nodes_soft = 0;
  uint64_t nodes_hard = 0;
  uint64_t bytes_soft = 0;
  uint64_t bytes_hard = 0;

  bool none() const { return *this == Quota(); }
  bool operator==(const Quota&) const = default;
};

struct QuotaLimit {
  std::string_view name;
  uint64_t Quota::*member;
};
// The place in the list is a limit's number in commands and records.
inline constexpr std::array<QuotaLimit, 4> kQuotaLimits{{{"nodes_soft", &Quota::nodes_soft},
                                                         {"nodes_hard", &Quota::nodes_hard},
                                                         {"bytes_soft", &Quota::bytes_soft},
                                                         {"bytes_hard", &Quota::bytes_hard}}};
inline constexpr uint64_t kQuotaLimitMax = (uint64_t{1} << 53) - 1;
// Each new one is counted while an entry is applied, and every change looks for those that it lies
// in.
inline constexpr size_t kQuotasMax = 1000;
inline constexpr size_t kQuotaChangesMax = 64;

// What is to become of the quota of one path. A limit that is not named stays as it is.
struct QuotaChange {
  std::string path;                                                 // not within /.synod
  std::array<std::optional<uint64_t>, kQuotaLimits.size()> limits;  // none named: it is removed

  bool removes() const;
  bool operator==(const QuotaChange&) const = default;
};

// kInvalidPath, kInvalidRequest: why there can be no quota at `path`.
Status ValidateQuotaPath(std::string_view path);
Quota Changed(const Quota& quota, const QuotaChange& change);
// kInvalidRequest if a soft limit is above its hard one; `path` is for the detail.
Status Validate(std::string_view path, const Quota& quota);

void Write(Writer& writer, const Quota& quota);
void Read(Reader& reader, Quota* quota);
// Ascending by path, at least one; reading fails the reader if they are not so.
void Write(Writer& writer, const std::vector<QuotaChange>& changes);
void Read(Reader& reader, std::vector<QuotaChange>* changes);

}  // namespace synod::auth

#endif  // SYNOD_AUTH_QUOTA_H_
