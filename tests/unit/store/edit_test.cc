// The effects of single operations and of edits, one rule of the contract at a time.
#include "tests/unit/store/store_fixture.h"

namespace synod::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class EditTest : public StoreTest {};

TEST_F(EditTest, TheRootExistsFromTheStartWithAllNumbersZero) {
  const NodeRef root = tree_.Find("/");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->value.view(), "");
  EXPECT_EQ(root->version, 0u);
  EXPECT_EQ(root->create_revision, Revision(0));
  EXPECT_EQ(root->mod_revision, Revision(0));
  EXPECT_EQ(root->children_revision, Revision(0));
  EXPECT_EQ(root->num_children, 0u);
  EXPECT_EQ(root->lease, LeaseId(0));
}

TEST_F(EditTest, PutCreatesANodeOfVersionOne) {
  const RevisionRef r = Put("/a", "x");
  EXPECT_THAT(Describe(r), ElementsAre("put /a x"));
  const NodeRef a = tree_.Find("/a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->version, 1u);
  EXPECT_EQ(a->create_revision, Revision(1));
  EXPECT_EQ(a->mod_revision, Revision(1));
  EXPECT_EQ(a->children_revision, Revision(0));
}

TEST_F(EditTest, PutReplacesAndKeepsTheCreateRevision) {
  Put("/a", "x");
  Edit edit = Begin();
  const auto put = edit.Put("/a", Value("y"), std::nullopt, kAny);
  ASSERT_TRUE(put.has_value());
  EXPECT_EQ(put->prev->value.view(), "x");
  EXPECT_EQ(put->node->value.view(), "y");
  EXPECT_THAT(Describe(edit.Commit(now_)), ElementsAre("put /a y was x"));
  EXPECT_EQ(tree_.Find("/a")->version, 2u);
  EXPECT_EQ(tree_.Find("/a")->create_revision, Revision(1));
  EXPECT_EQ(tree_.Find("/a")->mod_revision, Revision(2));
}

TEST_F(EditTest, MissingParentsAreMadeEmptyInTheSameRevisionAndAreChanges) {
  const RevisionRef r = Put("/a/b/c", "x");
  EXPECT_THAT(Describe(r), ElementsAre("put /a ", "put /a/b ", "put /a/b/c x"));
  for (const char* path : {"/a", "/a/b"}) {
    const NodeRef node = tree_.Find(path);
    EXPECT_EQ(node->version, 1u);
    EXPECT_EQ(node->create_revision, Revision(1));
    EXPECT_EQ(node->num_children, 1u);
    EXPECT_EQ(node->children_revision, Revision(1));
  }
  EXPECT_EQ(tree_.Find("/")->num_children, 1u);
  EXPECT_EQ(tree_.Find("/")->children_revision, Revision(1));
}

TEST_F(EditTest, AParentIsNotChangedByItsChildrenButCountsThem) {
  Put("/a", "x");
  EXPECT_THAT(Describe(Put("/a/b", "y")), ElementsAre("put /a/b y"));
  EXPECT_EQ(tree_.Find("/a")->mod_revision, Revision(1));
  EXPECT_EQ(tree_.Find("/a")->children_revision, Revision(2));
  Put("/a/b", "z");
  EXPECT_EQ(tree_.Find("/a")->children_revision, Revision(2));
  EXPECT_THAT(Describe(Delete("/a/b")), ElementsAre("delete /a/b was z"));
  EXPECT_EQ(tree_.Find("/a")->children_revision, Revision(4));
  EXPECT_EQ(tree_.Find("/a")->num_children, 0u);
}

TEST_F(EditTest, ARolledBackEditLeavesNoTrace) {
  Put("/a", "x");
  const Digest before = tree_.digest();
  {
    Edit edit = Begin();
    ASSERT_TRUE(edit.Put("/b/c", Value("y"), std::nullopt, kAny).has_value());
    ASSERT_TRUE(edit.Delete("/a", false, kAny, false).has_value());
    EXPECT_TRUE(tree_.Find("/a"));
    EXPECT_FALSE(tree_.Find("/b"));
    EXPECT_FALSE(edit.Find("/a"));
    EXPECT_TRUE(edit.Find("/b/c"));
  }
  EXPECT_EQ(tree_.digest(), before);
  EXPECT_EQ(tree_.last_revision(), Revision(1));
  EXPECT_THAT(List("/"), ElementsAre("/a"));
  tree_.CheckInvariants();
}

TEST_F(EditTest, NothingIsHeldOfWhatWasCreatedAndDeletedWithin) {
  Edit edit = Begin();
  ASSERT_TRUE(edit.Put("/a", Value("x"), std::nullopt, kAny).has_value());
  ASSERT_TRUE(edit.Delete("/a", false, kAny, false).has_value());
  EXPECT_THAT(Describe(edit.Commit(now_)), IsEmpty());
  EXPECT_FALSE(tree_.Find("/a"));
  EXPECT_EQ(tree_.Find("/")->num_children, 0u);
  tree_.CheckInvariants();
}

TEST_F(EditTest, PrevIsFromBeforeTheEditAndVersionCountsEveryWrite) {
  Put("/a", "0");
  Edit edit = Begin();
  for (const char* v : {"1", "2", "3"})
    ASSERT_TRUE(edit.Put("/a", Value(v), std::nullopt, kAny).has_value());
  EXPECT_THAT(Describe(edit.Commit(now_)), ElementsAre("put /a 3 was 0"));
  EXPECT_EQ(tree_.Find("/a")->version, 4u);
}

TEST_F(EditTest, DeletedAndMadeAgainWithinIsAPutOfVersionOne) {
  Put("/a", "0");
  Edit edit = Begin();
  ASSERT_TRUE(edit.Delete("/a", false, kAny, false).has_value());
  ASSERT_TRUE(edit.Put("/a", Value("1"), std::nullopt, kAny).has_value());
  EXPECT_THAT(Describe(edit.Commit(now_)), ElementsAre("put /a 1 was 0"));
  EXPECT_EQ(tree_.Find("/a")->version, 1u);
  EXPECT_EQ(tree_.Find("/a")->create_revision, Revision(2));
  tree_.CheckInvariants();
}

TEST_F(EditTest, ARevisionThatTouchesNoNodeIsUsedUpAllTheSame) {
  Edit edit = Begin();
  EXPECT_TRUE(edit.Empty());
  const RevisionRef r = edit.Commit(now_);
  EXPECT_EQ(r->revision, Revision(1));
  EXPECT_THAT(r->changes, IsEmpty());
  EXPECT_EQ(tree_.last_revision(), Revision(1));
  EXPECT_EQ(tree_.HistoryAt(Revision(1)), nullptr);
}

struct PreconditionCase {
  const char* name;
  Precondition precondition;
  bool on_present;  // of version 2 and mod_revision 2
  bool on_absent;
  bool on_root;  // never written
};

class PreconditionTest : public StoreTest, public testing::WithParamInterface<PreconditionCase> {};

constexpr PreconditionCase kPreconditions[] = {
    {"None", {Precondition::Kind::kNone, 0}, true, true, true},
    {"IfMatchRight", {Precondition::Kind::kModRevision, 2}, true, false, false},
    {"IfMatchWrong", {Precondition::Kind::kModRevision, 1}, false, false, false},
    {"IfMatchZero", {Precondition::Kind::kModRevision, 0}, false, false, true},
    {"IfMatchAny", {Precondition::Kind::kExists, 0}, true, false, true},
    {"IfNoneMatchAny", {Precondition::Kind::kAbsent, 0}, false, true, false},
    {"IfVersionRight", {Precondition::Kind::kVersion, 2}, true, false, false},
    {"IfVersionWrong", {Precondition::Kind::kVersion, 1}, false, false, false},
    {"IfVersionZero", {Precondition::Kind::kVersion, 0}, false, true, false},
};

TEST_P(PreconditionTest, DecidesAPut) {
  Put("/present", "1");
  Put("/present", "2");
  const auto puts = [&](const char* path) {
    Edit edit = Begin();
    const auto put = edit.Put(path, Value("new"), std::nullopt, GetParam().precondition);
    if (!put) {
      EXPECT_EQ(put.error().code, Errc::kPreconditionFailed);
      EXPECT_TRUE(edit.Empty());
    }
    return put.has_value();
  };
  EXPECT_EQ(puts("/present"), GetParam().on_present);
  EXPECT_EQ(puts("/absent"), GetParam().on_absent);
  EXPECT_EQ(puts("/"), GetParam().on_root);
}

TEST_P(PreconditionTest, DecidesADelete) {
  Put("/present", "1");
  Put("/present", "2");
  const auto deletes = [&](const char* path, bool recursive) {
    Edit edit = Begin();
    const auto gone = edit.Delete(path, recursive, GetParam().precondition, false);
    return gone ? Errc::kOk : gone.error().code;
  };
  EXPECT_EQ(deletes("/present", false),
            GetParam().on_present ? Errc::kOk : Errc::kPreconditionFailed);
  // A condition that holds of an absent node still leaves nothing to delete.
  EXPECT_EQ(deletes("/absent", false),
            GetParam().on_absent ? Errc::kNotFound : Errc::kPreconditionFailed);
  EXPECT_EQ(deletes("/", false), GetParam().on_root ? Errc::kNotEmpty : Errc::kPreconditionFailed);
  EXPECT_EQ(deletes("/", true), GetParam().on_root ? Errc::kOk : Errc::kPreconditionFailed);
}

INSTANTIATE_TEST_SUITE_P(Rules,
                         PreconditionTest,
                         testing::ValuesIn(kPreconditions),
                         [](const auto& rule) { return std::string(rule.param.name); });

TEST_F(EditTest, PutKeepsTheLeaseUnlessTold) {
  Put("/a", "x", LeaseId(7));
  const auto lease_after = [&](std::optional<LeaseId> lease) {
    Edit edit = Begin();
    EXPECT_TRUE(edit.Put("/a", Value("y"), lease, kAny).has_value());
    edit.Commit(now_);
    return tree_.Find("/a")->lease;
  };
  EXPECT_EQ(lease_after(std::nullopt), LeaseId(7));
  EXPECT_EQ(lease_after(LeaseId(8)), LeaseId(8));
  EXPECT_EQ(lease_after(LeaseId(0)), LeaseId(0));
}

TEST_F(EditTest, ANodeWithALeaseTakesNoChildren) {
  Put("/a", "x", LeaseId(7));
  Edit edit = Begin();
  const auto put = edit.Put("/a/b/c", Value("y"), std::nullopt, kAny);
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code, Errc::kLeasedParent);
  const auto sequential = edit.CreateSequential("/a/", Value("y"), LeaseId(0));
  ASSERT_FALSE(sequential.has_value());
  EXPECT_EQ(sequential.error().code, Errc::kLeasedParent);
  EXPECT_TRUE(edit.Empty());
}

