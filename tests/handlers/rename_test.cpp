// rename on the mount, and what objects are called afterwards.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

class Renaming : public Mounted {
 protected:
  [[nodiscard]] int rename(const std::string& from, const std::string& to, unsigned flags = 0) {
    return error_of(::renameat2(AT_FDCWD, mount(from).c_str(), AT_FDCWD, mount(to).c_str(), flags));
  }
};

TEST_F(Renaming, PlainRenameNamesBothPlaces) {
  make_file("old");
  (void)take();
  ASSERT_EQ(rename("old", "new"), 0);
  const auto renamed = take_one<Rename>();
  EXPECT_EQ(renamed.object, id("new"));
  EXPECT_EQ(renamed.type, static_cast<mode_t>(S_IFREG));
  EXPECT_EQ(renamed.from, at_root("old"));
  EXPECT_EQ(renamed.to, at_root("new"));
  EXPECT_EQ(renamed.replaced, std::nullopt);
}

TEST_F(Renaming, ReplacedObjectIsNamed) {
  make_file("old", "a");
  make_file("new", "b");
  const ObjectId replaced = id("new");
  (void)take();
  ASSERT_EQ(rename("old", "new"), 0);
  const auto renamed = take_one<Rename>();
  EXPECT_EQ(renamed.replaced, replaced);
  EXPECT_EQ(renamed.replaced_type, static_cast<mode_t>(S_IFREG));
  EXPECT_EQ(read_file(mount("new")), "a");
}

TEST_F(Renaming, FileRenamedOverStaysWritableWithoutAName) {
  make_file("old", "a");
  make_file("new", "b");
  const UniqueFd fd = open("new", O_RDWR);
  ASSERT_EQ(rename("old", "new"), 0);
  (void)take();
  ASSERT_EQ(::pwrite(fd.get(), "c", 1, 0), 1);
  EXPECT_EQ(take_one<Write>().where, std::nullopt);
  EXPECT_EQ(read_file(source("new")), "a");
}

