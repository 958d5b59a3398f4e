// OutputQueue: bytes on their way to a socket.
//
// Contract      Keeps order. Small pieces are gathered into one buffer; large ones are kept as they
//               are, and shared ones are never copied. WriteTo gives the kernel as much as it
//               takes, many pieces a system call.
// Thread        The loop's.   Errors: of the socket, as WriteTo's result.
#ifndef SYNOD_NET_OUTPUT_QUEUE_H_
#define SYNOD_NET_OUTPUT_QUEUE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/types.h"

namespace synod::net {

class OutputQueue {
 public:
  enum class Written { kAll, kBlocked, kFailed };

  void Append(std::string_view text);
  void Append(std::string&& text);
  void Append(SharedBytes bytes) {
    const std::string_view all = *bytes;
    Append(std::move(bytes), all);
  }
  // `part` lies within `bytes`, which it keeps alive.
  void Append(SharedBytes bytes, std::string_view part);
  // Takes over everything in `other`.
  void Splice(OutputQueue&& other);

  // The buffer that the next bytes go into, for those who format in place: only append to it, and
  // call Appended with its size as it was before.
  std::string* Tail();
  void Appended(size_t size_before) { bytes_ += segments_.back().text.size() - size_before; }

  // The first bytes that are not written; as many as lie together.
  std::string_view Front() const;
  void Consume(size_t n);

  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  void Clear();

  // Writes to a non-blocking socket until everything is out or the kernel takes no more. Adds what
  // it took to `*sent`.
  Written WriteTo(int fd, uint64_t* sent);

 private:
  struct Segment {
    std::string text;
    SharedBytes shared;  // if set, the segment is `part` of it and `text` is empty
    std::string_view part;
    std::string_view view() const { return shared ? part : text; }
  };

  std::vector<Segment> segments_;
  size_t first_ = 0;   // segments before it are written
  size_t offset_ = 0;  // bytes of segments_[first_] that are written
  size_t bytes_ = 0;
};

}  // namespace synod::net

#endif  // SYNOD_NET_OUTPUT_QUEUE_H_
