// The recipes in other languages against real nodes; each check prints its name when it holds.
#include "tests/integration/cluster_test_base.h"
#include "tests/support/certificates.h"

namespace synod::integration {
namespace {

// Those of the client itself, before nodes that a script plays.
constexpr const char* kOfPython =
    "outcomes\na_node_that_goes\nstrange_answers\nclaims\nendpoints\ntls\ncompacted\n"
    "watch_deadline\na_cache_of_much_trouble\n";
constexpr const char* kOfTypeScript =
    "outcomes\nstrange_answers\nclaims\nendpoints\ntls\ncompacted\na_cache_of_much_trouble\n";
constexpr const char* kRecipes =
    "lock\nrw_lock\nsemaphore\nmulti_lock\nelection\nbarrier\ndouble_barrier\ncounter\n"
    "work_queue\ngroup_and_cache\nlate_grant\nloss\n";

class LanguagesTest : public ClusterTest<3> {
 protected:
  static void ExpectAll(const Arguments& program, const std::string& own) {
    Certificates authority;
    Certificates strangers("of others");
    authority.Issue("node");
    strangers.Issue("node");
    const Finished run = RunProgram(program,
                                    {{"SYNOD_ENDPOINTS", cluster().Endpoints()},
                                     {"SYNOD_TEST_CA", authority.ca_file()},
                                     {"NODE_EXTRA_CA_CERTS", authority.ca_file()},
                                     {"SYNOD_TEST_CERT", authority.cert_file("node")},
                                     {"SYNOD_TEST_KEY", authority.key_file("node")},
                                     {"SYNOD_TEST_STRANGERS_CERT", strangers.cert_file("node")},
                                     {"SYNOD_TEST_STRANGERS_KEY", strangers.key_file("node")}},
                                    {}, std::chrono::minutes(2));
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.out, own + kRecipes);
  }
};

TEST_F(LanguagesTest, EveryRecipeWorksInPython) {
  ExpectAll({"python3", "tests/integration/recipes_check.py"}, kOfPython);
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
  ExpectAll({"node", "--expose-gc", dir.path() + "/tests/integration/recipes_check.js"},
            kOfTypeScript);
}

}  // namespace
}  // namespace synod::integration
