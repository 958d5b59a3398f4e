// Process, RunProgram, TempDir, Eventually: processes and files for tests of real programs.
//
// Contract      A process that is forgotten is killed: at the end of its object, and by the kernel
//               if the test itself dies. Waits poll a condition until a deadline.
// Errors        std::runtime_error if a process cannot be started.
#ifndef SYNOD_TESTS_INTEGRATION_PROCESS_H_
#define SYNOD_TESTS_INTEGRATION_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace synod::integration {

using Arguments = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

struct ProcessOptions {
  Environment environment = {};  // besides the test's own
  std::string directory = {};    // empty: the test's own
  std::string input_file = "/dev/null";
  std::string output_file = "/dev/null";  // appended to
  std::string error_file = {};            // empty: as output_file
};

class Process {
 public:
  Process(const Arguments& arguments, const ProcessOptions& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal);
  // The exit code, 128 + signal if one ended it; nothing if it still runs after `timeout`.
  std::optional<int> Wait(std::chrono::milliseconds timeout);
  // SIGKILL, and waits.
  void Kill();

 private:
  void Reap(int flags);

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

struct Finished {
  int exit_code = -1;  // -1: still ran at the deadline, and was killed
  std::string out;
  std::string err;
};

// Runs a program to its end.
Finished RunProgram(const Arguments& arguments,
                    const Environment& environment = {},
                    const std::string& input = {},
                    std::chrono::milliseconds timeout = std::chrono::milliseconds(60'000));

// A directory that goes with its object, unless a test failed: then its name is printed.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

// True as soon as `condition` is; false if it is not within `timeout`.
bool Eventually(std::chrono::milliseconds timeout, const std::function<bool()>& condition);

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_PROCESS_H_
