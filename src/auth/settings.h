// Settings: what the state machine consults, replicated like everything else that apply depends on.
//
// Contract      Part of the replicated state (a kMeta record): equal on all nodes at equal slots. A
//               node's own configuration file only seeds it at bootstrap.
#ifndef SYNOD_AUTH_SETTINGS_H_
#define SYNOD_AUTH_SETTINGS_H_

#include <cstdint>

#include "src/base/codec.h"

namespace synod::auth {

struct Settings {
  uint64_t value_bytes_max = uint64_t{1} << 20;
  int64_t lease_ttl_ms_min = 500;
  int64_t lease_ttl_ms_max = 86'400'000;
  int64_t history_keep_ms = 600'000;
  uint64_t history_keep_bytes = uint64_t{512} << 20;
  int64_t idempotency_retention_ms = 600'000;
  uint64_t idempotency_bytes_max = uint64_t{128} << 20;
  uint64_t quota_bytes = uint64_t{2} << 30;
  bool operator==(const Settings&) const = default;
};

// As kept in records; fields added later are appended, and absent ones keep their default.
void Write(Writer& writer, const Settings& settings);
Settings ReadSettings(Reader& reader);

}  // namespace synod::auth

#endif  // SYNOD_AUTH_SETTINGS_H_
