// The directory: who a principal is, and what a user may do.
#include "src/auth/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/base/path.h"
#include "src/base/random.h"

namespace synod::auth {
namespace {

Bytes HashNamed(char c) { return Bytes(kTokenHashBytes, c); }
uint8_t Bits(std::initializer_list<Verb> verbs) {
  uint8_t bits = 0;
  for (const Verb verb : verbs) bits |= static_cast<uint8_t>(verb);
  return bits;
}
Principal WithToken(char c) { return {{}, HashNamed(c), false}; }

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_.Set(Role{"app", {{"/app", Bits({Verb::kRead, Verb::kWrite})}}});
    directory_.Set(Role{"ops", {{"/", Bits({Verb::kAdmin})}}});
    directory_.Set(User{"ann", {"app"}});
    directory_.Set(User{"root", {"ops"}});
  }
  bool Allows(const std::string& user, Verb verb, const std::string& path) {
    return directory_.Allows(user, {verb, path});
  }
  std::string UserAt(const Principal& who, int64_t now) {
    const Result<std::string> user = directory_.UserOf(who, ClusterTime(now));
    if (user)
      return *user;
    EXPECT_EQ(user.error().code, Errc::kUnauthenticated);
    return "";
  }

  Directory directory_;
};

TEST_F(DirectoryTest, APrefixCoversItselfAndWhatIsBelowByComponents) {
  EXPECT_TRUE(Allows("ann", Verb::kRead, "/app"));
  EXPECT_TRUE(Allows("ann", Verb::kWrite, "/app/a/b"));
  EXPECT_FALSE(Allows("ann", Verb::kRead, "/apple"));
  EXPECT_FALSE(Allows("ann", Verb::kRead, "/"));
  EXPECT_FALSE(Allows("ann", Verb::kLock, "/app"));
  EXPECT_FALSE(Allows("ann", Verb::kAdmin, "/app"));
  EXPECT_FALSE(Allows("bob", Verb::kRead, "/app"));
}

TEST_F(DirectoryTest, AdminIncludesTheOtherVerbs) {
  for (const Verb verb : kVerbs) EXPECT_TRUE(Allows("root", verb, "/app/x")) << Name(verb);
}

TEST_F(DirectoryTest, ARoleThatGoesLeavesItsUsersWithoutIt) {
  EXPECT_EQ(directory_.DropRole("app"), std::vector<std::string>{"ann"});
  EXPECT_FALSE(Allows("ann", Verb::kRead, "/app"));
  directory_.Set(Role{"app", {{"/", kAllVerbs}}});
  EXPECT_FALSE(Allows("ann", Verb::kRead, "/app")) << "one of the same name is another one";
  directory_.CheckInvariants();
}

TEST_F(DirectoryTest, ATokenStandsForItsUserUntilItExpires) {
  directory_.Add({TokenId(1), "ann", "", ClusterTime(100), HashNamed('a')});
  directory_.Add({TokenId(2), "root", "", ClusterTime(), HashNamed('b')});
  EXPECT_EQ(UserAt(WithToken('a'), 99), "ann");
  EXPECT_EQ(UserAt(WithToken('a'), 100), "");
  EXPECT_EQ(UserAt(WithToken('b'), 1'000'000), "root");
  EXPECT_EQ(UserAt(WithToken('c'), 0), "");
  EXPECT_EQ(directory_.NextExpiry(), ClusterTime(100));
  EXPECT_EQ(directory_.FirstExpired(ClusterTime(99)), nullptr);
  ASSERT_NE(directory_.FirstExpired(ClusterTime(100)), nullptr);
  directory_.Drop(TokenId(1));
  EXPECT_EQ(directory_.NextExpiry(), std::nullopt);
  EXPECT_EQ(directory_.DropUser("root"), std::vector<TokenId>{TokenId(2)});
  EXPECT_EQ(UserAt(WithToken('b'), 0), "");
  directory_.CheckInvariants();
}

TEST_F(DirectoryTest, ANodeVouchesOnlyForUsersThatThereAre) {
  EXPECT_EQ(UserAt({"ann", {}, false}, 0), "ann");
  EXPECT_EQ(UserAt({"bob", {}, false}, 0), "");
  EXPECT_EQ(UserAt({}, 0), "") << "nobody";
}

TEST_F(DirectoryTest, AnAdministratorHasATokenForEver) {
  EXPECT_FALSE(directory_.HasAdministrator());
  directory_.Add({TokenId(1), "ann", "", ClusterTime(), HashNamed('a')});
  directory_.Add({TokenId(2), "root", "", ClusterTime(5), HashNamed('b')});
  EXPECT_FALSE(directory_.HasAdministrator());
  directory_.Add({TokenId(3), "root", "", ClusterTime(), HashNamed('c')});
  EXPECT_TRUE(directory_.HasAdministrator());
}

