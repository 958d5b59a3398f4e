// Synod's HTTP API as the load generator speaks it.
#include "tests/bench/load.h"
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr uint64_t kContendedKeys = 8;
constexpr size_t kFilledAtOnce = 100;

class SynodClient final : public Protocol {
 public:
  SynodClient(const Work& work, uint64_t number)
      : work_(work), number_(number), draws_(work, number) {}

  void Next(std::string* out) override;
  Answer Take(std::string_view in) override;

 private:
  static std::string Path(uint64_t key) { return KeyName("/v1/kv/k/", key); }
  void Request(std::string* out,
               std::string_view method,
               std::string_view target,
               std::string_view body = {},
               std::string_view header = {}) const;
  void NextFill(std::string* out);
  void NextLock(std::string* out);
  void NextLease(std::string* out, bool renew);
  void NextSwap(std::string* out);
  // What the next request needs of this answer; true if the request was one of the work.
  bool Learn(const HttpAnswer& answer);

  const Work work_;
  const uint64_t number_;
  Draws draws_;
  uint64_t token_ = 0;  // of the lock that is held
  uint64_t lease_ = 0;
  uint64_t swapped_ = 0;  // key of a compare-and-swap
  std::string etag_;      // its ETag, once it was read
};

void SynodClient::Request(std::string* out,
                          std::string_view method,
                          std::string_view target,
                          std::string_view body,
                          std::string_view header) const {
  out->append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  out->append(header);
  if (method != "GET")
    out->append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  out->append("\r\n").append(body);
}

void SynodClient::NextFill(std::string* out) {
  std::string puts;
  for (size_t i = 0; i < kFilledAtOnce; ++i) {
    const std::optional<uint64_t> key = draws_.NextOfAll();
    if (!key)
      break;
    puts.append(puts.empty() ? "" : ",").append(R"({"put":{"path":")").append(KeyName("/k/", *key));
    puts.append(R"(","value":")").append(draws_.Value()).append("\"}}");
  }
  if (!puts.empty())
    Request(out, "POST", "/v1/txn", R"({"then":[)" + puts + "]}");
}

void SynodClient::NextLock(std::string* out) {
  const std::string lock = "/v1/locks/bench/" + std::to_string(number_);
  if (token_ == 0) {
    Request(out, "POST", lock + "/acquire", R"({"ttl_ms":60000})");
  } else {
    Request(out, "POST", lock + "/release", "{\"token\":" + std::to_string(token_) + "}");
  }
}

void SynodClient::NextLease(std::string* out, bool renew) {
  if (renew && lease_ != 0) {
    Request(out, "POST", "/v1/leases/" + std::to_string(lease_) + "/keepalive", "{}");
  } else {
    Request(out, "POST", "/v1/leases", R"({"ttl_ms":60000})");
  }
}

void SynodClient::NextSwap(std::string* out) {
  if (etag_.empty()) {
    swapped_ = draws_.Key() % kContendedKeys;
    Request(out, "GET", Path(swapped_));
  } else {
    Request(out, "PUT", Path(swapped_), draws_.Value(), "If-Match: " + etag_ + "\r\n");
  }
}

void SynodClient::Next(std::string* out) {
  const std::string& operation = work_.operation;
  if (operation == "fill") {
    NextFill(out);
  } else if (operation == "get" || (operation == "mix" && draws_.Read())) {
    Request(out, "GET", Path(draws_.Key()));
  } else if (operation == "put" || operation == "mix" || operation == "watch") {
    Request(out, "PUT", Path(draws_.Key()), draws_.Value());
  } else if (operation == "local") {
    Request(out, "GET", Path(draws_.Key()) + "?consistency=sequential");
  } else if (operation == "cas") {
    NextSwap(out);
  } else if (operation == "lock") {
    NextLock(out);
  } else if (operation == "list") {
    Request(out, "GET", "/v1/kv/k?list=children&limit=100&after=" + Path(draws_.Key()).substr(6));
  } else {
    NextLease(out, operation == "keepalive");
  }
}

