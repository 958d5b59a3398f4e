#include "src/net/frame.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/base/crc32c.h"

namespace synod::net {
namespace {

constexpr uint32_t kMagic = 0x504E5953;  // "SYNP"
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderChecked = kFrameHeaderBytes - 4;
constexpr uint8_t kLastType = static_cast<uint8_t>(FrameType::kMessage);

void WriteHello(const Hello& hello, Writer& w) {
  w.String(hello.cluster_id);
  w.Bool(hello.founded);
  w.Number(hello.from);
  w.String(hello.uuid);
  w.Number(hello.to);
  w.Fixed64(hello.boot_id);
  w.String(hello.name);
  w.String(hello.peer_address);
  w.String(hello.client_url);
  w.Varint(hello.features);
  w.String(hello.payload);
  w.Varint(hello.machine_version);
}

// What a later version appends is left unread.
std::optional<Hello> ReadHello(Reader r) {
  Hello hello;
  hello.cluster_id = r.String();
  hello.founded = r.Bool();
  hello.from = r.Number<NodeId>();
  hello.uuid = r.String();
  hello.to = r.Number<NodeId>();
  hello.boot_id = r.Fixed64();
  hello.name = r.String();
  hello.peer_address = r.String();
  hello.client_url = r.String();
  hello.features = r.Varint();
  hello.payload = r.String();
  if (r.ok() && !r.AtEnd())
    hello.machine_version = static_cast<uint32_t>(r.Varint());
  if (!r.ok() || hello.from == NodeId() || hello.boot_id == 0 || hello.machine_version == 0)
    return std::nullopt;
  return hello;
}

}  // namespace

void AppendFrameHeader(FrameType type, std::string_view body, std::string* out) {
  SYNOD_CHECK_LE(body.size(), kFrameBodyMax);
  const size_t begin = out->size();
  Writer w(out);
  w.Fixed32(kMagic);
  w.U8(kVersion);
  w.U8(static_cast<uint8_t>(type));
  w.U8(0);
  w.U8(0);
  w.Fixed32(static_cast<uint32_t>(body.size()));
  w.Fixed32(Crc32c(body));
  w.Fixed32(Crc32c(std::string_view(*out).substr(begin, kHeaderChecked)));
}

Bytes EncodeHello(const Hello& hello) {
  Bytes out;
  Writer(&out).Nested([&](Writer& w) { WriteHello(hello, w); });
  return out;
}

std::optional<Hello> DecodeHello(std::string_view body) {
  Reader r(body);
  const std::string_view inner = r.String();
  if (!r.ok())
    return std::nullopt;
  return ReadHello(Reader(inner));
}

Bytes EncodeHelloAck(const HelloAck& ack) {
  Bytes out;
  Writer w(&out);
  w.Bool(ack.accepted);
  w.String(ack.reason);
  w.Nested([&](Writer& inner) { WriteHello(ack.hello, inner); });
  return out;
}

std::optional<HelloAck> DecodeHelloAck(std::string_view body) {
  Reader r(body);
  HelloAck ack;
  ack.accepted = r.Bool();
  ack.reason = r.String();
  const std::string_view inner = r.String();
  if (!r.ok())
    return std::nullopt;
  std::optional<Hello> hello = ReadHello(Reader(inner));
  if (!hello)
    return std::nullopt;
  ack.hello = std::move(*hello);
  return ack;
}

const char* FrameReader::ParseHeader(std::string_view in, Header* header) const {
  Reader r(in.substr(0, kFrameHeaderBytes));
  if (r.Fixed32() != kMagic)
    return "not a frame";
  const uint8_t version = r.U8();
  const uint8_t type = r.U8();
  const uint8_t zero1 = r.U8();
  const uint8_t zero2 = r.U8();
  header->length = r.Fixed32();
  header->body_crc = r.Fixed32();
  if (r.Fixed32() != Crc32c(in.substr(0, kHeaderChecked)))
    return "the frame header's checksum does not hold";
  if (version != kVersion)
    return "another version of the frame format";
  if (type == 0 || type > kLastType || zero1 != 0 || zero2 != 0)
    return "an unknown type of frame";
  if (header->length > body_max_)
    return "the frame is too large";
  header->type = static_cast<FrameType>(type);
  return nullptr;
}

const char* FrameReader::Feed(std::string_view in, const OnFrame& on_frame) {
  while (!in.empty()) {
    // Whole frames are read where they lie; only what is cut off at the end is put aside.
    if (!partial_.empty()) {
      if (partial_.size() < kFrameHeaderBytes) {
        const size_t n = std::min(kFrameHeaderBytes - partial_.size(), in.size());
        partial_.append(in.substr(0, n));
        in.remove_prefix(n);
        if (partial_.size() < kFrameHeaderBytes)
          return nullptr;
      }
    }
    Header header;
    const std::string_view start = partial_.empty() ? in : std::string_view(partial_);
    if (start.size() < kFrameHeaderBytes) {
      partial_.assign(in);
      return nullptr;
    }
    if (const char* wrong = ParseHeader(start, &header))
      return wrong;
    const size_t whole = kFrameHeaderBytes + header.length;
    std::string assembled;
    std::string_view frame;
    if (partial_.empty() && in.size() >= whole) {
      frame = in.substr(0, whole);
      in.remove_prefix(whole);
    } else {
      const size_t n = std::min(whole - partial_.size(), in.size());
      partial_.append(in.substr(0, n));
      in.remove_prefix(n);
      if (partial_.size() < whole)
        return nullptr;
      assembled = std::exchange(partial_, {});
      frame = assembled;
    }
    const std::string_view body = frame.substr(kFrameHeaderBytes);
    if (Crc32c(body) != header.body_crc)
      return "the frame's checksum does not hold";
    if (!on_frame(header.type, body))
      return nullptr;
  }
  return nullptr;
}

}  // namespace synod::net
