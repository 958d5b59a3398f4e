// Screen: the terminal, taken over for as long as the object lives.
//
// Contract      On a terminal it draws on the alternate screen, without a cursor and without echo,
//               and leaves all of that as it was, also when SIGINT, SIGTERM, SIGHUP or SIGQUIT
//               come, which end Wait(). Where stdout is no terminal frames follow each other as
//               plain text. Only one Screen at a time.
// Thread        One; signals may reach any.   Errors: none, what cannot be drawn is not.
#ifndef SYNOD_CLI_SCREEN_H_
#define SYNOD_CLI_SCREEN_H_

#include <termios.h>

#include <chrono>
#include <vector>

#include "cli/top.h"

namespace synod::cli {

class Screen {
 public:
  // With `draws` false nothing is drawn, and only keys and signals are taken.
  explicit Screen(bool draws);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  size_t columns() const;  // as it is now; 0: unbounded
  size_t lines() const;
  void Draw(const std::vector<TopLine>& frame);

  enum class Event { kTime, kRedraw, kQuit };
  // Until that time is over, the size has changed, q was pressed or a signal came.
  Event Wait(std::chrono::milliseconds time);

 private:
  Event TakeKeys();

  termios before_{};
  const bool draws_;  // stdout is a terminal
  const bool reads_;  // stdin is one, whose settings are in before_
  const bool colours_;
};

}  // namespace synod::cli

#endif  // SYNOD_CLI_SCREEN_H_
