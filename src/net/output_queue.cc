#include "src/net/output_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

// Below this a copy is cheaper than an entry of its own in the vector given to the kernel.
constexpr size_t kCopyBelow = 2048;
// A buffer that grew beyond this is not kept for the next answer: most connections are idle.
constexpr size_t kKeepCapacity = 4096;
// A buffer that is appended to while it is being written is freed only as a whole: begin a new one.
constexpr size_t kBufferMax = size_t{64} << 10;
constexpr size_t kPiecesPerCall = 64;

}  // namespace

std::string* OutputQueue::Tail() {
  if (segments_.empty() || segments_.back().shared || segments_.back().text.size() >= kBufferMax)
    segments_.emplace_back();
  return &segments_.back().text;
}

void OutputQueue::Append(std::string_view text) {
  if (text.empty())
    return;
  Tail()->append(text);
  bytes_ += text.size();
}

void OutputQueue::Append(std::string&& text) {
  if (text.size() < kCopyBelow) {
    Append(std::string_view(text));
    return;
  }
  bytes_ += text.size();
  segments_.push_back({std::move(text), nullptr, {}});
  // What comes next begins a buffer of its own: appending to this one would move it.
  segments_.emplace_back();
}

void OutputQueue::Append(SharedBytes bytes, std::string_view part) {
  if (part.size() < kCopyBelow) {
    Append(part);
    return;
  }
  bytes_ += part.size();
  segments_.push_back({{}, std::move(bytes), part});
}

void OutputQueue::Splice(OutputQueue&& other) {
  SYNOD_CHECK(other.first_ == 0 && other.offset_ == 0);
  if (empty()) {
    std::swap(*this, other);
    other.Clear();
    return;
  }
  for (Segment& segment : other.segments_) {
    if (segment.shared) {
      Append(std::move(segment.shared), segment.part);
    } else {
      Append(std::move(segment.text));
    }
  }
  other.Clear();
}

void OutputQueue::Clear() {
  if (!segments_.empty()) {
    segments_.resize(1);
    Segment& kept = segments_.front();
    kept.shared.reset();
    if (kept.text.capacity() > kKeepCapacity) {
      segments_.clear();
    } else {
      kept.text.clear();
    }
  }
  first_ = 0;
  offset_ = 0;
  bytes_ = 0;
}

std::string_view OutputQueue::Front() const {
  for (size_t i = first_, skip = offset_; i < segments_.size(); ++i, skip = 0)
    if (const std::string_view view = segments_[i].view().substr(skip); !view.empty())
      return view;
  return {};
}

void OutputQueue::Consume(size_t n) {
  SYNOD_CHECK_LE(n, bytes_);
  bytes_ -= n;
  if (bytes_ == 0) {
    Clear();
    return;
  }
  while (n > 0) {
    Segment& segment = segments_[first_];
    const size_t left = segment.view().size() - offset_;
    if (n < left) {
      offset_ += n;
      return;
    }
    n -= left;
    offset_ = 0;
    segment = Segment{};
    ++first_;
  }
  // A stream may never be empty: written entries must not pile up in front.
  if (first_ > kPiecesPerCall) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

OutputQueue::Written OutputQueue::WriteTo(int fd, uint64_t* sent) {
  while (bytes_ > 0) {
    std::array<iovec, kPiecesPerCall> pieces;
    size_t count = 0;
    size_t skip = offset_;
    for (size_t i = first_; i < segments_.size() && count < pieces.size(); ++i) {
      const std::string_view view = segments_[i].view().substr(skip);
      skip = 0;
      if (!view.empty())
        pieces[count++] = {const_cast<char*>(view.data()), view.size()};
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t n = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR)
        continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Written::kBlocked : Written::kFailed;
    }
    *sent += static_cast<uint64_t>(n);
    Consume(static_cast<size_t>(n));
  }
  return Written::kAll;
}

}  // namespace synod::net
