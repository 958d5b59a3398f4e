// Settings: what the state machine consults, replicated like everything else that apply depends on.
//
// Contract      Part of the replicated state (a kMeta record): equal on all nodes at equal slots. A
//               node's own configuration file only seeds it at bootstrap. Each setting has one name
//               and one range, here, for the API, the file and the environment.
// Not here      Changing them (src/machine), their meaning to users (docs/operations.md).
#ifndef SYNOD_AUTH_SETTINGS_H_
#define SYNOD_AUTH_SETTINGS_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "src/base/codec.h"
#include "src/base/error.h"

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
  uint64_t change_nodes_max = 10'000;
  uint64_t change_bytes_max = uint64_t{16} << 20;
  uint64_t auth_enabled = 0;
  bool operator==(const Settings&) const = default;
};

// One setting as others name it.
struct SettingField {
  std::string_view name;
  uint64_t lowest = 0;
  uint64_t highest = 0;
  std::variant<uint64_t Settings::*, int64_t Settings::*> member;

  bool is_flag() const { return lowest == 0 && highest == 1; }  // true or false to users
  uint64_t Get(const Settings& settings) const;
  void Set(Settings* settings, uint64_t value) const;
};
// All of them. The place in the list is a setting's number in commands and records: new ones come
// last.
std::span<const SettingField> SettingFields();

// Some settings and their values, the numbers ascending.
using SettingValues = std::vector<std::pair<uint32_t, uint64_t>>;
void Write(Writer& writer, const SettingValues& values);
SettingValues ReadValues(Reader& reader);  // fails the reader if they are not so

SettingValues AllOf(const Settings& settings);
// What makes the second out of the first.
SettingValues Difference(const Settings& from, const Settings& to);
// The settings afterwards. kInvalidRequest if one is out of its range or two contradict each other.
Result<Settings> Changed(const Settings& settings, const SettingValues& changes);

// As kept in records: the first kSettingsAlwaysKept fields, and later ones up to the last whose
// value is not its default. So a field that nobody has set leaves the record, and the digest that
// it counts in, as builds without the field write them. Absent ones have their default.
inline constexpr size_t kSettingsAlwaysKept = 10;
void Write(Writer& writer,
           const Settings& settings,
           std::span<const SettingField> fields = SettingFields());
Settings ReadSettings(Reader& reader);

}  // namespace synod::auth

#endif  // SYNOD_AUTH_SETTINGS_H_
