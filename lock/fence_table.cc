#include "lock/fence_table.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/base/codec.h"

namespace synod::lock {
namespace {

Bytes KeyOf(std::string_view path) { return session::RecordKey(RecordTag::kFence, path); }

Bytes ValueOf(FenceToken highest) {
  Bytes out;
  Writer(&out).Number(highest);
  return out;
}

}  // namespace

std::optional<FenceToken> FenceTable::Find(std::string_view path) const {
  const auto it = registers_.find(path);
  if (it == registers_.end())
    return std::nullopt;
  return std::max(it->second.highest, floor_);
}

FenceToken FenceTable::Required(std::string_view path) const { return Find(path).value_or(floor_); }

void FenceTable::Raise(std::string_view path, FenceToken token) {
  SYNOD_CHECK(token >= Required(path));
  auto it = registers_.find(path);
  if (it == registers_.end()) {
    it = registers_.emplace(path, Register()).first;
    record_bytes_ += SizeOf(path);
  }
  it->second.highest = token;
  tally_.Set(KeyOf(path), ValueOf(token), &it->second.hash);
}

void FenceTable::Forget(std::string_view path) {
  const auto it = registers_.find(path);
  SYNOD_CHECK(it != registers_.end());
  tally_.Remove(KeyOf(path), it->second.hash);
  record_bytes_ -= SizeOf(path);
  registers_.erase(it);
}

void FenceTable::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  for (const auto& [path, reg] : registers_) each(KeyOf(path), ValueOf(reg.highest));
}

Status FenceTable::LoadRecord(std::string_view key, std::string_view value) {
  const auto damaged = [](const char* what) {
    return Error{Errc::kInternal, Outcome::kNotApplied, what};
  };
  const std::string_view path = key.substr(1);
  if (ValidatePath(path).has_error())
    return damaged("fence record: bad key");
  Reader r(value);
  Register reg;
  reg.highest = r.Number<FenceToken>();
  if (!r.Complete())
    return damaged("fence record: bad value");
  const auto [it, added] = registers_.emplace(path, reg);
  if (!added)
    return damaged("fence record: twice");
  record_bytes_ += SizeOf(path);
  tally_.Loaded(key, value, &it->second.hash);
  return Done();
}

void FenceTable::CheckInvariants() const {
  Digest sum;
  uint64_t bytes = 0;
  for (const auto& [path, reg] : registers_) {
    SYNOD_CHECK(reg.hash == HashOfRecord(KeyOf(path), ValueOf(reg.highest)));
    sum.Add(reg.hash);
    bytes += SizeOf(path);
  }
  SYNOD_CHECK(sum == tally_.digest());
  SYNOD_CHECK_EQ(bytes, record_bytes_);
}

}  // namespace synod::lock
