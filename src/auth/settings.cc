#include "src/auth/settings.h"

#include <string>

namespace synod::auth {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kDayMs = 86'400'000;
constexpr uint64_t kKeepMsMax = 30 * kDayMs;

// The limits of single requests are at their highest by default: messages, pages and buffers are
// made for those.
constexpr SettingField kFields[] = {
    {"value.bytes_max", 1, 1024 * kKiB, &Settings::value_bytes_max},
    {"lease.ttl_ms_min", 500, kDayMs, &Settings::lease_ttl_ms_min},
    {"lease.ttl_ms_max", 500, kDayMs, &Settings::lease_ttl_ms_max},
    {"history.keep_ms", 1000, kKeepMsMax, &Settings::history_keep_ms},
    {"history.keep_bytes", 64 * kKiB, 64 * kGiB, &Settings::history_keep_bytes},
    {"idempotency.retention_ms", 1000, kKeepMsMax, &Settings::idempotency_retention_ms},
    {"idempotency.bytes_max", 64 * kKiB, 8 * kGiB, &Settings::idempotency_bytes_max},
    {"quota.bytes", 64 * kKiB, 64 * kGiB, &Settings::quota_bytes},
    {"change.nodes_max", 1, 10'000, &Settings::change_nodes_max},
    {"change.bytes_max", kKiB, 16 * 1024 * kKiB, &Settings::change_bytes_max},
    {"auth.enabled", 0, 1, &Settings::auth_enabled},
};

// Why they cannot be in force together.
std::string Contradiction(const Settings& s) {
  if (s.lease_ttl_ms_min > s.lease_ttl_ms_max)
    return "lease.ttl_ms_min must not be above lease.ttl_ms_max";
  if (s.value_bytes_max > s.change_bytes_max)
    return "value.bytes_max must not be above change.bytes_max";
  return {};
}

}  // namespace

uint64_t SettingField::Get(const Settings& settings) const {
  return std::visit([&](auto m) { return static_cast<uint64_t>(settings.*m); }, member);
}

void SettingField::Set(Settings* settings, uint64_t value) const {
  std::visit(
      [&](auto m) {
        auto& target = settings->*m;
        target = static_cast<std::decay_t<decltype(target)>>(value);
      },
      member);
}

std::span<const SettingField> SettingFields() { return kFields; }

void Write(Writer& writer, const SettingValues& values) {
  writer.Varint(values.size());
  for (const auto& [number, value] : values) {
    writer.Varint(number);
    writer.Varint(value);
  }
}

SettingValues ReadValues(Reader& reader) {
  SettingValues values;
  const uint64_t n = reader.Count(2);
  for (uint64_t i = 0; i < n && reader.ok(); ++i) {
    const uint64_t number = reader.Varint();
    const uint64_t value = reader.Varint();
    if (number >= std::size(kFields) || (!values.empty() && number <= values.back().first)) {
      reader.Fail();
      return {};
    }
    values.emplace_back(static_cast<uint32_t>(number), value);
  }
  return values;
}

SettingValues AllOf(const Settings& settings) {
  SettingValues values;
  for (uint32_t i = 0; i < std::size(kFields); ++i)
    values.emplace_back(i, kFields[i].Get(settings));
  return values;
}

SettingValues Difference(const Settings& from, const Settings& to) {
  SettingValues changes;
  for (uint32_t i = 0; i < std::size(kFields); ++i)
    if (kFields[i].Get(from) != kFields[i].Get(to))
      changes.emplace_back(i, kFields[i].Get(to));
  return changes;
}

Result<Settings> Changed(const Settings& settings, const SettingValues& changes) {
  Settings changed = settings;
  for (const auto& [number, value] : changes) {
    const SettingField& field = kFields[number];
    if (value < field.lowest || value > field.highest)
      return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                   std::string(field.name) + " is out of its range"};
    field.Set(&changed, value);
  }
  if (std::string why = Contradiction(changed); !why.empty())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, std::move(why)};
  return changed;
}

void Write(Writer& writer, const Settings& settings, std::span<const SettingField> fields) {
  const Settings defaults;
  while (fields.size() > kSettingsAlwaysKept &&
         fields.back().Get(settings) == fields.back().Get(defaults))
    fields = fields.first(fields.size() - 1);
  writer.Nested([&](Writer& w) {
    for (const SettingField& field : fields) w.Varint(field.Get(settings));
  });
}

Settings ReadSettings(Reader& reader) {
  Reader r(reader.String());
  Settings settings;
  for (const SettingField& field : kFields) {
    if (r.AtEnd())
      break;
    field.Set(&settings, r.Varint());
  }
  if (!r.ok())
    reader.Fail();
  return settings;
}

}  // namespace synod::auth
