#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cli/session.h"
#include "src/base/path.h"

namespace synod::cli {
namespace {

// What the parser says of a bad argument; empty: it is good.
std::string WhyNoPath(const std::string& text) {
  const Status valid = ValidatePath(text);
  return valid ? "" : "'" + Printable(text) + "' is no path: " + valid.error().detail;
}

std::string WhyNoFence(const std::string& text) {
  return ReadFence(text) ? ""
                         : "'" + Printable(text) +
                               "' is not LOCKPATH=TOKEN, the path as it is but for % as %25, or "
                               "percent-encoded";
}

// All of `text` as a number; plain digits only.
template <typename Number>
bool ReadAll(std::string_view text, int base, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::string WhyNoNumber(const std::string& text) {
  uint64_t number = 0;
  return ReadAll(text, 10, &number) && number > 0
             ? ""
             : "'" + Printable(text) + "' is no number from 1 on";
}

std::optional<std::string> DecodePercent(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t byte = 0;
    if (text[i] != '%') {
      out += text[i];
    } else if (i + 2 < text.size() && ReadAll(text.substr(i + 1, 2), 16, &byte)) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

CLI::Option* AddPath(CLI::App* command, std::string* path, const std::string& help) {
  return command->add_option("path", *path, help)->check(WhyNoPath);
}

CLI::Option* AddNumber(CLI::App* command,
                       const std::string& name,
                       uint64_t* number,
                       const std::string& help) {
  // The parser's own numbers may have a sign, and are octal after a 0.
  return command
      ->add_option_function<std::string>(
          name, [number](const std::string& text) { ReadAll(text, 10, number); }, help)
      ->check(WhyNoNumber);
}

CLI::Option* AddFences(CLI::App* command, std::vector<std::string>* fences) {
  return command
      ->add_option("--fence", *fences,
                   "LOCKPATH=TOKEN: apply only while that hold is current; $SYNOD_FENCE of 'lock "
                   "run' is one. A '%' in the path is %25")
      ->allow_extra_args(false)  // the words behind it are others' values
      ->check(WhyNoFence);
}

std::optional<client::Fence> ReadFence(std::string_view text) {
  const size_t equals = text.rfind('=');
  client::Fence fence;
  if (equals == std::string_view::npos || !ReadAll(text.substr(equals + 1), 10, &fence.token))
    return std::nullopt;
  const std::string_view encoded = text.substr(0, equals);
  std::optional<std::string> path = DecodePercent(encoded);
  // An escaped slash would make two components of one.
  const auto slashes = [](std::string_view s) { return std::count(s.begin(), s.end(), '/'); };
  if (!path || !ValidatePath(*path) || slashes(*path) != slashes(encoded))
    return std::nullopt;
  fence.path = *std::move(path);
  return fence;
}

}  // namespace synod::cli
