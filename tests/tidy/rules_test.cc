// Each rule against a planted fault and its innocent look-alike: a rule that finds nothing is none.
#include "tests/tidy/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace synod::tidy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kTable[] =
    "## Folders\n"
    "| folder | what | may include |\n"
    "| --- | --- | --- |\n"
    "| `src/base` | words, `Result` | `boost/system/` |\n"
    "| `src/store` | tree | `src/base` |\n"
    "| `src/net` | sockets | `src/base`, `boost/asio` |\n"
    "## Other\n"
    "| `not/this` | x | `y` |\n";

Sources Files(std::vector<std::pair<std::string, std::string>> files) {
  Sources all;
  for (auto& [path, text] : files) all.push_back(std::make_unique<SourceFile>(path, text));
  return all;
}

Complaints Includes(const std::string& path, const std::string& text) {
  Complaints out;
  CheckIncludes(SourceFile(path, text), ParseIncludeTable(kTable), &out);
  return out;
}

Complaints Judge(void (*rule)(const SourceFile&, Complaints*),
                 const std::string& path,
                 const std::string& text) {
  Complaints out;
  rule(SourceFile(path, text), &out);
  return out;
}

Complaints JudgeAll(void (*rule)(const Sources&, Complaints*),
                    std::vector<std::pair<std::string, std::string>> files) {
  Complaints out;
  rule(Files(std::move(files)), &out);
  return out;
}

