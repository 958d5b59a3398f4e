// The recipes in other languages against real nodes; each check prints its name when it holds.
#include "tests/integration/cluster_test_base.h"

namespace synod::integration {
namespace {

using LanguagesTest = ClusterTest<3>;

TEST_F(LanguagesTest, EveryRecipeWorksInPython) {
  const Finished run =
      RunProgram({"python3", "tests/integration/recipes_check.py"},
                 {{"SYNOD_ENDPOINTS", cluster().Endpoints()}}, {}, std::chrono::minutes(2));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "lock\nrw_lock\nsemaphore\nmulti_lock\nelection\nbarrier\ndouble_barrier\ncounter\n"
            "work_queue\ngroup_and_cache\nloss\n");
}

}  // namespace
}  // namespace synod::integration
