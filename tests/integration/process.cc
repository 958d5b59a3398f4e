#include "tests/integration/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

// In the child: from here on only what is safe after fork, until exec.
[[noreturn]] void Become(char* const* argv,
                         char* const* envp,
                         const ProcessOptions& options,
                         const char* error_file) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int in = open(options.input_file.c_str(), O_RDONLY);
  const int out = open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int err = open(error_file, O_WRONLY | O_CREAT | O_APPEND, 0644);
  const bool in_place = options.directory.empty() || chdir(options.directory.c_str()) == 0;
  if (in >= 0 && out >= 0 && err >= 0 && in_place) {
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    for (int fd = 3; fd < 256; ++fd) close(fd);
    execvpe(argv[0], argv, envp);
  }
  _exit(127);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(const Arguments& arguments, const ProcessOptions& options) {
  std::vector<std::string> argument_strings = arguments;
  std::vector<std::string> environment_strings;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    if (!options.environment.contains(entry.substr(0, entry.find('='))))
      environment_strings.push_back(entry);
  }
  for (const auto& [name, value] : options.environment)
    environment_strings.push_back(name + "=" + value);
  const std::vector<char*> argv = Pointers(argument_strings);
  const std::vector<char*> envp = Pointers(environment_strings);
  const std::string error_file =
      options.error_file.empty() ? options.output_file : options.error_file;
  pid_ = fork();
  if (pid_ < 0)
    throw std::runtime_error("fork failed");
  if (pid_ == 0)
    Become(argv.data(), envp.data(), options, error_file.c_str());
}

Process::~Process() { Kill(); }

void Process::Reap(int flags) {
  int status = 0;
  if (exit_code_ || waitpid(pid_, &status, flags) != pid_)
    return;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Process::Running() {
  Reap(WNOHANG);
  return !exit_code_;
}

void Process::Signal(int signal) {
  if (Running())
    kill(pid_, signal);
}

std::optional<int> Process::Wait(std::chrono::milliseconds timeout) {
  Eventually(timeout, [&] { return !Running(); });
  return exit_code_;
}

void Process::Kill() {
  Signal(SIGKILL);
  Reap(0);
}

Finished RunProgram(const Arguments& arguments,
                    const Environment& environment,
                    const std::string& input,
                    std::chrono::milliseconds timeout) {
  const TempDir dir;
  WriteFile(dir.path() + "/in", input);
  Process process(arguments, {.environment = environment,
                              .directory = {},
                              .input_file = dir.path() + "/in",
                              .output_file = dir.path() + "/out",
                              .error_file = dir.path() + "/err"});
  Finished finished;
  finished.exit_code = process.Wait(timeout).value_or(-1);
  process.Kill();
  finished.out = ReadFile(dir.path() + "/out");
  finished.err = ReadFile(dir.path() + "/err");
  return finished;
}

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr ? base : "/tmp") + "/synod-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("mkdtemp failed: " + name);
  path_ = name;
}

TempDir::~TempDir() {
  if (testing::UnitTest::GetInstance()->Failed()) {
    std::printf("kept for a look: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

bool Eventually(std::chrono::milliseconds timeout, const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + timeout;
  while (!condition()) {
    if (Clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace synod::integration
