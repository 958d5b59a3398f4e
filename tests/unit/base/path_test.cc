#include "src/base/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/base/random.h"

namespace synod {
namespace {

using std::string_literals::operator""s;

struct Case {
  const char* name;
  std::string path;
  const char* refused_because = nullptr;  // part of the detail; null: valid
};

class ValidatePathTest : public testing::TestWithParam<Case> {};

TEST_P(ValidatePathTest, FollowsTheRule) {
  const Status status = ValidatePath(GetParam().path);
  if (GetParam().refused_because == nullptr) {
    EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().detail);
    return;
  }
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Errc::kInvalidPath);
  EXPECT_EQ(status.error().outcome, Outcome::kNotApplied);
  EXPECT_NE(status.error().detail.find(GetParam().refused_because), std::string::npos)
      << status.error().detail;
}

std::string Long(size_t bytes) {
  std::string path;
  while (path.size() < bytes)
    path += "/" + std::string(std::min<size_t>(200, bytes - path.size() - 1), 'x');
  return path;
}

INSTANTIATE_TEST_SUITE_P(Paths,
                         ValidatePathTest,
                         testing::Values(
                             // Form.
                             Case{"Root", "/"},
                             Case{"One", "/app"},
                             Case{"Deep", "/app/config/db"},
                             Case{"Empty", "", "begins with '/'"},
                             Case{"Relative", "app", "begins with '/'"},
                             Case{"TrailingSlash", "/app/", "is empty"},
                             Case{"DoubleSlash", "/app//db", "is empty"},
                             Case{"OnlySlashes", "//", "is empty"},
                             // Dots.
                             Case{"Dot", "/.", "'.' and '..'"},
                             Case{"DotDot", "/a/../b", "'.' and '..'"},
                             Case{"ThreeDots", "/..."},
                             Case{"Hidden", "/.synod"},
                             Case{"DotInside", "/a.b"},
                             // Lengths.
                             Case{"LongestComponent", "/" + std::string(255, 'x')},
                             Case{"ComponentTooLong", "/" + std::string(256, 'x'), "255"},
                             Case{"LongestPath", Long(1024)},
                             Case{"PathTooLong", Long(1025), "1024"},
                             // Characters that look like trouble and are none.
                             Case{"Space", "/a b"},
                             Case{"Percent", "/a%2Fb"},
                             Case{"At", "/@7"},
                             Case{"Backslash", "/a\\b"},
                             Case{"Quote", "/\"'"},
                             Case{"Umlaut", "/\xC3\xA4"},
                             Case{"FourBytes", "/\xF0\x9F\x98\x80"},
                             Case{"LastCodePoint", "/\xF4\x8F\xBF\xBF"},
                             Case{"NoBreakSpace", "/\xC2\xA0"},
                             // Control characters.
                             Case{"Nul", "/a\0b"s, "control"},
                             Case{"Newline", "/a\nb", "control"},
                             Case{"UnitSeparator", "/\x1F", "control"},
                             Case{"Delete", "/\x7F", "control"},
                             Case{"FirstC1", "/\xC2\x80", "control"},
                             Case{"LastC1", "/\xC2\x9F", "control"},
                             // Not UTF-8.
                             Case{"LoneContinuation", "/\x80", "UTF-8"},
                             Case{"Overlong", "/\xC0\xAF", "UTF-8"},
                             Case{"OverlongThree", "/\xE0\x80\xAF", "UTF-8"},
                             Case{"OverlongFour", "/\xF0\x80\x80\xAF", "UTF-8"},
                             Case{"Surrogate", "/\xED\xA0\x80", "UTF-8"},
                             Case{"Truncated", "/\xE2\x82", "UTF-8"},
                             Case{"TruncatedBySlash", "/\xE2\x82/x", "UTF-8"},
                             Case{"AboveLast", "/\xF4\x90\x80\x80", "UTF-8"},
                             Case{"FE", "/\xFE", "UTF-8"}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(PathTest, AComponentHasNoSlash) {
  EXPECT_TRUE(ValidateComponent("app").has_value());
  EXPECT_FALSE(ValidateComponent("a/b").has_value());
  EXPECT_FALSE(ValidateComponent("").has_value());
}

TEST(PathTest, ParentAndNameTakeAPathApartAndJoinPutsItTogether) {
  EXPECT_EQ(ParentOf("/"), "/");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(NameOf("/"), "");
  EXPECT_EQ(NameOf("/a/b"), "b");
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
}

TEST(PathTest, WithinIsByComponentNotByPrefix) {
  EXPECT_TRUE(IsWithin("/a/b", "/a"));
  EXPECT_TRUE(IsWithin("/a", "/a"));
  EXPECT_TRUE(IsWithin("/a", "/"));
  EXPECT_TRUE(IsWithin("/", "/"));
  EXPECT_FALSE(IsWithin("/ab", "/a"));
  EXPECT_FALSE(IsWithin("/", "/a"));
  EXPECT_TRUE(IsReserved("/.synod/locks/x"));
  EXPECT_FALSE(IsReserved("/.synodic"));
}

TEST(PathTest, ParentsComeBeforeChildrenAndChildrenBeforeLongerSiblings) {
  const std::vector<std::string> ordered = {"/",    "/a",  "/a/a",  "/a/a/z", "/a/b",     "/a-b",
                                            "/a.b", "/aa", "/aa/a", "/b",     "/\xC3\xA4"};
  for (size_t i = 0; i < ordered.size(); ++i) {
    for (size_t j = 0; j < ordered.size(); ++j) {
      const int c = ComparePaths(ordered[i], ordered[j]);
      EXPECT_EQ(c < 0, i < j) << ordered[i] << " " << ordered[j];
      EXPECT_EQ(c == 0, i == j) << ordered[i] << " " << ordered[j];
    }
  }
}

// The rule as it is written: component by component.
bool ByComponents(const std::string& a, const std::string& b) {
  const auto split = [](const std::string& path) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < path.size() && path != "/";) {
      const size_t end = std::min(path.find('/', i + 1), path.size());
      parts.push_back(path.substr(i + 1, end - i - 1));
      i = end;
    }
    return parts;
  };
  const auto x = split(a);
  const auto y = split(b);
  const auto bytes_less = [](const std::string& s, const std::string& t) {
    return std::lexicographical_compare(s.begin(), s.end(), t.begin(), t.end(), [](char p, char q) {
      return static_cast<uint8_t>(p) < static_cast<uint8_t>(q);
    });
  };
  return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end(), bytes_less);
}

TEST(PathTest, RandomPathsKeepOneOrderInAllThreeForms) {
  Random random(9);
  const std::string alphabet = "ab/./-\x21\x7E\xC3";
  for (int round = 0; round < 20000; ++round) {
    std::string paths[2];
    for (std::string& path : paths) {
      for (uint64_t n = random.Below(5); n > 0; --n) {
        path += '/';
        for (uint64_t m = random.Between(1, 3); m > 0; --m) {
          const char c = alphabet[random.Below(alphabet.size())];
          path += c == '/' ? 'a' : c;
        }
      }
      if (path.empty())
        path = "/";
    }
    const auto& [a, b] = paths;
    const bool less = ComparePaths(a, b) < 0;
    EXPECT_EQ(less, ByComponents(a, b)) << a << " " << b;
    EXPECT_EQ(less, PathOrderKey(a) < PathOrderKey(b)) << a << " " << b;
    EXPECT_EQ(PathFromOrderKey(PathOrderKey(a)), a);
  }
}

}  // namespace
}  // namespace synod
