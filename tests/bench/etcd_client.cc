// etcd's gRPC (etcd 3.4, /etcdserverpb) as the load generator speaks it: HTTP/2 (RFC 9113) with one
// stream at a time, headers that are never indexed (RFC 7541, section 6.2.2), and the few fields of
// its messages that are needed.
#include <utility>

#include "src/base/codec.h"
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr uint8_t kData = 0;
constexpr uint8_t kHeaders = 1;
constexpr uint8_t kReset = 3;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kPing = 6;
constexpr uint8_t kGoAway = 7;
constexpr uint8_t kWindowUpdate = 8;

constexpr uint8_t kAck = 1;
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;

constexpr size_t kFrameHead = 9;
// What the server may send before it hears of more: enough for any run.
constexpr uint32_t kWindow = 0x7fff0000;
constexpr uint8_t kInitialWindowSize = 4;

void AppendBigEndian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i) & 255));
}

void AppendFrame(
    uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload, std::string* out) {
  AppendBigEndian(payload.size(), 3, out);
  out->push_back(static_cast<char>(type));
  out->push_back(static_cast<char>(flags));
  AppendBigEndian(stream, 4, out);
  out->append(payload);
}

struct Frame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string_view payload;
};

uint64_t BigEndianAt(std::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The next frame, if it has come whole; moves `at` behind it.
std::optional<Frame> NextFrame(std::string_view in, size_t* at) {
  if (in.size() - *at < kFrameHead)
    return std::nullopt;
  const size_t size = BigEndianAt(in, *at, 3);
  if (in.size() - *at - kFrameHead < size)
    return std::nullopt;
  const Frame frame{static_cast<uint8_t>(in[*at + 3]), static_cast<uint8_t>(in[*at + 4]),
                    static_cast<uint32_t>(BigEndianAt(in, *at + 5, 4)),
                    in.substr(*at + kFrameHead, size)};
  *at += kFrameHead + size;
  return frame;
}

// Fields of protocol buffers, whose variable-length numbers are as ours: bytes, or a number.
void AppendField(uint32_t field, std::string_view bytes, std::string* out) {
  Writer writer(out);
  writer.Varint(field << 3 | 2);
  writer.String(bytes);
}
void AppendField(uint32_t field, uint64_t number, std::string* out) {
  Writer writer(out);
  writer.Varint(field << 3);
  writer.Varint(number);
}

std::string Hello() {
  std::string settings;
  AppendBigEndian(kInitialWindowSize, 2, &settings);
  AppendBigEndian(kWindow, 4, &settings);
  std::string more;
  AppendBigEndian(kWindow - 65535, 4, &more);
  std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  AppendFrame(kSettings, 0, 0, settings, &hello);
  AppendFrame(kWindowUpdate, 0, 0, more, &hello);
  return hello;
}

void AppendCall(uint32_t stream, std::string_view method, std::string* out) {
  // ":method: POST" and ":scheme: http" are 3 and 6 of the static table; ":path" is 4 there,
  // ":authority" 1 and "content-type" 31.
  std::string headers = "\x83\x86";
  const auto field = [&](std::string_view name, std::string_view value) {
    headers.append(name);
    headers.push_back(static_cast<char>(value.size()));
    headers.append(value);
  };
  field("\x04", method);
  field("\x01", "localhost");
  field("\x0f\x10", "application/grpc");
  field(std::string_view("\x00\x02te", 4), "trailers");
  AppendFrame(kHeaders, kEndHeaders, stream, headers, out);
}

void AppendMessage(uint32_t stream, uint8_t flags, const std::string& message, std::string* out) {
  std::string body(1, '\0');
  AppendBigEndian(message.size(), 4, &body);
  AppendFrame(kData, flags, stream, body + message, out);
}

// What a frame of the connection itself asks for.
void AppendReply(const Frame& frame, std::string* out) {
  const bool asks = (frame.flags & kAck) == 0;
  if (frame.type == kSettings && asks)
    AppendFrame(kSettings, kAck, 0, {}, out);
  if (frame.type == kPing && asks)
    AppendFrame(kPing, kAck, 0, frame.payload, out);
}

std::string KeyField(uint64_t key) {
  std::string message;
  AppendField(1, KeyName("/k/", key), &message);
  return message;
}

class EtcdClient final : public Protocol {
 public:
  EtcdClient(const Work& work, uint64_t number) : work_(work), draws_(work, number) {}

  void Next(std::string* out) override;
  Answer Take(std::string_view in) override;

 private:
  std::string Put(uint64_t key) {
    std::string message = KeyField(key);
    AppendField(2, draws_.Value(), &message);
    return message;
  }
  void Call(std::string_view method, const std::string& message, std::string* out);

  const Work work_;
  Draws draws_;
  uint32_t stream_ = 0;  // of the last request; 0: there was none
  std::string replies_;  // acknowledgements that are due
};

void EtcdClient::Call(std::string_view method, const std::string& message, std::string* out) {
  if (stream_ == 0)
    out->append(Hello());
  out->append(std::exchange(replies_, {}));
  stream_ = stream_ == 0 ? 1 : stream_ + 2;
  AppendCall(stream_, method, out);
  AppendMessage(stream_, kEndStream, message, out);
}

void EtcdClient::Next(std::string* out) {
  const std::string& operation = work_.operation;
  if (operation == "fill") {
    if (const std::optional<uint64_t> key = draws_.NextOfAll())
      Call("/etcdserverpb.KV/Put", Put(*key), out);
  } else if (operation == "get" || (operation == "mix" && draws_.Read())) {
    Call("/etcdserverpb.KV/Range", KeyField(draws_.Key()), out);
  } else if (operation == "local") {
    std::string message = KeyField(draws_.Key());
    AppendField(7, 1, &message);
    Call("/etcdserverpb.KV/Range", message, out);
  } else if (operation == "put" || operation == "mix" || operation == "watch") {
    Call("/etcdserverpb.KV/Put", Put(draws_.Key()), out);
  } else {
    std::string message;
    AppendField(1, 60, &message);
    Call("/etcdserverpb.Lease/LeaseGrant", message, out);
  }
}

// Trailers are not decoded: an answer without a message is a refusal.
Protocol::Answer EtcdClient::Take(std::string_view in) {
  std::string replies;
  bool message = false;
  size_t at = 0;
  while (const std::optional<Frame> frame = NextFrame(in, &at)) {
    AppendReply(*frame, &replies);
    const bool ours = frame->stream == stream_;
    message = message || (ours && frame->type == kData && !frame->payload.empty());
    const bool refused = frame->type == kGoAway || (ours && frame->type == kReset);
    if (refused || (ours && frame->type == kHeaders && (frame->flags & kEndStream) != 0)) {
      replies_ = std::move(replies);
      return {at, message && !refused};
    }
  }
  return {};
}

// One stream of a connection, with all its watches.
class EtcdListener final : public Listener {
 public:
  explicit EtcdListener(size_t watches) : watches_(watches) {}

  std::string Start() override;
  size_t Take(std::string_view in, std::vector<size_t>* events, std::string* out) override;

 private:
  void TakeResponse(std::string_view message, std::vector<size_t>* events);

  const size_t watches_;
  std::string body_;
};

std::string EtcdListener::Start() {
  std::string out = Hello();
  AppendCall(1, "/etcdserverpb.Watch/Watch", &out);
  std::string create;
  AppendField(1, KeyField(0), &create);
  for (size_t i = 0; i < watches_; ++i) AppendMessage(1, 0, create, &out);
  return out;
}

// A WatchResponse: its watch is field 2, whether it is new 3, each event one of 11.
void EtcdListener::TakeResponse(std::string_view message, std::vector<size_t>* events) {
  Reader reader(message);
  size_t watch = 0;
  while (reader.ok() && !reader.AtEnd()) {
    const uint64_t tag = reader.Varint();
    const bool is_number = (tag & 7) == 0;
    const uint64_t number = is_number ? reader.Varint() : 0;
    if (!is_number)
      reader.String();
    if (tag >> 3 == 2)
      watch = number;
    else if (tag >> 3 == 3 && number == 1)
      ++began_;
    else if (tag >> 3 == 11)
      events->push_back(watch);
  }
}

size_t EtcdListener::Take(std::string_view in, std::vector<size_t>* events, std::string* out) {
  constexpr size_t kMessageHead = 5;
  size_t at = 0;
  while (const std::optional<Frame> frame = NextFrame(in, &at)) {
    AppendReply(*frame, out);
    if (frame->type == kData)
      body_.append(frame->payload);
  }
  size_t taken = 0;
  while (body_.size() - taken >= kMessageHead) {
    const size_t size = BigEndianAt(body_, taken + 1, 4);
    if (body_.size() - taken - kMessageHead < size)
      break;
    TakeResponse(std::string_view(body_).substr(taken + kMessageHead, size), events);
    taken += kMessageHead + size;
  }
  body_.erase(0, taken);
  return at;
}

}  // namespace

std::unique_ptr<Listener> MakeEtcdListener(size_t watches) {
  return std::make_unique<EtcdListener>(watches);
}

std::unique_ptr<Protocol> MakeEtcdClient(const Work& work, uint64_t number) {
  return std::make_unique<EtcdClient>(work, number);
}

const std::vector<std::string>& EtcdOperations() {
  static const std::vector<std::string> operations = {"fill", "put",   "get",  "local",
                                                      "mix",  "grant", "watch"};
  return operations;
}

}  // namespace synod::bench
