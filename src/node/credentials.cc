#include "src/node/credentials.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "src/api/call.h"
#include "src/api/encoding.h"
#include "src/auth/directory.h"
#include "src/base/check.h"

namespace synod::node {
namespace {

constexpr size_t kRandomBytes = 32;
constexpr size_t kTokenBytesMin = 16;
constexpr size_t kTokenBytesMax = 4096;
constexpr std::string_view kPrefix = "synod_";  // for those who search for secrets that got out

Error Bad(std::string detail) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

bool HasAuthorization(const net::HttpRequest& request) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [](const auto& header) { return header.first == "authorization"; });
}

}  // namespace

std::string NewToken() {
  std::array<unsigned char, kRandomBytes> random{};
  SYNOD_CHECK_EQ(RAND_bytes(random.data(), static_cast<int>(random.size())), 1);
  return std::string(kPrefix) +
         api::EncodeBase64Url({reinterpret_cast<const char*>(random.data()), random.size()});
}

Bytes HashOfToken(std::string_view token) {
  Bytes hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

Result<std::string> ReadTokenFile(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token))
    return Bad("the file " + path + " cannot be read");
  while (!token.empty() && (token.back() == '\r' || token.back() == ' ')) token.pop_back();
  if (token.size() < kTokenBytesMin || token.size() > kTokenBytesMax)
    return Bad("the first line of " + path + " must be a token of at least 16 characters");
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return Bad("the token in " + path + " must be visible ASCII");
  return token;
}

auth::Principal PrincipalOf(const net::HttpRequest& request) {
  auth::Principal who;
  if (const std::optional<std::string_view> token = api::BearerOf(request))
    who.token_hash = HashOfToken(*token);
  // What it says of itself counts before what its connection says, which may be a proxy's; also if
  // that is nothing that is known here.
  else if (!request.certified_name.empty() && !HasAuthorization(request) &&
           auth::ValidateName(request.certified_name))
    who.user = request.certified_name;
  return who;
}

}  // namespace synod::node
