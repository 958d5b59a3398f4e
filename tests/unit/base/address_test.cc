#include "src/base/address.h"

#include <gtest/gtest.h>

namespace synod {
namespace {

TEST(AddressTest, AnAddressIsHostAndPort) {
  EXPECT_EQ(ParseHostPort("localhost:1")->ToString(), "localhost:1");
  EXPECT_EQ(ParseHostPort("10.0.0.1:7302")->host, "10.0.0.1");
  EXPECT_EQ(ParseHostPort("a-b_c.example:0")->port, 0);
  EXPECT_EQ(ParseHostPort("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseHostPort("[::1]:80")->ToString(), "[::1]:80");
}

TEST(AddressTest, WhatIsNoAddressIsRefused) {
  const std::string long_host(254, 'a');
  for (const std::string& bad :
       {std::string("localhost"), std::string(":1"), std::string("a:x"), std::string("a:65536"),
        std::string("::1:80"), std::string(""), std::string("a:"), std::string("a b:1"),
        std::string("a\n:1"), std::string("a/b:1"), std::string("http://a:1"), std::string("[]:1"),
        std::string("[a"), long_host + ":1"})
    EXPECT_FALSE(ParseHostPort(bad)) << bad;
}

TEST(AddressTest, AUrlHasASchemeAndAHost) {
  for (const char* good :
       {"http://a", "https://a.example:8443", "http://[::1]:7301/", "http://127.0.0.1:7301/synod"})
    EXPECT_TRUE(ValidateUrl(good)) << good;
  for (const char* bad : {"", "a:1", "ftp://a", "http://", "http://:80", "http:///x", "http://a b",
                          "http://a\n", "http://a:x", "http://a:99999"})
    EXPECT_FALSE(ValidateUrl(bad)) << bad;
  EXPECT_FALSE(ValidateUrl("http://a/" + std::string(1100, 'x')));
}

TEST(AddressTest, TheHostOfAUrlIsWithoutPort) {
  EXPECT_EQ(HostOfUrl("http://a.example:7301/x"), "a.example");
  EXPECT_EQ(HostOfUrl("https://a.example"), "a.example");
  EXPECT_EQ(HostOfUrl("http://[::1]:7301"), "::1");
  EXPECT_EQ(HostOfUrl("http://[::1]"), "::1");
}

TEST(AddressTest, ANameIsALineOfText) {
  EXPECT_TRUE(ValidateMemberName("node-1"));
  EXPECT_TRUE(ValidateMemberName("rack 7, Zürich"));
  EXPECT_TRUE(ValidateMemberName(std::string(255, 'x')));
  EXPECT_FALSE(ValidateMemberName(""));
  EXPECT_FALSE(ValidateMemberName(std::string(256, 'x')));
  EXPECT_FALSE(ValidateMemberName("a\nb"));
  EXPECT_FALSE(ValidateMemberName("a\x7f"));
  EXPECT_FALSE(ValidateMemberName("\xff"));
}

}  // namespace
}  // namespace synod
