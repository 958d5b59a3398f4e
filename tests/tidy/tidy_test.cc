// The repository as it is, against each rule. Runs in the root of the repository.
#include <gtest/gtest.h>

#include <functional>

#include "tests/tidy/rules.h"

namespace synod::tidy {
namespace {

class TidyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { all_ = new Sources(Load()); }
  static void TearDownTestSuite() {
    delete all_;
    all_ = nullptr;
  }

  static const Sources& all() { return *all_; }
  static IncludeTable Table() {
    for (const auto& file : all()) {
      if (file->path == "docs/architecture.md")
        return ParseIncludeTable(file->text);
    }
    return {};
  }
  static void ExpectNone(const Complaints& complaints) {
    for (const std::string& complaint : complaints) ADD_FAILURE() << complaint;
  }
  static void ForEach(const std::function<void(const SourceFile&, Complaints*)>& rule) {
    Complaints complaints;
    for (const auto& file : all()) rule(*file, &complaints);
    ExpectNone(complaints);
  }

 private:
  static Sources* all_;
};

Sources* TidyTest::all_ = nullptr;

TEST_F(TidyTest, SeesTheRepository) {
  EXPECT_GT(all().size(), 50U);
  EXPECT_EQ(Table().size(), 16U);
}

TEST_F(TidyTest, FoldersIncludeOnlyWhatTheTableAllows) {
  const IncludeTable table = Table();
  ForEach([&](const SourceFile& f, Complaints* out) { CheckIncludes(f, table, out); });
}

TEST_F(TidyTest, TargetsDependOnlyOnWhatTheTableAllows) {
  Complaints complaints;
  CheckTargets(all(), Table(), &complaints);
  ExpectNone(complaints);
}

TEST_F(TidyTest, PureCodeNamesNoClockThreadFileOrEntropy) { ForEach(CheckPure); }

TEST_F(TidyTest, PureCodeWalksNoUnorderedContainer) {
  Complaints complaints;
  CheckUnorderedIteration(all(), &complaints);
  ExpectNone(complaints);
}

TEST_F(TidyTest, FunctionsFitOneScreen) {
  ForEach([](const SourceFile& f, Complaints* out) {
    if (f.IsCpp())
      CheckFunctionLength(f, out);
  });
}

TEST_F(TidyTest, LinesAndFilesKeepTheirLimits) { ForEach(CheckForm); }

TEST_F(TidyTest, HeadersBeginWithTheirContract) { ForEach(CheckHeader); }

TEST_F(TidyTest, NotesForLaterNameAnIssue) { ForEach(CheckMarkers); }

TEST_F(TidyTest, NoTestIsDisabledOrSleeps) { ForEach(CheckTests); }

TEST_F(TidyTest, EverySourceIsRegistered) {
  Complaints complaints;
  CheckRegistered(all(), &complaints);
  ExpectNone(complaints);
}

TEST_F(TidyTest, EveryLinkLeadsSomewhere) {
  Complaints complaints;
  CheckLinks(all(), &complaints);
  ExpectNone(complaints);
}

TEST_F(TidyTest, EveryDecisionIsInTheIndex) {
  Complaints complaints;
  CheckDecisionsIndex(all(), &complaints);
  ExpectNone(complaints);
}

}  // namespace
}  // namespace synod::tidy
