// Paths of the namespace: what is a valid one, and the order they come in.
//
// Contract      `/`, or components joined by `/`. A component is 1 to 255 bytes of UTF-8 without
//               `/` and without control characters (U+0000-1F, U+007F-9F), neither `.` nor `..`. A
//               path is at most 1024 bytes. No normalisation: bytes compare.
// Order         Component by component, parents before children, siblings by bytes. PathOrderKey
//               maps a path to a string whose plain byte order is that order.
#ifndef SYNOD_BASE_PATH_H_
#define SYNOD_BASE_PATH_H_

#include <string>
#include <string_view>

#include "src/base/error.h"

namespace synod {

inline constexpr size_t kPathBytesMax = 1024;
inline constexpr size_t kComponentBytesMax = 255;
inline constexpr std::string_view kReservedRoot = "/.synod";
inline constexpr std::string_view kLocksRoot = "/.synod/locks";

// Errc::kInvalidPath with a detail that names what is wrong, or success.
Status ValidatePath(std::string_view path);
// The same rule for one component.
Status ValidateComponent(std::string_view component);

// The parent of a valid path; "/" for "/x" and for "/".
std::string_view ParentOf(std::string_view path);
// The last component; empty for "/".
std::string_view NameOf(std::string_view path);
std::string JoinPath(std::string_view parent, std::string_view name);

// True if `path` is `ancestor` or lies below it.
bool IsWithin(std::string_view path, std::string_view ancestor);
// True if the path is in the service's own subtree.
inline bool IsReserved(std::string_view path) { return IsWithin(path, kReservedRoot); }

// Both directions of the order-preserving mapping: '/' <-> NUL, which no component contains.
std::string PathOrderKey(std::string_view path);
std::string PathFromOrderKey(std::string_view key);
// <0, 0, >0 in path order.
int ComparePaths(std::string_view a, std::string_view b);
struct PathLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return ComparePaths(a, b) < 0; }
};

}  // namespace synod

#endif  // SYNOD_BASE_PATH_H_
