#include "src/base/path.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "src/base/utf8.h"

namespace synod {
namespace {

Status Invalid(std::string detail) {
  return Error{Errc::kInvalidPath, Outcome::kNotApplied, std::move(detail)};
}

}  // namespace

Status ValidateComponent(std::string_view component) {
  if (component.empty())
    return Invalid("a path component is empty");
  if (component.size() > kComponentBytesMax)
    return Invalid("a path component is longer than 255 bytes");
  if (component == "." || component == "..")
    return Invalid("'.' and '..' are not path components");
  while (!component.empty()) {
    uint32_t code = 0;
    const size_t n = DecodeCharacter(component, &code);
    if (n == 0)
      return Invalid("a path component is not valid UTF-8");
    if (IsControl(code))
      return Invalid("a path component has a control character");
    if (code == '/')
      return Invalid("a path component contains '/'");
    component.remove_prefix(n);
  }
  return Done();
}

Status ValidatePath(std::string_view path) {
  if (path.empty() || path[0] != '/')
    return Invalid("a path begins with '/'");
  if (path.size() > kPathBytesMax)
    return Invalid("the path is longer than 1024 bytes");
  if (path == "/")
    return Done();
  std::string_view rest = path.substr(1);
  while (true) {
    const size_t slash = rest.find('/');
    if (Status s = ValidateComponent(rest.substr(0, slash)); !s)
      return s;
    if (slash == std::string_view::npos)
      return Done();
    rest.remove_prefix(slash + 1);
  }
}

std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? std::string_view("/")
                                                       : path.substr(0, slash);
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string JoinPath(std::string_view parent, std::string_view name) {
  std::string path(parent == "/" ? std::string_view() : parent);
  path += '/';
  path += name;
  return path;
}

bool IsWithin(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/")
    return true;
  return path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

std::string PathOrderKey(std::string_view path) {
  // The root's key is empty, so that it is a prefix of all others.
  std::string key(path == "/" ? std::string_view() : path);
  std::replace(key.begin(), key.end(), '/', '\0');
  return key;
}

std::string PathFromOrderKey(std::string_view key) {
  if (key.empty())
    return "/";
  std::string path(key);
  std::replace(path.begin(), path.end(), '\0', '/');
  return path;
}

int ComparePaths(std::string_view a, std::string_view b) {
  if (a == "/")
    return b == "/" ? 0 : -1;
  if (b == "/")
    return 1;
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  // Neighbours in the tree share most of their path: step over that in words.
  while (i + 8 <= n && std::memcmp(a.data() + i, b.data() + i, 8) == 0) i += 8;
  for (; i < n; ++i) {
    if (a[i] == b[i])
      continue;
    const int x = a[i] == '/' ? -1 : static_cast<uint8_t>(a[i]);
    const int y = b[i] == '/' ? -1 : static_cast<uint8_t>(b[i]);
    return x - y;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

}  // namespace synod
