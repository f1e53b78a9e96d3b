// G2: every operation on every kind of object arrives at the replica.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "object_kinds.h"
#include "three_histories.h"

namespace mirrorfs::test {
namespace {

void nothing(Kind, const Path&) {}

void make_it(Kind kind, const Path& directory) { make_object(kind, directory / "object"); }

void make_two(Kind kind, const Path& directory) {
  make_object(kind, directory / "object");
  if (kind == Kind::kLinkedFile) unlink_file(directory / "other-name");
  make_object(kind, directory / "second");
}

void make_with_room(Kind kind, const Path& directory) {
  make_it(kind, directory);
  make_directory(directory / "room");
}

struct Action {
  const char* name;
  void (*prepare)(Kind, const Path&);
  void (*act)(Kind, const Path&);
  bool (*applies)(Kind) = [](Kind) { return true; };
};

bool not_a_directory(Kind kind) { return !is_directory(kind); }
bool not_a_symlink(Kind kind) { return !is_symlink(kind); }
bool may_replace(Kind kind) { return kind != Kind::kFullDirectory; }
bool may_have_user_xattrs(Kind kind) { return is_regular(kind) || is_directory(kind); }

const std::vector<Action>& actions() {
  static const std::vector<Action> all = {
      {"Create", nothing, make_it},
      {"Remove", make_it, [](Kind k, const Path& d) { remove_object(k, d / "object"); }},
      {"RemoveAndMakeAgain", make_it,
       [](Kind k, const Path& d) {
         remove_object(k, d / "object");
         if (k == Kind::kLinkedFile) unlink_file(d / "other-name");
         make_it(k, d);
       }},
      {"Rename", make_it, [](Kind, const Path& d) { rename_to(d / "object", d / "renamed"); }},
      {"MoveElsewhere", make_with_room,
       [](Kind, const Path& d) { rename_to(d / "object", d / "room" / "moved"); }},
      {"MoveThereAndBack", make_with_room,
       [](Kind, const Path& d) {
         rename_to(d / "object", d / "room" / "moved");
         rename_to(d / "room" / "moved", d / "object");
       }},
      {"ReplaceOneLikeIt", make_two,
       [](Kind, const Path& d) { rename_to(d / "object", d / "second"); }, may_replace},
      {"ReplaceAFile",
       [](Kind k, const Path& d) {
         make_it(k, d);
         write_file(d / "victim", "victim");
       },
       [](Kind, const Path& d) { rename_to(d / "object", d / "victim"); }, not_a_directory},
      {"BeReplacedByAFile",
       [](Kind k, const Path& d) {
         make_it(k, d);
         write_file(d / "winner", "winner");
       },
       [](Kind, const Path& d) { rename_to(d / "winner", d / "object"); }, not_a_directory},
      {"ExchangeWithADirectory",
       [](Kind k, const Path& d) {
         make_it(k, d);
         make_object(Kind::kFullDirectory, d / "partner");
       },
       [](Kind, const Path& d) { rename_to(d / "object", d / "partner", RENAME_EXCHANGE); }},
      {"ExchangeWithAFile",
       [](Kind k, const Path& d) {
         make_it(k, d);
         write_file(d / "partner", "partner");
       },
       [](Kind, const Path& d) { rename_to(d / "object", d / "partner", RENAME_EXCHANGE); }},
      {"RenameNoReplace", make_it,
       [](Kind, const Path& d) { rename_to(d / "object", d / "renamed", RENAME_NOREPLACE); }},
      {"RemoveAndPutADirectoryInItsPlace", make_it,
       [](Kind k, const Path& d) {
         remove_object(k, d / "object");
         make_object(Kind::kFullDirectory, d / "object");
       }},
      {"RemoveAndPutASymlinkInItsPlace", make_it,
       [](Kind k, const Path& d) {
         remove_object(k, d / "object");
         make_symlink("other", d / "object");
       }},
      {"ChangeMode", make_it, [](Kind, const Path& d) { change_mode(d / "object", 0705); },
       not_a_symlink},
      {"ChangeModeWithSetIdBits", make_it,
       [](Kind, const Path& d) { change_mode(d / "object", 07751); }, not_a_symlink},
      {"ChangeOwner", make_it, [](Kind, const Path& d) { change_owner(d / "object", 1234, 4321); }},
      {"ChangeOwnerThenMode", make_it,
       [](Kind, const Path& d) {
         change_owner(d / "object", 77, 88);
         change_mode(d / "object", 06711);
       },
       not_a_symlink},
      {"ChangeTimes", make_it,
       [](Kind, const Path& d) {
         set_times(d / "object", {1'000'000'000, 123'456'789}, {1'111'111'111, 987'654'321});
       }},
      {"ChangeTimesToOneBefore1970", make_it,
       [](Kind, const Path& d) { set_times(d / "object", {5, 0}, {-100'000, 5}); }},
      {"SetTrustedXattr", make_it,
       [](Kind, const Path& d) { set_xattr(d / "object", "trusted.colour", "blue"); }},
      {"SetUserXattrs", make_it,
       [](Kind, const Path& d) {
         set_xattr(d / "object", "user.empty", "");
         set_xattr(d / "object", "user.long", pattern(2000, 4));
         set_xattr(d / "object", "user.long", pattern(1000, 5));
       },
       may_have_user_xattrs},
      {"RemoveXattr",
       [](Kind k, const Path& d) {
         make_it(k, d);
         set_xattr(d / "object", "user.a", "1");
         set_xattr(d / "object", "user.b", "2");
       },
       [](Kind, const Path& d) { remove_xattr(d / "object", "user.a"); }, may_have_user_xattrs},
      {"AccessControlList", make_it,
       [](Kind, const Path& d) {
         run_or_throw({"setfacl", "-m", "u:1234:rwx,g:4321:r", (d / "object").string()});
       },
       not_a_symlink},
      {"RemoveAccessControlList",
       [](Kind k, const Path& d) {
         make_it(k, d);
         run_or_throw({"setfacl", "-m", "u:1234:rwx", (d / "object").string()});
       },
       [](Kind, const Path& d) { run_or_throw({"setfacl", "-b", (d / "object").string()}); },
       not_a_symlink},
      {"DefaultAccessControlList", make_it,
       [](Kind, const Path& d) {
         run_or_throw({"setfacl", "-d", "-m", "u:1234:rwx,o::-", (d / "object").string()});
         write_file(d / "object" / "inherits", "content", 0666);
         make_directory(d / "object" / "inherits too", 0777);
       },
       is_directory},
      {"AddALink", make_it, [](Kind, const Path& d) { make_link(d / "object", d / "linked"); },
       not_a_directory},
      {"AddALinkElsewhereAndDropTheFirstName", make_with_room,
       [](Kind, const Path& d) {
         make_link(d / "object", d / "room" / "linked");
         unlink_file(d / "object");
       },
       not_a_directory},
      {"RenameOverItsOwnLink",
       [](Kind k, const Path& d) {
         make_it(k, d);
         make_link(d / "object", d / "linked");
       },
       [](Kind, const Path& d) { rename_to(d / "object", d / "linked"); }, not_a_directory},
  };
  return all;
}

using Parameters = std::tuple<Filesystem, const Action*>;

std::vector<Parameters> all_combinations() {
  std::vector<Parameters> combinations;
  for (const Filesystem filesystem : {Filesystem::kTmpfs, Filesystem::kExt4}) {
    for (const Action& action : actions()) combinations.emplace_back(filesystem, &action);
  }
  return combinations;
}

using Step = void (*)(Kind, const Path&);

/// Runs the step for each kind it applies to, in a directory named for the kind.
void for_each_kind(const Action& action, Step step, const Path& directory) {
  for (const Kind kind : kAllKinds) {
    if (!action.applies(kind)) continue;
    const Path place = directory / to_string(kind);
    if (!is_there(place)) make_directory(place);
    step(kind, place);
  }
}

class EveryKindOfObject : public testing::TestWithParam<Parameters> {};

TEST_P(EveryKindOfObject, ArrivesAtTheReplica) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const auto& [filesystem, action] = GetParam();
  const Scenario scenario = {
      .prepare = [&](const Path& place) { for_each_kind(*action, action->prepare, place); },
      .act = [&](const Path& place) { for_each_kind(*action, action->act, place); }};
  run_with_three_histories(small_pair_on(filesystem), scenario);
}

std::string name_of(const testing::TestParamInfo<Parameters>& test) {
  const auto& [filesystem, action] = test.param;
  return std::string(action->name) + "_" + to_string(filesystem);
}

INSTANTIATE_TEST_SUITE_P(G2, EveryKindOfObject, testing::ValuesIn(all_combinations()), name_of);

}  // namespace
}  // namespace mirrorfs::test
