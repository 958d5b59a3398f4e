#include "src/node/credentials.h"

#include <gtest/gtest.h>

namespace synod::node {
namespace {

auth::Principal Of(const std::string& certified_name,
                   std::vector<std::pair<std::string, std::string>> headers = {}) {
  net::HttpRequest request;
  request.certified_name = certified_name;
  request.headers = std::move(headers);
  return PrincipalOf(request);
}

TEST(PrincipalTest, ATokenIsKnownByItsHash) {
  const auth::Principal who = Of("", {{"authorization", "Bearer secret"}});
  EXPECT_EQ(who, (auth::Principal{"", HashOfToken("secret"), false}));
}

TEST(PrincipalTest, ACertificateNamesTheUser) {
  EXPECT_EQ(Of("ann"), (auth::Principal{"ann", "", false}));
}

TEST(PrincipalTest, WhoShowsNothingIsNobody) { EXPECT_TRUE(Of("").nobody()); }

TEST(PrincipalTest, AuthorizationCountsBeforeTheCertificate) {
  EXPECT_EQ(Of("ann", {{"authorization", "Bearer secret"}}),
            (auth::Principal{"", HashOfToken("secret"), false}));
  for (const char* other : {"", "Basic YW5uOng=", "Bearer", "Bearer "})
    EXPECT_TRUE(Of("ann", {{"authorization", other}}).nobody()) << other;
}

TEST(PrincipalTest, ANameThatNoUserCanHaveIsNobodys) {
  for (const std::string& name : {std::string("a/b"), std::string(".."), std::string(129, 'a'),
                                  std::string("ann\0", 4), std::string("ann\xff")})
    EXPECT_TRUE(Of(name).nobody()) << name;
}

}  // namespace
}  // namespace synod::node
