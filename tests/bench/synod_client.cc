// Synod's HTTP API as the load generator speaks it.
#include "tests/bench/load.h"
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

constexpr uint64_t kContendedKeys = 8;

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
    if (const std::optional<uint64_t> key = draws_.NextOfAll())
      Request(out, "PUT", Path(*key), draws_.Value());
  } else if (operation == "get" || (operation == "mix" && draws_.Read())) {
    Request(out, "GET", Path(draws_.Key()));
  } else if (operation == "put" || operation == "mix") {
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

}  // namespace

std::unique_ptr<Protocol> MakeSynodClient(const Work& work, uint64_t number) {
  return std::make_unique<SynodClient>(work, number);
}

const std::vector<std::string>& SynodOperations() {
  static const std::vector<std::string> operations = {"fill", "put",  "get",   "local",     "mix",
                                                      "cas",  "lock", "grant", "keepalive", "list"};
  return operations;
}

}  // namespace synod::bench
