// etcd's JSON gateway as the load generator speaks it (etcd 3.4, /v3).
#include <cstdio>

#include "tests/bench/load.h"
#include "tests/bench/protocol.h"

namespace synod::bench {
namespace {

std::string Base64(std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k)
      text.push_back(i + k > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * k) & 63]);
  }
  return text;
}

class EtcdClient final : public Protocol {
 public:
  EtcdClient(const Work& work, uint64_t number) : work_(work), draws_(work, number) {}

  void Next(std::string* out) override;
  Answer Take(std::string_view in) override;

 private:
  static void Post(std::string* out, std::string_view target, const std::string& body) {
    out->append("POST ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nContent-Length: ");
    out->append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  }
  static std::string Key(uint64_t key) {
    char text[32];
    std::snprintf(text, sizeof text, "/k/%08llu", static_cast<unsigned long long>(key));
    return "{\"key\":\"" + Base64(text) + "\"";
  }
  void Put(std::string* out, uint64_t key) {
    Post(out, "/v3/kv/put", Key(key) + ",\"value\":\"" + Base64(draws_.Value()) + "\"}");
  }

  const Work work_;
  Draws draws_;
};

void EtcdClient::Next(std::string* out) {
  const std::string& operation = work_.operation;
  if (operation == "fill") {
    if (const std::optional<uint64_t> key = draws_.NextOfAll())
      Put(out, *key);
  } else if (operation == "get" || (operation == "mix" && draws_.Read())) {
    Post(out, "/v3/kv/range", Key(draws_.Key()) + "}");
  } else if (operation == "local") {
    Post(out, "/v3/kv/range", Key(draws_.Key()) + ",\"serializable\":true}");
  } else if (operation == "put" || operation == "mix") {
    Put(out, draws_.Key());
  } else {
    Post(out, "/v3/lease/grant", R"({"TTL":"60"})");
  }
}

Protocol::Answer EtcdClient::Take(std::string_view in) {
  const HttpAnswer answer = ParseHttp(in);
  if (answer.bytes == 0)
    return {};
  return {answer.bytes, answer.status == 200};
}

}  // namespace

std::unique_ptr<Protocol> MakeEtcdClient(const Work& work, uint64_t number) {
  return std::make_unique<EtcdClient>(work, number);
}

// A renewal is a stream of its own in the gateway, which ends each with a chunked answer: left out.
const std::vector<std::string>& EtcdOperations() {
  static const std::vector<std::string> operations = {"fill",  "put", "get",
                                                      "local", "mix", "grant"};
  return operations;
}

}  // namespace synod::bench
