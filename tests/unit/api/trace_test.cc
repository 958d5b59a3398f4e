#include "src/api/trace.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace synod::api {
namespace {

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";

std::string TraceIdIn(const std::vector<std::string>& values) {
  net::HttpRequest request;
  request.headers = {{"host", "h"}};
  for (const std::string& value : values) request.headers.emplace_back("traceparent", value);
  return std::string(TraceIdOf(request));
}

struct Case {
  const char* name;
  std::string value;
  bool valid;
};

class TraceTest : public testing::TestWithParam<Case> {};

TEST_P(TraceTest, JudgesTheHeaderAsTheSpecificationDoes) {
  EXPECT_EQ(TraceIdIn({GetParam().value}), GetParam().valid ? kTrace : "");
}

std::string Of(const std::string& version,
               const std::string& trace = kTrace,
               const std::string& parent = "b7ad6b7169203331",
               const std::string& flags = "01") {
  return version + "-" + trace + "-" + parent + "-" + flags;
}

INSTANTIATE_TEST_SUITE_P(
    Rules,
    TraceTest,
    testing::Values(
        // Version 00, section 3.2.2.
        Case{"AsInTheSpecification", Of("00"), true},
        Case{"NotSampled", Of("00", kTrace, "b7ad6b7169203331", "00"), true},
        Case{"UnknownFlags", Of("00", kTrace, "b7ad6b7169203331", "ff"), true},
        Case{"Empty", "", false},
        Case{"UpperCase", Of("00", "0AF7651916CD43DD8448EB211C80319C"), false},
        Case{"TraceOfZeros", Of("00", std::string(32, '0')), false},
        Case{"ParentOfZeros", Of("00", kTrace, std::string(16, '0')), false},
        Case{"ShortTrace", Of("00", "0af7651916cd43dd8448eb211c80319"), false},
        Case{"ShortParent", Of("00", kTrace, "b7ad6b716920333"), false},
        Case{"NoFlags", "00-" + std::string(kTrace) + "-b7ad6b7169203331", false},
        Case{"NotHexadecimal", Of("00", "0af7651916cd43dd8448eb211c80319g"), false},
        Case{"FlagsNotHexadecimal", Of("00", kTrace, "b7ad6b7169203331", "0x"), false},
        Case{"OtherSeparators", "00_" + Of("00").substr(3), false},
        Case{"MoreThanItsVersionHas", Of("00") + "-more", false},
        // Later versions, section 4.3.
        Case{"LaterVersion", Of("cc"), true},
        Case{"LaterVersionWithMore", Of("01") + "-what-the-future-brings", true},
        Case{"LaterVersionWithMoreAndNoDash", Of("01") + "x", false},
        Case{"LaterVersionTooShort", Of("01").substr(0, 54), false},
        Case{"VersionFf", Of("ff"), false},
        Case{"VersionNotHexadecimal", Of("0x"), false}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(TraceTest, ARequestWithoutTheHeaderHasNoTrace) { EXPECT_EQ(TraceIdIn({}), ""); }

TEST(TraceTest, AHeaderThatComesTwiceIsNone) { EXPECT_EQ(TraceIdIn({Of("00"), Of("00")}), ""); }

}  // namespace
}  // namespace synod::api
