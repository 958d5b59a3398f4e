// JSON bodies of every endpoint that takes one; the first byte chooses it.
#include <cstdint>
#include <iterator>
#include <string>

#include "src/api/call.h"

namespace {

struct Endpoint {
  const char* method;
  const char* target;
};

constexpr Endpoint kEndpoints[] = {
    {"POST", "/v1/txn"},
    {"POST", "/v1/leases"},
    {"POST", "/v1/leases/keepalive"},
    {"POST", "/v1/locks/a/acquire"},
    {"POST", "/v1/locks/a/release"},
    {"POST", "/v1/locks"},
    {"POST", "/v1/elections/a/campaign"},
    {"POST", "/v1/elections/a/proclaim"},
    {"POST", "/v1/elections/a/resign"},
    {"POST", "/v1/elections/a/transfer"},
    {"POST", "/v1/fences/a"},
    {"POST", "/v1/compact"},
    {"POST", "/v1/cluster/members"},
    {"POST", "/v1/cluster/members/promote"},
    {"POST", "/v1/cluster/members/2/replace"},
    {"PATCH", "/v1/cluster/members/2"},
    {"POST", "/v1/cluster/leader"},
    {"PATCH", "/v1/settings"},
    {"PUT", "/v1/auth/roles/a"},
    {"PUT", "/v1/auth/users/a"},
    {"POST", "/v1/auth/tokens"},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0)
    return 0;
  const Endpoint& endpoint = kEndpoints[data[0] % std::size(kEndpoints)];
  synod::net::HttpRequest request;
  request.method = endpoint.method;
  request.target = endpoint.target;
  request.headers = {{"host", "localhost"}, {"content-type", "application/json"}};
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)synod::api::ParseCall(request, synod::api::Limits(), synod::api::HttpPolicy(),
                              synod::api::Context());
  return 0;
}
