// ReadAhead: bytes that were read and not used yet.
//
// Contract      Using some of them moves nothing until half of the memory is of used ones, so that
//               a long pipeline costs what it is long.
// Thread        The owner's.   Errors: none.
#ifndef SYNOD_NET_READ_AHEAD_H_
#define SYNOD_NET_READ_AHEAD_H_

#include <string>
#include <string_view>

namespace synod::net {

class ReadAhead {
 public:
  std::string_view view() const { return std::string_view(bytes_).substr(used_); }
  size_t size() const { return bytes_.size() - used_; }
  bool empty() const { return size() == 0; }
  // What the memory holds, used bytes as well.
  size_t held() const { return bytes_.size(); }

  void Append(std::string_view bytes) { bytes_.append(bytes); }
  void Use(size_t n) {
    used_ += n;
    if (empty())
      Clear();
    else if (used_ > bytes_.size() / 2) {
      bytes_.erase(0, used_);
      used_ = 0;
    }
  }
  // The memory is given back.
  void Clear() {
    std::string().swap(bytes_);
    used_ = 0;
  }

 private:
  std::string bytes_;
  size_t used_ = 0;
};

}  // namespace synod::net

#endif  // SYNOD_NET_READ_AHEAD_H_
