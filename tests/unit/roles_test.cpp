// G8: who may be mirrored to whom. Every order of mounts, promotions and changes of direction among
// three trees, up to six steps, against a model that knows whose data is newer.
//
// The mutants: a promoted replica that is taken for a replica; a generation that is not counted up;
// a source whose record says «replica» and that is not asked about.
#include "engine/journal/roles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "mirrorfs/removal_limit.h"

namespace mirrorfs::journal {
namespace {

constexpr int kTrees = 3;

TreeIdentity identity(int tree) {
  TreeIdentity identity;
  identity.inode = static_cast<std::uint64_t>(100 + tree);
  identity.birth_seconds = 10;
  identity.path = std::string(1, static_cast<char>('A' + tree));
  return identity;
}

struct Step {
  enum class Kind { kMount, kPromote } kind;
  int from = 0, to = 0;  ///< kPromote: `from`
  [[nodiscard]] std::string text() const {
    const std::string first(1, static_cast<char>('A' + from));
    if (kind == Kind::kPromote) return "promote " + first;
    return first + "->" + static_cast<char>('A' + to);
  }
};

/// What the trees' records say, and, apart from it, who has whose data.
class World {
 public:
  /// Whether a mount was accepted.
  bool mount(int from, int to) {
    Roles roles;
    roles.source = facts(from);
    roles.replica = facts(to);
    roles.now = {now_, 0};
    const auto ruling = rule(roles);
    if (!ruling) return false;
    ++now_;
    if (ruling->promotes_source) make_source(from);
    auto& source = records_[index(from)];
    if (source && source->role == Role::kSource) source->used = {now_, 0};
    PairRecord record = ruling->record;
    record.own = identity(to);
    record.peer = identity(from);
    records_[index(to)] = record;
    ++now_;
    // Applications write to the source while it is mounted.
    used_[index(from)] = now_;
    filled_[index(from)] = filled_[index(to)] = true;
    ++now_;
    used_[index(to)] = chosen_[index(to)] = 0;  // what it had is replaced, or kept aside
    has_[index(to)] = has_[index(from)];
    has_[index(to)][index(from)] = now_;
    return true;
  }

  bool promote(int tree) {
    if (!records_[index(tree)]) return false;
    chosen_[index(tree)] = ++now_;
    make_source(tree);
    return true;
  }

  /// The replica-to-be was written to since the source got its data, and nobody has said since
  /// that the source is the one to keep.
  [[nodiscard]] bool would_destroy_newer(int from, int to) const {
    const int newest = std::max(used_[index(to)], chosen_[index(to)]);
    // Without a record nothing tells but ctimes: what is newer is kept aside.
    if (newest == 0 || !records_[index(to)]) return false;
    return has_[index(from)][index(to)] < newest && chosen_[index(from)] < newest;
  }
  [[nodiscard]] int peer_of(int tree) const {
    return static_cast<int>(records_[index(tree)]->peer.inode) - 100;
  }
  [[nodiscard]] bool is_replica_of_another(int tree, int source) const {
    const auto& record = records_[index(tree)];
    return record && record->role == Role::kReplica && !record->peer.same_tree(identity(source));
  }
  void fill(int tree) { filled_[index(tree)] = true; }

 private:
  static std::size_t index(int tree) { return static_cast<std::size_t>(tree); }
  [[nodiscard]] TreeFacts facts(int tree) const {
    return {.identity = identity(tree),
            .record = records_[index(tree)],
            .ctime = {},
            .empty = !filled_[index(tree)]};
  }
  /// As promote_tree() does: the highest generation that this machine knows, and one.
  void make_source(int tree) {
    PairRecord& record = *records_[index(tree)];
    std::uint64_t highest = record.generation;
    for (const auto& other : records_) {
      if (other && other->pair_id == record.pair_id) highest = std::max(highest, other->generation);
    }
    record.generation = highest + 1;
    record.role = Role::kSource;
    record.role_since = record.used = {now_, 0};
  }