TEST_F(Renaming, AcrossDirectoriesCarriesBothParents) {
  ASSERT_EQ(::mkdir(mount("a").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(mount("b").c_str(), 0755), 0);
  make_file("a/file");
  (void)take();
  ASSERT_EQ(rename("a/file", "b/other"), 0);
  const auto renamed = take_one<Rename>();
  EXPECT_EQ(renamed.from, (Location{.parent = id("a"), .name = "file"}));
  EXPECT_EQ(renamed.to, (Location{.parent = id("b"), .name = "other"}));
  EXPECT_FALSE(renamed.from_parent_after.times_known) << "the engine looks at the directory";
  EXPECT_FALSE(renamed.to_parent_after.times_known);
}

TEST_F(Renaming, NoReplaceKeepsWhatIsThere) {
  make_file("old");
  make_file("new");
  (void)take();
  EXPECT_EQ(rename("old", "new", RENAME_NOREPLACE), EEXIST);
  EXPECT_TRUE(take().empty());
  ASSERT_EQ(rename("old", "free", RENAME_NOREPLACE), 0);
  EXPECT_EQ(take_one<Rename>().flags, static_cast<unsigned>(RENAME_NOREPLACE));
}

TEST_F(Renaming, ExchangeSwapsTheKnownNames) {
  make_file("one", "1");
  make_file("two", "2");
  const UniqueFd one = open("one", O_WRONLY), two = open("two", O_WRONLY);
  (void)take();
  ASSERT_EQ(rename("one", "two", RENAME_EXCHANGE), 0);
  const auto swapped = take_one<Rename>();
  EXPECT_EQ(swapped.object, id("two"));
  EXPECT_EQ(swapped.replaced, id("one"));
  ASSERT_EQ(::write(one.get(), "x", 1), 1);
  EXPECT_EQ(take_one<Write>().where, at_root("two"));
  ASSERT_EQ(::write(two.get(), "y", 1), 1);
  EXPECT_EQ(take_one<Write>().where, at_root("one"));
}

TEST_F(Renaming, AWhiteoutIsMadeInTheOldPlace) {
  make_file("old");
  const ObjectId moved = id("old");
  (void)take();
  ASSERT_EQ(rename("old", "new", RENAME_WHITEOUT), 0);
  const auto recorded = take();
  ASSERT_EQ(recorded.size(), 2U);
  const auto& renamed = std::get<Rename>(recorded[0]);
  EXPECT_EQ(renamed.object, moved);
  EXPECT_EQ(renamed.flags, 0U);
  const auto& made = std::get<CreateNode>(recorded[1]);
  EXPECT_EQ(made.where, at_root("old"));
  EXPECT_EQ(made.object, id("old"));
  EXPECT_EQ(made.after.type(), static_cast<mode_t>(S_IFCHR));
  struct stat shown{};
  ASSERT_EQ(::lstat(mount("old").c_str(), &shown), 0);
  EXPECT_TRUE(S_ISCHR(shown.st_mode));
  EXPECT_EQ(shown.st_rdev, 0U);
  EXPECT_EQ(id("new"), moved);
}

TEST_F(Renaming, AWhiteoutIsNotMadeInAnExchangeNorOverWhatIsThere) {
  make_file("one");
  make_file("two");
  (void)take();
  EXPECT_EQ(rename("one", "two", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
  EXPECT_EQ(rename("one", "two", RENAME_WHITEOUT | RENAME_NOREPLACE), EEXIST);
  EXPECT_TRUE(take().empty());
}

TEST_F(Renaming, TwoNamesOfOneObjectStayAndNothingIsRecorded) {
  make_file("first");
  ASSERT_EQ(::link(mount("first").c_str(), mount("second").c_str()), 0);
  (void)take();
  EXPECT_EQ(rename("first", "second"), 0);
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(look("first").id(), look("second").id());
}

TEST_F(Renaming, WriteBelowARenamedDirectoryNamesTheSameParent) {
  ASSERT_EQ(::mkdir(mount("a").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(mount("a/b").c_str(), 0755), 0);
  make_file("a/b/file");
  const UniqueFd fd = open("a/b/file", O_WRONLY);
  ASSERT_EQ(rename("a", "c"), 0);
  (void)take();
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_EQ(take_one<Write>().where, (Location{.parent = id("c/b"), .name = "file"}));
}

TEST_F(Renaming, OpenFileFollowsItsRename) {
  make_file("old");
  const UniqueFd fd = open("old", O_WRONLY);
  ASSERT_EQ(rename("old", "new"), 0);
  (void)take();
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_EQ(take_one<Write>().where, at_root("new"));
}

// Every write must carry the name the object had when it was written (the order of the log).
TEST_F(Renaming, WritesRacingWithRenamesCarryTheNameOfTheirMoment) {
  make_file("a");
  const UniqueFd fd = open("a", O_WRONLY);
  (void)take();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), 1);
  });
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(rename("a", "b"), 0);
    EXPECT_EQ(rename("b", "a"), 0);
  }
  stop = true;
  writer.join();
  std::string name = "a";
  for (const Operation& operation : take()) {
    if (const auto* const renamed = std::get_if<Rename>(&operation)) {
      EXPECT_EQ(renamed->from.name, name);
      name = renamed->to.name;
    } else if (const auto* const write = std::get_if<Write>(&operation)) {
      ASSERT_EQ(write->where, at_root(name));
    }
  }
}

// Two threads rename to and from one name: the log, replayed, must give the source.
TEST_F(Renaming, RacingRenamesAreRecordedInTheOrderOfTheSource) {
  make_file("a");
  make_file("b");
  std::map<std::string, ObjectId> names{{"a", id("a")}, {"b", id("b")}};
  (void)take();
  const auto shuffle = [this](const char* mine) {
    for (int i = 0; i < 200; ++i) {
      (void)rename(mine, "shared");
      (void)rename("shared", mine);
    }
  };
  std::thread first(shuffle, "a"), second(shuffle, "b");
  first.join();
  second.join();
  for (const auto& renamed : take_only<Rename>()) {
    ASSERT_EQ(names[renamed.from.name], renamed.object);
    const bool occupied = names.contains(renamed.to.name);
    EXPECT_EQ(renamed.replaced.has_value(), occupied);
    if (occupied) {
      EXPECT_EQ(renamed.replaced, names[renamed.to.name]);
    }
    names.erase(renamed.from.name);
    names[renamed.to.name] = renamed.object;
  }
  for (const auto& [name, object] : names) EXPECT_EQ(id(name), object) << name;
}

}  // namespace
}  // namespace mirrorfs::testing