TEST(SourceFileTest, BlanksCommentsLiteralsAndDirectives) {
  EXPECT_EQ(StripToCode("a // {\nb"), "a     \nb");
  EXPECT_EQ(StripToCode("a /* {\n} */ b"), "a     \n     b");
  EXPECT_EQ(StripToCode(R"(f("{\"", '{', 1'000);)"), "f(     ,    , 1'000);");
  EXPECT_EQ(StripToCode("x = R\"(\"{)\";"), "x =        ;");
  EXPECT_EQ(StripToCode("#define A {\\\n  }\nb"), "            \n   \nb");
}

TEST(RulesTest, ReadsTheTableOfFolders) {
  const IncludeTable table = ParseIncludeTable(kTable);
  EXPECT_EQ(table.size(), 3U);
  EXPECT_THAT(table.at("src/net"), ElementsAre("src/base", "boost/asio"));
}

TEST(RulesTest, FindsAnIncludeOutsideTheTable) {
  EXPECT_THAT(Includes("src/store/a.cc", "#include \"src/net/b.h\"\n"),
              ElementsAre(HasSubstr("src/store/a.cc:1: src/store may not include src/net/b.h")));
  EXPECT_THAT(Includes("src/store/a.cc", "\n#include <boost/asio.hpp>\n"),
              ElementsAre(HasSubstr("a.cc:2:")));
  EXPECT_THAT(Includes("src/store/a.cc", "#include <leveldb/db.h>\n"),
              ElementsAre(HasSubstr("leveldb/db.h")));
  EXPECT_THAT(Includes("elsewhere/a.cc", ""), ElementsAre(HasSubstr("not in a folder")));
}

TEST(RulesTest, AllowsWhatTheTableAllows) {
  EXPECT_THAT(
      Includes("src/store/a.cc",
               "#include \"src/store/a.h\"\n#include <vector>\n#include \"src/base/x.h\"\n"),
      IsEmpty());
  EXPECT_THAT(
      Includes("src/net/a.cc", "#include <boost/asio/ip/tcp.hpp>\n#include <sys/socket.h>\n"),
      IsEmpty());
}

TEST(RulesTest, FindsAShellHeaderInPureCode) {
  EXPECT_THAT(Includes("src/store/a.cc", "#include <mutex>\n"), ElementsAre(HasSubstr("<mutex>")));
  EXPECT_THAT(Includes("src/store/a.cc", "#include <unistd.h>\n"),
              ElementsAre(HasSubstr("<unistd.h>")));
  EXPECT_THAT(Includes("src/net/a.cc", "#include <mutex>\n"), IsEmpty());
}

TEST(RulesTest, FindsADependencyOfATargetOutsideTheTable) {
  Complaints out;
  CheckTargets(Files({{"src/base/CMakeLists.txt", "synod_module(NAME base SOURCES a.cc)"},
                      {"src/net/CMakeLists.txt", "synod_module(NAME net DEPS synod_base)"},
                      {"src/store/CMakeLists.txt", "synod_module(NAME store DEPS synod_net)"}}),
               ParseIncludeTable(kTable), &out);
  EXPECT_THAT(out, ElementsAre(HasSubstr("src/store may not depend on src/net")));
}

TEST(RulesTest, FindsBannedNamesInPureCodeAndNamesTheReplacement) {
  const auto pure = [](const std::string& text) { return Judge(CheckPure, "lock/a.cc", text); };
  EXPECT_THAT(pure("auto t = std::chrono::steady_clock::now();"),
              ElementsAre(HasSubstr("time comes in as an argument")));
  EXPECT_THAT(pure("std::uniform_int_distribution<int> d;"),
              ElementsAre(HasSubstr("synod::Random")));
  EXPECT_THAT(pure("std::mutex m;"), ElementsAre(HasSubstr("owns threads")));
  EXPECT_THAT(pure("throw 1;"), ElementsAre(HasSubstr("return a Result")));
  EXPECT_THAT(pure("  static int calls = 0;"), ElementsAre(HasSubstr("state belongs")));
  EXPECT_THAT(pure("std::cerr << 1;"), ElementsAre(HasSubstr("return an event")));
  EXPECT_THAT(Judge(CheckPure, "src/net/a.cc", "std::mutex m;"), IsEmpty());
  EXPECT_THAT(Judge(CheckPure, "src/node/engine_reads.cc", "std::mutex m;"),
              ElementsAre(HasSubstr("owns threads")));
}

TEST(RulesTest, LeavesInnocentNamesAlone) {
  EXPECT_THAT(
      Judge(CheckPure, "lock/a.cc",
            "// a mutex would throw\nstatic constexpr int kMax = 3;\nstatic const char* k = \"\";\n"
            "static int Count();\nint retry; int operand(1); std::chrono::milliseconds m;\n"
            "const char* s = \"std::mutex\";\nstatic_assert(sizeof(int) == 4);\n"),
      IsEmpty());
}

TEST(RulesTest, FindsAWalkOverAnUnorderedContainer) {
  const std::string header = "std::unordered_map<int, std::vector<int>> by_id_;\n";
  EXPECT_THAT(JudgeAll(CheckUnorderedIteration,
                       {{"lock/a.h", header}, {"lock/a.cc", "for (auto& [k, v] : by_id_) {}\n"}}),
              ElementsAre(HasSubstr("lock/a.cc:1: walks the unordered container 'by_id_'")));
  EXPECT_THAT(
      JudgeAll(CheckUnorderedIteration, {{"lock/a.h", "boost::unordered_flat_map<int, int> m;"},
                                         {"lock/a.cc", "\nauto it = m.begin();\n"}}),
      ElementsAre(HasSubstr("lock/a.cc:2:")));
  EXPECT_THAT(JudgeAll(CheckUnorderedIteration,
                       {{"lock/a.h", header},
                        {"lock/a.cc", "by_id_.find(3); for (auto& x : ordered_by_id_) {}\n"},
                        {"src/net/b.cc", "std::unordered_map<int,int> m; for (auto& x : m) {}"}}),
              IsEmpty());
}

std::string Lines(int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += "  x();\n";
  return s;
}

TEST(RulesTest, FindsALongFunctionAndItsFirstLine) {
  EXPECT_THAT(
      Judge(CheckFunctionLength, "a.cc",
            "namespace a {\nclass B {\n public:\n  void F() {\n" + Lines(71) + "  }\n};\n}\n"),
      ElementsAre(HasSubstr("a.cc:4: a function of 71 lines")));
  EXPECT_THAT(
      Judge(CheckFunctionLength, "a.cc",
            "template <typename T>\nB<T>::B(int a)\n    : a_{a}, b_(2) {\n" + Lines(80) + "}\n"),
      ElementsAre(HasSubstr("a.cc:3: a function of 80 lines")));
  EXPECT_THAT(
      Judge(CheckFunctionLength, "a.cc", "TEST(A, B) {\n  f([] {\n" + Lines(70) + "  });\n}\n"),
      ElementsAre(HasSubstr("a.cc:1: a function of 72 lines")));
}

TEST(RulesTest, LeavesShortFunctionsAndLongClassesAlone) {
  EXPECT_THAT(Judge(CheckFunctionLength, "a.cc", "void F() {\n" + Lines(70) + "}\n"), IsEmpty());
  EXPECT_THAT(Judge(CheckFunctionLength, "a.cc",
                    "struct A : public B<C> {\n" + Lines(90) + "};\nint table[] = {\n" + Lines(90) +
                        "};\n"),
              IsEmpty());
  EXPECT_THAT(Judge(CheckFunctionLength, "a.cc",
                    "template <typename T>\nclass [[nodiscard]] A {\n" + Lines(90) + "};\n"),
              IsEmpty());
}

TEST(RulesTest, FindsLongLinesTabsAndTrailingBlanks) {
  EXPECT_THAT(Judge(CheckForm, "a.cc", std::string(101, 'x')),
              ElementsAre(HasSubstr("100 columns")));
  EXPECT_THAT(Judge(CheckForm, "a.cc", "\tx\n"), ElementsAre(HasSubstr("a tab")));
  EXPECT_THAT(Judge(CheckForm, "a.md", "x \n"), ElementsAre(HasSubstr("a.md:1: a blank")));
  EXPECT_THAT(Judge(CheckForm, "a.cc", Lines(701)), ElementsAre(HasSubstr("701 lines")));
  EXPECT_THAT(Judge(CheckForm, "a.md", std::string(300, 'x')), IsEmpty());
  // Columns, not bytes: each of these letters has two.
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xC3\xA4";
  EXPECT_THAT(Judge(CheckForm, "a.cc", umlauts), IsEmpty());
}

TEST(RulesTest, FindsAHeaderWithoutContractOrGuard) {
  const std::string good =
      "// A: what.\n//\n// Contract      All.\n#ifndef SYNOD_STORE_A_H_\n#define "
      "SYNOD_STORE_A_H_\n";
  EXPECT_THAT(Judge(CheckHeader, "src/store/a.h", good), IsEmpty());
  EXPECT_THAT(Judge(CheckHeader, "src/store/b.h", good),
              ElementsAre(HasSubstr("SYNOD_STORE_B_H_")));
  EXPECT_THAT(Judge(CheckHeader, "tests/a.h", "// A: what.\n#ifndef SYNOD_TESTS_A_H_\n"),
              IsEmpty());
  EXPECT_THAT(Judge(CheckHeader, "tests/a.h", "#ifndef SYNOD_TESTS_A_H_\n"),
              ElementsAre(HasSubstr("begins with its comment")));
  EXPECT_THAT(Judge(CheckHeader, "lock/a.h", "// A: what.\n#ifndef SYNOD_LOCK_A_H_\n"),
              ElementsAre(HasSubstr("begins with its comment")));
}

TEST(RulesTest, FindsANoteForLaterWithoutAnIssue) {
  EXPECT_THAT(Judge(CheckMarkers, "a.cc",
                    "// TO"
                    "DO: soon\n"),
              ElementsAre(HasSubstr("a.cc:1:")));
  EXPECT_THAT(Judge(CheckMarkers, "a.cc",
                    "// TO"
                    "DO(#12): soon\n"),
              IsEmpty());
  EXPECT_THAT(Judge(CheckMarkers, "a.cc",
                    "// AUTO"
                    "DOCUMENT\n"),
              IsEmpty());
}

TEST(RulesTest, FindsDisabledAndSleepingTests) {
  EXPECT_THAT(Judge(CheckTests, "tests/unit/a_test.cc", "TEST(A, DISABLED_B) {\n"),
              ElementsAre(HasSubstr("disabled")));
  EXPECT_THAT(Judge(CheckTests, "tests/unit/a_test.cc", "  GTEST_SKIP() << 1;\n"),
              ElementsAre(HasSubstr("disabled")));
  EXPECT_THAT(Judge(CheckTests, "tests/unit/a_test.cc", "std::this_thread::sleep_for(x);\n"),
              ElementsAre(HasSubstr("a sleep")));
  EXPECT_THAT(Judge(CheckTests, "tests/integration/a_test.cc", "std::this_thread::sleep_for(x);\n"),
              IsEmpty());
}

TEST(RulesTest, FindsAnUnregisteredSource) {
  EXPECT_THAT(JudgeAll(CheckRegistered, {{"src/a/CMakeLists.txt", "SOURCES one.cc sub/two.cc"},
                                         {"src/a/one.cc", ""},
                                         {"src/a/sub/two.cc", ""},
                                         {"src/a/ne.cc", ""}}),
              ElementsAre(HasSubstr("src/a/ne.cc:1: not named in src/a/CMakeLists.txt")));
}

TEST(RulesTest, FindsADeadLink) {
  EXPECT_THAT(JudgeAll(CheckLinks, {{"docs/a.md", "[x](no_such.md) [y](https://example.org/z)\n"}}),
              ElementsAre(HasSubstr("docs/a.md:1: no such file: no_such.md")));
  EXPECT_THAT(
      JudgeAll(CheckLinks, {{"docs/architecture.md", "# One two\n[x](#one-two) [y](#three)\n"}}),
      ElementsAre(HasSubstr("docs/architecture.md:2: no such heading: #three")));
  EXPECT_THAT(JudgeAll(CheckLinks, {{"src/a.cc", "// see docs/no_such_page.md.\n"}}),
              ElementsAre(HasSubstr("no such page: docs/no_such_page.md")));
}

TEST(RulesTest, FindsADecisionOutsideTheIndex) {
  EXPECT_THAT(JudgeAll(CheckDecisionsIndex, {{"docs/decisions/README.md", "[a](log.md)"},
                                             {"docs/decisions/log.md", ""},
                                             {"docs/decisions/other.md", ""}}),
              ElementsAre(HasSubstr("docs/decisions/other.md:1: not linked")));
}

}  // namespace
}  // namespace synod::tidy