  int now_ = 1;
  std::array<std::optional<PairRecord>, kTrees> records_;
  std::array<bool, kTrees> filled_{};
  std::array<int, kTrees> used_{}, chosen_{};
  std::array<std::array<int, kTrees>, kTrees> has_{};  ///< [tree][other]: other's data as of then
};

std::vector<Step> all_steps() {
  std::vector<Step> steps;
  for (int from = 0; from < kTrees; ++from) {
    for (int to = 0; to < kTrees; ++to) {
      if (from != to) steps.push_back({Step::Kind::kMount, from, to});
    }
    steps.push_back({Step::Kind::kPromote, from, from});
  }
  return steps;
}

std::uint64_t visited = 0, accepted = 0;

void explore(const World& world, const std::string& story, int depth) {
  if (depth == 0) return;
  for (const Step& step : all_steps()) {
    World next = world;
    const std::string told = story + " " + step.text();
    ++visited;
    if (step.kind == Step::Kind::kPromote) {
      if (!next.promote(step.from)) continue;
      // The way back needs nothing else, unless the other side has a source of its own by now.
      World back = next;
      const int peer = next.peer_of(step.from);
      if (!next.is_replica_of_another(peer, step.from)) {
        ASSERT_TRUE(back.mount(step.from, peer)) << told << ", then the way back";
      }
    } else {
      const bool harmful = world.would_destroy_newer(step.from, step.to);
      const bool done = next.mount(step.from, step.to);
      ASSERT_FALSE(done && harmful) << told << ": newer data would be destroyed";
      if (!done) continue;
      ++accepted;
      World again = next;
      ASSERT_TRUE(again.mount(step.from, step.to)) << told << ", then the same again";
    }
    explore(next, told, depth - 1);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Roles, G8NoOrderOfFailoversDestroysNewerData) {
  World world;
  world.fill(0);
  explore(world, "", 5);
  EXPECT_GT(visited, 1000U);
  EXPECT_GT(accepted, 100U);
}

TreeFacts tree(int number, bool empty = false) {
  return {.identity = identity(number), .record = {}, .ctime = {}, .empty = empty};
}

TreeFacts replica_of(int source, int number) {
  TreeFacts facts = tree(number);
  facts.record.emplace();
  facts.record->pair_id = "p";
  facts.record->own = identity(number);
  facts.record->peer = identity(source);
  return facts;
}

Roles roles_of(TreeFacts source, TreeFacts replica) {
  Roles roles;
  roles.source = std::move(source);
  roles.replica = std::move(replica);
  return roles;
}

std::string refusal(const Roles& roles) {
  const auto ruling = rule(roles);
  return ruling ? std::string("(accepted)") : ruling.error();
}

TEST(Roles, G8AnEmptySourceIsAskedForItsDiskAndNothingIsAdvisedThatWipes) {
  const std::string line = refusal(roles_of(tree(2, true), replica_of(0, 1)));
  EXPECT_NE(line.find("mounted?"), std::string::npos) << line;
  EXPECT_EQ(line.find("--adopt"), std::string::npos) << line;
}

/// The mutants: an adoption that goes on where the source is empty, or is another one.
TEST(Roles, G8AdoptHasNoEffectWhereThePairExistsAndNothingElseGetsThrough) {
  Roles roles = roles_of(tree(0), replica_of(0, 1));
  roles.adopt = roles.mounts = true;
  const auto ruling = rule(roles);
  ASSERT_TRUE(ruling) << ruling.error();
  EXPECT_EQ(ruling->kind, Ruling::Kind::kKnownPair);
  roles.source.empty = true;
  EXPECT_NE(refusal(roles).find("mounted?"), std::string::npos) << refusal(roles);
  roles.replica.empty = true;
  EXPECT_EQ(refusal(roles), "(accepted)") << "both are empty: there is nothing to lose";
  roles.replica.empty = false;
  roles.mounts = false;
  EXPECT_EQ(refusal(roles), "(accepted)") << "of a sync: --max-delete has to decide";
  roles.mounts = true;
  roles.source = tree(2, true);  // the disk is not mounted, and adopt still stands in fstab
  EXPECT_NE(refusal(roles).find("mounted?"), std::string::npos) << refusal(roles);
  roles.source = tree(2);
  EXPECT_NE(refusal(roles).find("another source"), std::string::npos) << refusal(roles);
  roles.source = tree(0);
  roles.replica.record->role = Role::kSource;  // promoted
  EXPECT_NE(refusal(roles).find("newer than"), std::string::npos) << refusal(roles);
}

TEST(Roles, G8AdoptHasNoEffectAfterTheRolesTurnedEither) {
  Roles roles = roles_of(replica_of(1, 0), tree(1));
  roles.adopt = roles.mounts = true;
  EXPECT_NE(refusal(roles).find("mirrorctl promote"), std::string::npos) << refusal(roles);
  roles.source.record->role = Role::kSource;
  const auto ruling = rule(roles);
  ASSERT_TRUE(ruling) << ruling.error();
  EXPECT_EQ(ruling->kind, Ruling::Kind::kTurned);
  roles.source.empty = true;
  EXPECT_NE(refusal(roles).find("mounted?"), std::string::npos) << refusal(roles);
}

TEST(Roles, G8AKnownReplicaWithoutItsRecordIsAskedForItsDisk) {
  Roles roles = roles_of(tree(0), tree(1, true));
  roles.known_here = replica_of(0, 1).record;
  for (const bool mounts : {true, false}) {
    roles.mounts = mounts;
    roles.known_here->own.filesystem = "aa";
    roles.replica.identity.filesystem = "bb";  // of the directory that it is mounted on
    for (const int source : {0, 2}) {
      roles.source = tree(source);
      for (const bool adopt : {false, true}) {
        roles.adopt = adopt;
        EXPECT_NE(refusal(roles).find("mounted?"), std::string::npos) << refusal(roles);
      }
    }
    roles.adopt = false;
    roles.replica.identity.filesystem = "aa";
    EXPECT_EQ(refusal(roles), "(accepted)") << "another source, and the disk is there";
    roles.source = tree(0);
    EXPECT_EQ(refusal(roles) == "(accepted)", !mounts) << refusal(roles);
  }
  roles.replica.empty = false;
  EXPECT_NE(refusal(roles).find("mounted?"), std::string::npos) << refusal(roles);
}

TEST(Roles, G8ASourceThatWentBackIsNotMirrored) {
  Roles roles = roles_of(tree(0), replica_of(0, 1));
  roles.now = {1000, 0};
  roles.replica.record->peer_ctime = {500, 7};
  roles.source.ctime = {500, 6};
  EXPECT_NE(refusal(roles).find("older"), std::string::npos) << refusal(roles);
  roles.source.ctime = {500, 7};
  EXPECT_EQ(refusal(roles), "(accepted)");
  roles.source.ctime = {400, 0};
  roles.now = {450, 0};  // the clock was set back: ctimes say nothing
  EXPECT_EQ(refusal(roles), "(accepted)");
}

TEST(Roles, G8ASourceOnAnotherDiskHasToBeAsItWasLeft) {
  Roles roles = roles_of(tree(0), replica_of(0, 1));
  roles.now = {1000, 0};
  roles.replica.record->peer_ctime = {500, 7};
  roles.replica.record->peer.device = "serial=1";
  roles.replica.record->session.ended = true;
  roles.source.identity.device = "serial=2";
  roles.source.ctime = {500, 7};  // the disk was replaced by a copy
  EXPECT_EQ(refusal(roles), "(accepted)");
  roles.source.ctime = {600, 0};  // an older clone that has been used since
  EXPECT_NE(refusal(roles).find("clone"), std::string::npos) << refusal(roles);
  roles.source.identity.device = "serial=1";
  EXPECT_EQ(refusal(roles), "(accepted)");
}

TEST(Roles, G8IdentityIsTheFilesystemAndTheHandleAndTheBirth) {
  TreeIdentity a = identity(0);
  a.filesystem = "aa";
  a.handle = "1:00";
  TreeIdentity b = a;
  b.path = "elsewhere";
  b.filesystem_id = 77;
  EXPECT_TRUE(a.same_tree(b));
  b.filesystem = "bb";  // another disk that was formatted in the same second
  EXPECT_FALSE(a.same_tree(b));
  b.filesystem = "";  // a kernel that cannot tell
  EXPECT_TRUE(a.same_tree(b));
  b.handle = "1:01";
  EXPECT_FALSE(a.same_tree(b));
}

TEST(Roles, TheFirstWriteToALowerLayerDoesNotMakeAnotherSource) {
  TreeIdentity a = identity(0);
  a.overlay = true;
  TreeIdentity b = a;
  b.birth_seconds = 99;
  b.handle = "1:99";
  EXPECT_TRUE(a.same_tree(b));
}

TEST(Roles, ARecordIsReadAsItWasWritten) {
  PairRecord record = *replica_of(0, 1).record;
  record.role = Role::kSource;
  record.generation = 7;
  record.peer.path = "/with \xff and %25";
  record.inner_mounts = {"a/b", "\xfe"};
  record.session = {
      .nonce = "n", .ended = true, .time = {5, 6}, .source_since = {7, 8}, .host = "h"};
  const auto again = pair_record_from(to_text(record));
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(to_text(*again), to_text(record));
  EXPECT_EQ(again->peer.path, record.peer.path);
  EXPECT_EQ(again->inner_mounts, record.inner_mounts);
}

TEST(Roles, ARecordOfTheFirstVersionIsOfAReplica) {
  const auto old =
      pair_record_from(R"({"version":1,"pair_id":"x","source":{"inode":100,"birth_seconds":10,)"
                       R"("birth_nanoseconds":0,"filesystem":1,"path":"/s"}})");
  ASSERT_TRUE(old) << old.error();
  EXPECT_EQ(old->role, Role::kReplica);
  EXPECT_TRUE(old->peer.same_tree(identity(0)));
}

TEST(RemovalLimit, IsANumberOrAPercentage) {
  EXPECT_EQ(parse_removal_limit("12")->count, 12U);
  EXPECT_EQ(parse_removal_limit("50%")->percent, 50.0);
  for (const char* bad : {"", "%", "101%", "-1", "5 ", "x"}) {
    EXPECT_FALSE(parse_removal_limit(bad)) << bad;
  }
}

}  // namespace
}  // namespace mirrorfs::journal
