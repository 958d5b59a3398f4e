// Writer and Reader: the compact codec of every wire, log and snapshot format (docs/formats.md).
//
// Contract      Unsigned integers are LEB128 varints or little-endian fixed width; signed ones are
//               zig-zag varints; byte strings are a varint length and the bytes. A Reader never
//               reads past its end: the first bad read makes it fail for good, all later reads give
//               zero values, and ok() is false. Callers check ok() once, at the end.
// Versioning    A structure that may grow is written as one length-delimited field
//               (Writer::Nested), so that an older reader skips what it does not know.
// Errors        None thrown. Input is hostile by assumption: lengths are checked before anything is
//               allocated.
#ifndef SYNOD_BASE_CODEC_H_
#define SYNOD_BASE_CODEC_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "src/base/types.h"

namespace synod {

class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void U8(uint8_t v) { out_->push_back(static_cast<char>(v)); }
  void Fixed32(uint32_t v) { Raw(&v, sizeof v); }
  void Fixed64(uint64_t v) { Raw(&v, sizeof v); }
  void Varint(uint64_t v);
  void Signed(int64_t v) {
    Varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void Bool(bool v) { U8(v ? 1 : 0); }
  void String(std::string_view s) {
    Varint(s.size());
    out_->append(s);
  }
  void Append(std::string_view s) { out_->append(s); }

  template <typename Tag, typename Rep>
  void Number(Strong<Tag, Rep> v) {
    if constexpr (std::is_signed_v<Rep>) {
      Signed(v.value);
    } else {
      Varint(v.value);
    }
  }
  void Write(const Ballot& b) {
    Varint(b.round);
    Number(b.node);
  }
  void Write(const RequestId& r) {
    Number(r.node);
    Fixed64(r.boot);
    Varint(r.seq);
  }

  // Runs `body` and stores what it wrote as one length-delimited field.
  template <typename Body>
  void Nested(Body&& body) {
    std::string inner;
    Writer w(&inner);
    body(w);
    String(inner);
  }

  std::string* out() { return out_; }

 private:
  void Raw(const void* p, size_t n) { out_->append(static_cast<const char*>(p), n); }

  std::string* out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  uint8_t U8();
  uint32_t Fixed32();
  uint64_t Fixed64();
  uint64_t Varint();
  int64_t Signed() {
    const uint64_t v = Varint();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  bool Bool();                // any byte but 0 and 1 fails
  std::string_view String();  // points into the input
  std::string_view Take(size_t n);

  template <typename T>
  T Number() {
    using Rep = decltype(T().value);
    if constexpr (std::is_signed_v<Rep>) {
      static_assert(sizeof(Rep) == sizeof(int64_t));
      return T(Signed());
    } else {
      const uint64_t v = Varint();
      if (v > static_cast<uint64_t>(static_cast<Rep>(~Rep{0})))
        Fail();
      return T(static_cast<Rep>(v));
    }
  }
  Ballot ReadBallot() {
    Ballot b;
    b.round = Varint();
    b.node = Number<NodeId>();
    return b;
  }
  RequestId ReadRequestId() {
    RequestId r;
    r.node = Number<NodeId>();
    r.boot = Fixed64();
    r.seq = Varint();
    return r;
  }
  // A count of items of which each takes at least `min_bytes`: fails rather than promise more items
  // than the input can hold.
  uint64_t Count(size_t min_bytes = 1);

  void Fail() {
    ok_ = false;
    in_ = {};
  }
  bool ok() const { return ok_; }
  bool AtEnd() const { return in_.empty(); }
  // ok, and nothing left over.
  bool Complete() const { return ok_ && in_.empty(); }
  std::string_view rest() const { return in_; }

 private:
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace synod

#endif  // SYNOD_BASE_CODEC_H_