TEST_F(EditTest, ANodeWithChildrenTakesNoLeaseNorDoesTheRoot) {
  Put("/a/b", "x");
  for (const char* path : {"/a", "/"}) {
    Edit edit = Begin();
    const auto put = edit.Put(path, Value("y"), LeaseId(7), kAny);
    ASSERT_FALSE(put.has_value());
    EXPECT_EQ(put.error().code, Errc::kLeasedParent);
  }
}

TEST_F(EditTest, DeleteOfANodeWithChildrenMustBeRecursive) {
  Put("/a/b", "x");
  Put("/a-b", "beside");
  Put("/a/c/d", "y");
  {
    Edit edit = Begin();
    const auto gone = edit.Delete("/a", false, kAny, false);
    ASSERT_FALSE(gone.has_value());
    EXPECT_EQ(gone.error().code, Errc::kNotEmpty);
  }
  Edit edit = Begin();
  const auto gone = edit.Delete("/a", true, kAny, true);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->deleted, 4u);
  EXPECT_THAT(Paths(gone->prev), ElementsAre("/a", "/a/b", "/a/c", "/a/c/d"));
  EXPECT_THAT(Describe(edit.Commit(now_)), ElementsAre("delete /a was ", "delete /a/b was x",
                                                       "delete /a/c was ", "delete /a/c/d was y"));
  EXPECT_THAT(List("/"), ElementsAre("/a-b"));
  tree_.CheckInvariants();
}

