// ZooKeeper's wire protocol (3.8) as the load generator speaks it: frames of a length and
// big-endian fields, requests with a number and a type.
#include <utility>

#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr uint32_t kCreate = 1;
constexpr uint32_t kGetData = 4;
constexpr uint32_t kSetData = 5;
constexpr uint32_t kSync = 9;
constexpr uint32_t kPing = 11;
constexpr uint32_t kAddWatch = 106;
constexpr uint32_t kNodeExists = static_cast<uint32_t>(-110);
constexpr uint32_t kPersistent = 0;
// Request numbers that are the server's own.
constexpr uint32_t kOfEvent = static_cast<uint32_t>(-1);
constexpr uint32_t kOfPing = static_cast<uint32_t>(-2);
// What reaches a server within a third of it keeps a session alive.
constexpr uint32_t kClientMs = 4'000;
constexpr uint32_t kListenerMs = 30'000;

std::string Path(uint64_t key) { return KeyName("/k", key); }

class Frame {
 public:
  Frame& Number(uint64_t value, size_t bytes) {
    for (size_t i = bytes; i-- > 0;) body_.push_back(static_cast<char>(value >> (8 * i) & 255));
    return *this;
  }
  Frame& Int(uint32_t value) { return Number(value, 4); }
  Frame& Text(std::string_view text) {
    Int(static_cast<uint32_t>(text.size()));
    body_.append(text);
    return *this;
  }
  void AppendTo(std::string* out) const {
    const auto size = static_cast<uint32_t>(body_.size());
    for (int shift = 24; shift >= 0; shift -= 8)
      out->push_back(static_cast<char>(size >> shift & 255));
    out->append(body_);
  }

 private:
  std::string body_;
};

uint32_t IntAt(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// Version, last seen transaction, timeout, session, password, read only.
Frame Hello(uint32_t session_ms) {
  Frame hello;
  hello.Int(0).Number(0, 8).Int(session_ms).Number(0, 8).Text(std::string(16, '\0')).Number(0, 1);
  return hello;
}

Frame Ping() {
  Frame ping;
  ping.Int(kOfPing).Int(kPing);
  return ping;
}

// Where the reply that begins at `at` ends; 0: it has not come whole.
size_t EndOfReply(std::string_view in, size_t at) {
  const size_t rest = in.size() - at;
  return rest < 4 || rest < 4 + IntAt(in, at) ? 0 : at + 4 + IntAt(in, at);
}

class ZooKeeperClient final : public Protocol {
 public:
  ZooKeeperClient(const Work& work, uint64_t number) : work_(work), draws_(work, number) {}

  void Next(std::string* out) override;
  Answer Take(std::string_view in) override;
  // Besides, ZooKeeper up to 3.8.0 can forget the only request there is until it hears of anything
  // else (ZOOKEEPER-4537).
  void KeepAlive(std::string* out) override { Ping().AppendTo(out); }

 private:
  Frame Request(uint32_t type, const std::string& path) {
    last_type_ = type;
    Frame frame;
    frame.Int(++number_).Int(type).Text(path);
    return frame;
  }
  void Get(std::string* out) { Request(kGetData, Path(draws_.Key())).Number(0, 1).AppendTo(out); }

  const Work work_;
  Draws draws_;
  bool connected_ = false;
  uint32_t number_ = 0;
  uint32_t last_type_ = 0;
};

void ZooKeeperClient::Next(std::string* out) {
  const std::string& operation = work_.operation;
  if (!connected_) {
    Hello(kClientMs).AppendTo(out);
  } else if (operation == "fill") {
    const std::optional<uint64_t> key = draws_.NextOfAll();
    if (!key)
      return;
    // One entry that lets anybody do everything; a lasting node.
    Request(kCreate, Path(*key))
        .Text(draws_.Value())
        .Int(1)
        .Int(31)
        .Text("world")
        .Text("anyone")
        .Int(0)
        .AppendTo(out);
  } else if (operation == "get") {
    // One behind the other, and done in that order.
    Request(kSync, "/").AppendTo(out);
    Get(out);
  } else if (operation == "local" || (operation == "mix" && draws_.Read())) {
    Get(out);
  } else {
    Request(kSetData, Path(draws_.Key()))
        .Text(draws_.Value())
        .Int(static_cast<uint32_t>(-1))
        .AppendTo(out);
  }
}

Protocol::Answer ZooKeeperClient::Take(std::string_view in) {
  Answer answer{.counts = connected_};
  for (size_t replies = connected_ && work_.operation == "get" ? 2 : 1; replies > 0;) {
    const size_t at = answer.bytes;
    answer.bytes = EndOfReply(in, at);
    if (answer.bytes == 0)
      return {};
    if (connected_ && IntAt(in, at + 4) == kOfPing)
      continue;
    --replies;
    const uint32_t error = connected_ ? IntAt(in, at + 16) : 0;
    answer.ok = answer.ok && (error == 0 || (last_type_ == kCreate && error == kNodeExists));
  }
  connected_ = true;
  return answer;
}

// A session with a persistent watch, whose events carry no value.
class ZooKeeperListener final : public Listener {
 public:
  std::string Start() override {
    std::string out;
    Hello(kListenerMs).AppendTo(&out);
    return out;
  }
  size_t Take(std::string_view in, std::vector<size_t>* events, std::string* out) override;
  void KeepAlive(std::string* out) override { Ping().AppendTo(out); }

 private:
  bool connected_ = false;
};

size_t ZooKeeperListener::Take(std::string_view in, std::vector<size_t>* events, std::string* out) {
  size_t at = 0;
  for (size_t end = EndOfReply(in, at); end != 0; at = end, end = EndOfReply(in, at)) {
    if (!std::exchange(connected_, true)) {
      Frame watch;
      watch.Int(1).Int(kAddWatch).Text(Path(0)).Int(kPersistent).AppendTo(out);
    } else if (IntAt(in, at + 4) == kOfEvent) {
      events->push_back(0);
    } else if (IntAt(in, at + 4) != kOfPing && IntAt(in, at + 16) == 0) {
      ++began_;
    }
  }
  return at;
}

}  // namespace

std::unique_ptr<Listener> MakeZooKeeperListener() { return std::make_unique<ZooKeeperListener>(); }

std::unique_ptr<Protocol> MakeZooKeeperClient(const Work& work, uint64_t number) {
  return std::make_unique<ZooKeeperClient>(work, number);
}

// "get" is a sync and a read, the customary recipe for a read that is not stale.
const std::vector<std::string>& ZooKeeperOperations() {
  static const std::vector<std::string> operations = {"fill",  "put", "get",
                                                      "local", "mix", "watch"};
  return operations;
}

}  // namespace synod::bench
