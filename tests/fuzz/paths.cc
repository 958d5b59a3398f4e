// Paths as they stand in a URL, and the rules of order and prefixes for those that are valid. A
// line end separates two of them.
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/auth/directory.h"
#include "src/base/check.h"
#include "src/base/path.h"

namespace synod {
namespace {

int Sign(std::strong_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }
int Sign(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

void CheckOne(const std::string& path) {
  SYNOD_CHECK(ValidatePath(path).has_value());
  SYNOD_CHECK_EQ(PathFromOrderKey(PathOrderKey(path)), path);
  const std::string parent(ParentOf(path));
  SYNOD_CHECK(ValidatePath(parent).has_value());
  SYNOD_CHECK(IsWithin(path, path));
  SYNOD_CHECK(IsWithin(path, parent));
  SYNOD_CHECK(IsWithin(path, "/"));
  if (path != "/") {
    SYNOD_CHECK(ValidateComponent(NameOf(path)).has_value());
    SYNOD_CHECK_EQ(JoinPath(parent, NameOf(path)), path);
    SYNOD_CHECK(!IsWithin(parent, path));
    SYNOD_CHECK(ComparePaths(parent, path) < 0);
  }
  // In a URL, with and without the slash before it.
  const std::string encoded = api::EncodePath(path);
  const Result<std::string> again = api::DecodePath(encoded);
  SYNOD_CHECK(again.has_value());
  SYNOD_CHECK_EQ(*again, path);
  const Result<std::string> bare = api::DecodePath(std::string_view(encoded).substr(1));
  SYNOD_CHECK(bare.has_value());
  SYNOD_CHECK_EQ(*bare, path);
  if (api::ValidateLockPath(path)) {
    SYNOD_CHECK(path != "/");
    SYNOD_CHECK(auth::NeedOf(auth::Verb::kRead, std::string(kLocksRoot) + path).path == path);
  }
}

// As the rules say it, component by component.
bool Covers(std::string_view prefix, std::string_view path) {
  if (prefix == path || prefix == "/")
    return true;
  return path != "/" && Covers(prefix, ParentOf(path));
}

void CheckTwo(const std::string& a, const std::string& b) {
  const int order = Sign(ComparePaths(a, b));
  SYNOD_CHECK_EQ(order, -Sign(ComparePaths(b, a)));
  SYNOD_CHECK_EQ(order, Sign(PathOrderKey(a) <=> PathOrderKey(b)));
  SYNOD_CHECK_EQ(order == 0, a == b);
  SYNOD_CHECK_EQ(IsWithin(b, a), Covers(a, b));
  if (IsWithin(b, a))
    SYNOD_CHECK(order <= 0);
  const auto read = static_cast<uint8_t>(auth::Verb::kRead);
  const auth::Permission permission{a, read};
  SYNOD_CHECK_EQ(permission.Covers(auth::Verb::kRead, b), Covers(a, b));
  SYNOD_CHECK(!permission.Covers(auth::Verb::kWrite, b));
  // The service's own is no part of what somebody may read.
  const auth::Need need = auth::NeedOf(auth::Verb::kRead, b);
  SYNOD_CHECK(ValidatePath(need.path).has_value());
  if (IsReserved(b))
    SYNOD_CHECK(!permission.Covers(need.verb, need.path));
}

void Check(std::string_view text) {
  const size_t end = text.find('\n');
  const Result<std::string> a = api::DecodePath(text.substr(0, end));
  if (!a)
    return;
  CheckOne(*a);
  if (end == std::string_view::npos)
    return;
  const Result<std::string> b = api::DecodePath(text.substr(end + 1));
  if (!b)
    return;
  CheckOne(*b);
  CheckTwo(*a, *b);
}

}  // namespace
}  // namespace synod

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  synod::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