TEST_F(EditTest, DeletingTheRootEmptiesTheTreeAndLeavesTheServicesOwn) {
  Put("/.synod/locks/x", "held");
  Put("/a/b", "x");
  Put("/z", "y");
  Put("/", "root value");
  Edit edit = Begin();
  const auto gone = edit.Delete("/", true, kAny, true);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->deleted, 3u);
  EXPECT_THAT(Paths(gone->prev), ElementsAre("/a", "/a/b", "/z"));
  edit.Commit(now_);
  EXPECT_TRUE(tree_.Find("/.synod/locks/x"));
  EXPECT_EQ(tree_.Find("/")->num_children, 1u);
  EXPECT_EQ(tree_.Find("/")->children_revision, Revision(5));
  EXPECT_EQ(tree_.Find("/")->value.view(), "root value");
  EXPECT_THAT(List("/"), IsEmpty());
  EXPECT_THAT(List("/.synod"), ElementsAre("/.synod/locks", "/.synod/locks/x"));
  tree_.CheckInvariants();
}

TEST_F(EditTest, TheServicesOwnSubtreeIsDeletedWhenNamed) {
  Put("/.synod/locks/x", "held");
  Delete("/.synod/locks", true);
  EXPECT_THAT(List("/.synod"), IsEmpty());
  EXPECT_TRUE(tree_.Find("/.synod"));
}

