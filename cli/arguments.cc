#include "cli/arguments.h"

#include "cli/session.h"
#include "src/base/path.h"

namespace synod::cli {
namespace {

// What the parser says of a bad argument; empty: it is good.
std::string WhyNoPath(const std::string& text) {
  const Status valid = ValidatePath(text);
  return valid ? "" : "'" + Printable(text) + "' is no path: " + valid.error().detail;
}

}  // namespace

CLI::Option* AddPath(CLI::App* command, std::string* path, const std::string& help) {
  return command->add_option("path", *path, help)->check(WhyNoPath);
}

}  // namespace synod::cli
