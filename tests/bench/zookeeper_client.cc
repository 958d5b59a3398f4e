// ZooKeeper's wire protocol (3.8) as the load generator speaks it: frames of a length and
// big-endian fields, requests with a number and a type.
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr uint32_t kCreate = 1;
constexpr uint32_t kGetData = 4;
constexpr uint32_t kSetData = 5;
constexpr uint32_t kSync = 9;
constexpr uint32_t kNodeExists = static_cast<uint32_t>(-110);
constexpr uint32_t kSessionMs = 30'000;

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

class ZooKeeperClient final : public Protocol {
 public:
  ZooKeeperClient(const Work& work, uint64_t number) : work_(work), draws_(work, number) {}

  void Next(std::string* out) override;
  Answer Take(std::string_view in) override;

 private:
  static std::string Path(uint64_t key) { return KeyName("/k", key); }
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
    // Version, last seen transaction, timeout, session, password, read only.
    Frame hello;
    hello.Int(0).Number(0, 8).Int(kSessionMs).Number(0, 8).Text(std::string(16, '\0')).Number(0, 1);
    hello.AppendTo(out);
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
  for (size_t replies = connected_ && work_.operation == "get" ? 2 : 1; replies > 0; --replies) {
    const std::string_view rest = in.substr(answer.bytes);
    if (rest.size() < 4 || rest.size() < 4 + IntAt(rest, 0))
      return {};
    answer.bytes += 4 + IntAt(rest, 0);
    if (!connected_)
      continue;
    const uint32_t error = IntAt(rest, 16);
    answer.ok = answer.ok && (error == 0 || (last_type_ == kCreate && error == kNodeExists));
  }
  connected_ = true;
  return answer;
}

}  // namespace

std::unique_ptr<Protocol> MakeZooKeeperClient(const Work& work, uint64_t number) {
  return std::make_unique<ZooKeeperClient>(work, number);
}

// "get" is a sync and a read, the customary recipe for a read that is not stale.
const std::vector<std::string>& ZooKeeperOperations() {
  static const std::vector<std::string> operations = {"fill", "put", "get", "local", "mix"};
  return operations;
}

}  // namespace synod::bench