TEST(NeedTest, TheNodesOfLocksAreJudgedByTheLock) {
  const auto need = [](Verb verb, const char* path) { return NeedOf(verb, path); };
  EXPECT_EQ(need(Verb::kRead, "/a/b"), (Need{Verb::kRead, "/a/b"}));
  EXPECT_EQ(need(Verb::kRead, "/.synod/locks/a/b"), (Need{Verb::kLock, "/a/b"}));
  EXPECT_EQ(need(Verb::kRead, "/.synod/locks/a/@0000000001"), (Need{Verb::kLock, "/a"}));
  EXPECT_EQ(need(Verb::kAdmin, "/.synod/locks/a/@0000000001"), (Need{Verb::kAdmin, "/a"}));
  EXPECT_EQ(need(Verb::kRead, "/.synod/locks"), (Need{Verb::kLock, "/"}));
  EXPECT_EQ(need(Verb::kRead, "/.synod"), (Need{Verb::kAdmin, "/"}));
  EXPECT_EQ(need(Verb::kRead, "/.synodx"), (Need{Verb::kRead, "/.synodx"}));
}

TEST(RoleTest, IsRefusedWhenItIsNotWellFormed) {
  const auto refused = [](const Role& role) { return Validate(role).has_error(); };
  EXPECT_FALSE(refused({"a", {{"/", 1}, {"/a", 2}}}));
  EXPECT_TRUE(refused({"", {}}));
  EXPECT_TRUE(refused({"a/b", {}}));
  EXPECT_TRUE(refused({std::string(129, 'a'), {}}));
  EXPECT_TRUE(refused({"a", {{"a", 1}}}));
  EXPECT_TRUE(refused({"a", {{"/a", 0}}}));
  EXPECT_TRUE(refused({"a", {{"/a", 16}}}));
  EXPECT_TRUE(refused({"a", {{"/a", 1}, {"/a", 2}}}));
  EXPECT_TRUE(refused({"a", {{"/b", 1}, {"/a", 1}}}));
  EXPECT_TRUE(refused({"a", {{"/.synod/locks", 1}}}));
}

// --- against a model that is too simple to be wrong ---

struct Grant {
  std::string user;
  std::string prefix;
  uint8_t verbs = 0;
};

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 1; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool ModelAllows(const std::vector<Grant>& grants,
                 const std::string& user,
                 Verb verb,
                 const std::string& path) {
  for (const Grant& grant : grants) {
    const std::vector<std::string> prefix = Components(grant.prefix);
    const std::vector<std::string> parts = Components(path);
    bool covers = grant.user == user && prefix.size() <= parts.size();
    for (size_t i = 0; covers && i < prefix.size(); ++i) covers = prefix[i] == parts[i];
    const bool has = (grant.verbs & static_cast<uint8_t>(verb)) != 0 || (grant.verbs & 8) != 0;
    if (covers && has)
      return true;
  }
  return false;
}

std::string RandomPath(Random& random) {
  static constexpr const char* kNames[] = {"a", "ab", "b", "a-b"};
  std::string path;
  for (uint64_t depth = random.Below(4); depth > 0; --depth)
    path.append("/").append(kNames[random.Below(4)]);
  return path.empty() ? "/" : path;
}

class DirectoryModelTest : public testing::TestWithParam<uint64_t> {};

TEST_P(DirectoryModelTest, JudgesAsTheModelDoes) {
  Random random(GetParam());
  for (int round = 0; round < 200; ++round) {
    Directory directory;
    std::vector<Role> roles;
    for (uint64_t i = random.Between(1, 4); i > 0; --i) {
      Role role{"role" + std::to_string(i), {}};
      std::set<std::string> prefixes;
      for (uint64_t n = random.Below(3); n > 0; --n) prefixes.insert(RandomPath(random));
      for (const std::string& prefix : prefixes)
        role.permissions.push_back({prefix, static_cast<uint8_t>(random.Between(1, kAllVerbs))});
      std::sort(role.permissions.begin(), role.permissions.end(),
                [](const auto& a, const auto& b) { return ComparePaths(a.prefix, b.prefix) < 0; });
      roles.push_back(role);
      directory.Set(role);
    }
    std::vector<Grant> grants;
    for (const std::string name : {"ann", "bob"}) {
      User user{name, {}};
      for (const Role& role : roles) {
        if (!random.Chance(50))
          continue;
        user.roles.push_back(role.name);
        for (const Permission& p : role.permissions) grants.push_back({name, p.prefix, p.verbs});
      }
      std::sort(user.roles.begin(), user.roles.end());
      directory.Set(user);
    }
    for (int i = 0; i < 50; ++i) {
      const std::string user = random.Chance(50) ? "ann" : "bob";
      const Verb verb = kVerbs[random.Below(4)];
      const std::string path = RandomPath(random);
      ASSERT_EQ(directory.Allows(user, {verb, path}), ModelAllows(grants, user, verb, path))
          << user << ' ' << Name(verb) << ' ' << path;
    }
    directory.CheckInvariants();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DirectoryModelTest, testing::Range<uint64_t>(0, 10));

}  // namespace
}  // namespace synod::auth