bool SynodClient::Learn(const HttpAnswer& answer) {
  if (work_.operation == "lock") {
    token_ = token_ == 0 ? NumberAfter(answer.body, "\"token\":") : 0;
  } else if (work_.operation == "keepalive" && lease_ == 0) {
    lease_ = NumberAfter(answer.body, "\"id\":");
    return false;
  } else if (work_.operation == "cas") {
    // A refusal is an answer as good as any: somebody else came first.
    const bool was_read = etag_.empty();
    const size_t at = answer.head.find("ETag: ");
    etag_ = was_read && at != std::string_view::npos
                ? std::string(answer.head.substr(at + 6, answer.head.find('\r', at) - at - 6))
                : "";
    return !was_read;
  }
  return true;
}

Protocol::Answer SynodClient::Take(std::string_view in) {
  const HttpAnswer answer = ParseHttp(in);
  if (answer.bytes == 0)
    return {};
  const bool ok = answer.status / 100 == 2 || (work_.operation == "cas" && answer.status == 412);
  return {answer.bytes, ok, Learn(answer)};
}

class EventStream final : public Listener {
 public:
  std::string Start() override {
    return "GET /v1/watch" + KeyName("/k/", 0) +
           " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
  }
  size_t Take(std::string_view in, std::vector<size_t>* events, std::string* out) override;
};

size_t EventStream::Take(std::string_view in, std::vector<size_t>* events, std::string*) {
  size_t at = 0;
  for (size_t end = in.find("\n\n"); end != std::string_view::npos; end = in.find("\n\n", at)) {
    const std::string_view message = in.substr(at, end - at);
    if (message.find("event: change") != std::string_view::npos)
      events->push_back(0);
    else if (message.find("event: created") != std::string_view::npos)
      ++began_;
    at = end + 2;
  }
  return at;
}

class WebSocket final : public Listener {
 public:
  explicit WebSocket(size_t watches) : watches_(watches) {}

  std::string Start() override {
    return "GET /v1/watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
           "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Version: 13\r\n\r\n";
  }
  size_t Take(std::string_view in, std::vector<size_t>* events, std::string* out) override;

 private:
  // A masked frame whose mask is zero: the bytes as they are. At most 125 of them.
  static void AppendFrame(uint8_t opcode, std::string_view text, std::string* out) {
    out->push_back(static_cast<char>(0x80 | opcode));
    out->push_back(static_cast<char>(0x80 | text.size()));
    out->append(4, '\0').append(text);
  }
  void AskForAll(std::string* out) const {
    for (size_t watch = 0; watch < watches_; ++watch)
      AppendFrame(kText,
                  R"({"op":"watch","id":)" + std::to_string(watch) + R"(,"path":")" +
                      KeyName("/k/", 0) + "\"}",
                  out);
  }
  static constexpr uint8_t kText = 1;
  static constexpr uint8_t kPing = 9;
  static constexpr uint8_t kPong = 10;

  const size_t watches_;
  bool upgraded_ = false;
};

size_t WebSocket::Take(std::string_view in, std::vector<size_t>* events, std::string* out) {
  size_t at = 0;
  if (!upgraded_) {
    const size_t end = in.find("\r\n\r\n");
    if (end == std::string_view::npos)
      return 0;
    at = end + 4;
    upgraded_ = true;
    AskForAll(out);
  }
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(in[at + i])); };
  while (in.size() - at >= 4) {
    const size_t head = byte(1) == 126 ? 4 : 2;
    const size_t length = byte(1) == 126 ? byte(2) << 8 | byte(3) : byte(1);
    if (in.size() - at < head + length)
      break;
    const std::string_view payload = in.substr(at + head, length);
    if ((byte(0) & 15) == kPing)
      AppendFrame(kPong, payload, out);
    else if (payload.find("\"type\":\"change\"") != std::string_view::npos)
      events->push_back(NumberAfter(payload, "\"id\":"));
    else if (payload.find("\"op\":\"created\"") != std::string_view::npos)
      ++began_;
    at += head + length;
  }
  return at;
}

}  // namespace

std::unique_ptr<Listener> MakeSynodListener(size_t watches) {
  if (watches == 1)
    return std::make_unique<EventStream>();
  return std::make_unique<WebSocket>(watches);
}

std::unique_ptr<Protocol> MakeSynodClient(const Work& work, uint64_t number) {
  return std::make_unique<SynodClient>(work, number);
}

const std::vector<std::string>& SynodOperations() {
  static const std::vector<std::string> operations = {
      "fill", "put", "get", "local", "mix", "cas", "lock", "grant", "keepalive", "list", "watch"};
  return operations;
}

}  // namespace synod::bench
