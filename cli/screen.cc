#include "cli/screen.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include "src/base/check.h"

namespace synod::cli {
namespace {

constexpr std::array<int, 4> kEnds = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kClearLine = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";

volatile sig_atomic_t g_signal = 0;
std::array<int, 2> g_pipe = {-1, -1};

// Through a pipe, so that a signal that comes just before Wait() is not lost.
void OnSignal(int signal) {
  const int kept = errno;
  if (signal != SIGWINCH)
    g_signal = signal;
  [[maybe_unused]] const ssize_t written = write(g_pipe[1], "", 1);
  errno = kept;
}

void Put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno != EINTR)
      return;
    text.remove_prefix(n < 0 ? 0 : static_cast<size_t>(n));
  }
}

std::string_view ColourOf(TopLine::Style style) {
  switch (style) {
    case TopLine::Style::kTitle:
      return "\x1b[1m";
    case TopLine::Style::kHeader:
      return "\x1b[7m";
    case TopLine::Style::kWarning:
      return "\x1b[1;31m";
    case TopLine::Style::kPlain:
      break;
  }
  return "";
}

winsize SizeNow() {
  winsize size{};
  ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
  return size;
}

}  // namespace

Screen::Screen(bool draws)
    : draws_(draws && isatty(STDOUT_FILENO) != 0),
      reads_(isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before_) == 0),
      colours_(std::getenv("NO_COLOR") == nullptr) {
  SYNOD_CHECK_EQ(pipe2(g_pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int signal : kEnds) sigaction(signal, &action, nullptr);
  sigaction(SIGWINCH, &action, nullptr);
  if (reads_) {
    termios raw = before_;
    raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // stopped, it would leave the terminal as it is now
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  if (draws_)
    Put(kEnter);
}

Screen::~Screen() {
  if (draws_)
    Put(kLeave);
  if (reads_)
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

size_t Screen::columns() const { return draws_ ? SizeNow().ws_col : 0; }
size_t Screen::lines() const { return draws_ ? SizeNow().ws_row : 0; }

// In one piece and over the old one, so that it does not flicker.
void Screen::Draw(const std::vector<TopLine>& frame) {
  std::string text;
  if (!draws_) {
    for (const TopLine& line : frame) text += line.text + "\n";
    Put(text + "\n");
    return;
  }
  text = kHome;
  for (size_t i = 0; i < frame.size(); ++i) {
    const std::string_view colour = colours_ ? ColourOf(frame[i].style) : "";
    text += i == 0 ? "" : "\r\n";
    text += colour;
    text += frame[i].text;
    text += colour.empty() ? "" : "\x1b[0m";
    text += kClearLine;
  }
  text += kClearBelow;
  Put(text);
}

Screen::Event Screen::TakeKeys() {
  std::array<char, 64> keys{};
  const ssize_t n = read(STDIN_FILENO, keys.data(), keys.size());
  if (n <= 0)
    return Event::kQuit;  // the terminal is gone
  const std::string_view pressed(keys.data(), static_cast<size_t>(n));
  // An arrow or a function key is an escape and letters that nobody pressed.
  const bool quits = pressed.front() != '\x1b' && pressed.find_first_of("qQ") != pressed.npos;
  return quits ? Event::kQuit : Event::kRedraw;
}

Screen::Event Screen::Wait(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (g_signal == 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return Event::kTime;
    std::array<pollfd, 2> ready = {pollfd{g_pipe[0], POLLIN, 0},
                                   pollfd{reads_ ? STDIN_FILENO : -1, POLLIN, 0}};
    if (poll(ready.data(), ready.size(), static_cast<int>(left.count())) <= 0)
      continue;
    if (ready[1].revents != 0)
      return TakeKeys();
    std::array<char, 64> woken{};
    [[maybe_unused]] const ssize_t n = read(g_pipe[0], woken.data(), woken.size());
    if (g_signal == 0)
      return Event::kRedraw;
  }
  return Event::kQuit;
}

}  // namespace synod::cli
