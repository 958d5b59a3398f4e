// Frame: how messages lie on a connection between nodes.
//
// Contract      20 bytes of header, then the body: magic "SYNP", version 1, type, two zero bytes,
//               length, crc32c of the body, crc32c of the 16 bytes before; integers little-endian.
//               A frame whose checksums do not hold ends the connection: there is no way to find
//               the next one.
// Versioning    A reader refuses a version above its own; Hello carries feature bits for the rest.
// Thread        None of its own.   Errors: a reason, for the log; input is hostile by assumption.
#ifndef SYNOD_NET_FRAME_H_
#define SYNOD_NET_FRAME_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/types.h"
#include "src/net/peer_transport.h"

namespace synod::net {

inline constexpr size_t kFrameHeaderBytes = 20;
inline constexpr size_t kFrameBodyMax = size_t{16} << 20;
inline constexpr size_t kHelloBodyMax = size_t{64} << 10;

enum class FrameType : uint8_t { kHello = 1, kHelloAck = 2, kGoodbye = 3, kMessage = 4 };

// Appends the header of a frame with this body to `out`.
void AppendFrameHeader(FrameType type, std::string_view body, std::string* out);

struct HelloAck {
  bool accepted = false;
  std::string reason;
  Hello hello;  // of the one who answers
};

Bytes EncodeHello(const Hello& hello);
std::optional<Hello> DecodeHello(std::string_view body);
Bytes EncodeHelloAck(const HelloAck& ack);
std::optional<HelloAck> DecodeHelloAck(std::string_view body);

// Cuts a stream of bytes into frames.
class FrameReader {
 public:
  // Called for each whole frame; false stops the reading (the connection was closed).
  using OnFrame = std::function<bool(FrameType, std::string_view body)>;

  // Takes the next bytes of the stream. Null, or why the stream is broken for good. A whole frame
  // within `in` is passed on without a copy.
  const char* Feed(std::string_view in, const OnFrame& on_frame);

  // Bodies above this end the stream.
  void set_body_max(size_t bytes) { body_max_ = bytes; }
  size_t buffered() const { return partial_.size(); }

 private:
  struct Header {
    FrameType type = FrameType::kMessage;
    uint32_t length = 0;
    uint32_t body_crc = 0;
  };
  const char* ParseHeader(std::string_view in, Header* header) const;

  size_t body_max_ = kHelloBodyMax;
  std::string partial_;  // the beginning of a frame that is not whole yet
};

}  // namespace synod::net

#endif  // SYNOD_NET_FRAME_H_
