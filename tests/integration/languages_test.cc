// The recipes in other languages against real nodes; each check prints its name when it holds.
#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

constexpr const char* kAll =
    "outcomes\nlock\nrw_lock\nsemaphore\nmulti_lock\nelection\nbarrier\ndouble_barrier\ncounter\n"
    "work_queue\ngroup_and_cache\nlate_grant\nloss\n";

class LanguagesTest : public ClusterTest<3> {
 protected:
  static void ExpectAllRecipes(const Arguments& program) {
    const Finished run = RunProgram(program, {{"SYNOD_ENDPOINTS", cluster().Endpoints()}}, {},
                                    std::chrono::minutes(2));
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.out, kAll);
  }
};

TEST_F(LanguagesTest, EveryRecipeWorksInPython) {
  ExpectAllRecipes({"python3", "tests/integration/recipes_check.py"});
}

TEST_F(LanguagesTest, EveryRecipeWorksInTypeScript) {
  TempDir dir;
  const Finished compiled =
      RunProgram({"tsc", "--strict", "--target", "es2022", "--module", "es2022",
                  "--moduleResolution", "node", "--lib", "es2022,dom,dom.iterable", "--rootDir",
                  ".", "--outDir", dir.path(), "tests/integration/recipes_check.ts"},
                 {}, {}, std::chrono::minutes(3));
  ASSERT_EQ(compiled.exit_code, 0) << compiled.out << compiled.err;
  WriteFile(dir.path() + "/package.json", R"({"type":"module"})");
  ExpectAllRecipes({"node", "--expose-gc", dir.path() + "/tests/integration/recipes_check.js"});
}

}  // namespace
}  // namespace synod::integration
