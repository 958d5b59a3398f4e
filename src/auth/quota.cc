#include "src/auth/quota.h"

#include <algorithm>
#include <utility>

#include "src/base/path.h"

namespace synod::auth {
namespace {

Error Invalid(std::string detail) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

void Write(Writer& writer, const QuotaChange& change) {
  writer.String(change.path);
  uint8_t named = 0;
  for (size_t i = 0; i < change.limits.size(); ++i)
    named = static_cast<uint8_t>(named | (change.limits[i].has_value() ? 1U << i : 0U));
  writer.U8(named);
  for (const std::optional<uint64_t>& limit : change.limits)
    if (limit.has_value())
      writer.Varint(*limit);
}

uint64_t ReadLimit(Reader& reader) {
  const uint64_t limit = reader.Varint();
  if (limit > kQuotaLimitMax)
    reader.Fail();
  return limit;
}

void Read(Reader& reader, QuotaChange* change) {
  change->path = reader.String();
  if (!reader.ok() || ValidateQuotaPath(change->path).has_error())
    reader.Fail();
  const uint8_t named = reader.U8();
  if (named >> change->limits.size() != 0)
    reader.Fail();
  for (size_t i = 0; i < change->limits.size(); ++i)
    if ((named & (1U << i)) != 0)
      change->limits[i] = ReadLimit(reader);
}

}  // namespace

bool QuotaChange::removes() const {
  return std::ranges::none_of(limits, [](const auto& limit) { return limit.has_value(); });
}

Status ValidateQuotaPath(std::string_view path) {
  if (Status s = ValidatePath(path); !s)
    return s;
  if (IsReserved(path))
    return Invalid("what is in /.synod counts for no quota");
  return Done();
}

Quota Changed(const Quota& quota, const QuotaChange& change) {
  if (change.removes())
    return {};
  Quota changed = quota;
  for (size_t i = 0; i < change.limits.size(); ++i)
    if (change.limits[i].has_value())
      changed.*kQuotaLimits[i].member = *change.limits[i];
  return changed;
}

Status Validate(std::string_view path, const Quota& quota) {
  const auto fits = [](uint64_t soft, uint64_t hard) { return hard == 0 || soft <= hard; };
  if (!fits(quota.nodes_soft, quota.nodes_hard))
    return Invalid("quota of " + std::string(path) + ": nodes_soft must not be above nodes_hard");
  if (!fits(quota.bytes_soft, quota.bytes_hard))
    return Invalid("quota of " + std::string(path) + ": bytes_soft must not be above bytes_hard");
  return Done();
}

void Write(Writer& writer, const Quota& quota) {
  for (const QuotaLimit& limit : kQuotaLimits) writer.Varint(quota.*limit.member);
}

void Read(Reader& reader, Quota* quota) {
  for (const QuotaLimit& limit : kQuotaLimits) quota->*limit.member = ReadLimit(reader);
}

void Write(Writer& writer, const std::vector<QuotaChange>& changes) {
  writer.Varint(changes.size());
  for (const QuotaChange& change : changes) Write(writer, change);
}

void Read(Reader& reader, std::vector<QuotaChange>* changes) {
  const uint64_t n = reader.Count(2);
  if (n == 0 || n > kQuotaChangesMax)
    reader.Fail();
  for (uint64_t i = 0; i < n && reader.ok(); ++i) {
    QuotaChange change;
    Read(reader, &change);
    if (!changes->empty() && ComparePaths(changes->back().path, change.path) >= 0)
      reader.Fail();
    changes->push_back(std::move(change));
  }
}

}  // namespace synod::auth