TEST_F(EditTest, SequentialNamesCountFromOnePerParentAndOnlyGrow) {
  const auto create = [&](const char* prefix) {
    Edit edit = Begin();
    const auto path = edit.CreateSequential(prefix, Value("v"), LeaseId(0));
    edit.Commit(now_);
    return path ? *path : Name(path.error().code).data();
  };
  EXPECT_EQ(create("/q/job-"), "/q/job-0000000001");
  EXPECT_EQ(create("/q/job-"), "/q/job-0000000002");
  Delete("/q/job-0000000002");
  EXPECT_EQ(create("/q/"), "/q/0000000003");
  EXPECT_EQ(create("/p/"), "/p/0000000001");
  EXPECT_EQ(create("/"), "/0000000001");
  Put("/q", "written");
  EXPECT_EQ(create("/q/x"), "/q/x0000000004");
  Delete("/q", true);
  EXPECT_EQ(create("/q/job-"), "/q/job-0000000001");
}

TEST_F(EditTest, SequentialNamesStepOverThoseMadeByHand) {
  Put("/q/0000000001", "mine");
  Put("/q/0000000002", "mine");
  Edit edit = Begin();
  const auto path = edit.CreateSequential("/q/", Value("v"), LeaseId(0));
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(*path, "/q/0000000003");
}

TEST_F(EditTest, OneRevisionChangesTenThousandNodesAndNoMore) {
  Edit edit = Begin();
  for (int i = 0; i < 9'999; ++i)
    ASSERT_TRUE(edit.CreateSequential("/q/", Value(""), LeaseId(0)).has_value());
  const auto one_more = edit.CreateSequential("/q/", Value(""), LeaseId(0));
  ASSERT_FALSE(one_more.has_value());
  EXPECT_EQ(one_more.error().code, Errc::kTooLarge);
  // What was changed already costs nothing more.
  EXPECT_TRUE(edit.Put("/q/0000000001", Value("x"), std::nullopt, kAny).has_value());
  EXPECT_EQ(edit.Commit(now_)->changes.size(), 10'000u);
  Put("/q/extra", "");
  Edit large = Begin();
  const auto gone = large.Delete("/q", true, kAny, false);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, Errc::kTooLarge);
  EXPECT_TRUE(large.Empty());
}

TEST_F(EditTest, OneRevisionChangesSixteenMebibytesAndNoMore) {
  const std::string mebibyte(size_t{1} << 20, 'x');
  {
    Edit edit = Begin();
    for (int i = 0; i < 15; ++i)
      ASSERT_TRUE(edit.Put(JoinPath("/", std::to_string(i)), Value(mebibyte), std::nullopt, kAny)
                      .has_value());
    const auto one_more = edit.Put("/15", Value(mebibyte), std::nullopt, kAny);
    ASSERT_FALSE(one_more.has_value());
    EXPECT_EQ(one_more.error().code, Errc::kTooLarge);
    EXPECT_FALSE(edit.Find("/15"));
    // Rewriting a node of this edit costs the difference alone.
    EXPECT_TRUE(edit.Put("/0", Value(mebibyte), std::nullopt, kAny).has_value());
    edit.Commit(now_);
  }
  Put("/15", mebibyte);
  Edit edit = Begin();
  const auto gone = edit.Delete("/", true, kAny, false);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, Errc::kTooLarge);
}

TEST_F(EditTest, ChangesCarryTheCauseThatWasSetLast) {
  Put("/a", "x");
  Put("/b", "y");
  Edit edit = Begin();
  edit.SetCause(Cause::kExpired);
  ASSERT_TRUE(edit.Delete("/a", false, kAny, false).has_value());
  edit.SetCause(Cause::kReleased);
  ASSERT_TRUE(edit.Delete("/b", false, kAny, false).has_value());
  EXPECT_THAT(Describe(edit.Commit(now_)),
              ElementsAre("delete /a was x (expired)", "delete /b was y (released)"));
}

TEST_F(EditTest, ListsShowTheEditsOwnEffects) {
  Put("/a/1", "x");
  Put("/a/2", "x");
  Edit edit = Begin();
  ASSERT_TRUE(edit.Delete("/a/1", false, kAny, false).has_value());
  ASSERT_TRUE(edit.Put("/a/3", Value("y"), std::nullopt, kAny).has_value());
  const auto list = edit.List("/a", ListScope::kChildren, 10, "");
  ASSERT_TRUE(list.has_value());
  EXPECT_THAT(Paths(list->nodes), ElementsAre("/a/2", "/a/3"));
  EXPECT_THAT(List("/a"), ElementsAre("/a/1", "/a/2"));
  const auto absent = edit.List("/b", ListScope::kChildren, 10, "");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code, Errc::kNotFound);
}

}  // namespace
}  // namespace synod::store
