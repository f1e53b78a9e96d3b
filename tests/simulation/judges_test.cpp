// The judges of a simulated run: each has to see what it is there for.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "ledger.h"
#include "mirrorfs/unique_fd.h"
#include "oracle.h"
#include "strangers.h"
#include "write_back.h"

namespace mirrorfs::simulation {
namespace {

class Judges : public ::testing::Test {
 protected:
  Judges() {
    std::string pattern = (std::filesystem::temp_directory_path() / "judges-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    for (const char* tree : {"source", "replica"}) {
      std::filesystem::create_directory(base_ / tree);
      fill(base_ / tree);
    }
    source_ = open("source");
    replica_ = open("replica");
  }
  ~Judges() override {
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
  }

  [[nodiscard]] UniqueFd open(const char* tree) const {
    return UniqueFd(::open((base_ / tree).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  [[nodiscard]] std::string path(const char* name) const { return base_ / "replica" / name; }

  static void write(const std::filesystem::path& file, std::string_view content) {
    std::ofstream(file) << content;
  }

  /// Two trees filled by this are equal.
  static void fill(const std::filesystem::path& root) {
    std::filesystem::create_directory(root / "d");
    for (const char* name : {"f", "g", "d/h"}) write(root / name, "content");
    std::filesystem::create_hard_link(root / "f", root / "linked");
    std::filesystem::create_symlink("target", root / "s");
    ASSERT_EQ(::mkfifo((root / "p").c_str(), 0600), 0);
    set_times(root);
  }
  static void set_times(const std::filesystem::path& root) {
    const timespec times[2] = {{1000, 1}, {1000, 1}};
    for (const char* name : {"d/h", "f", "g", "s", "p", "d", "."}) {
      const int set = ::utimensat(AT_FDCWD, (root / name).c_str(), times, AT_SYMLINK_NOFOLLOW);
      ASSERT_TRUE(set == 0 || errno == ENOENT) << name;
    }
  }

  /// What the oracle says after a change that moved no time.
  [[nodiscard]] std::vector<std::string> after(const std::function<void()>& change) const {
    change();
    set_times(base_ / "replica");
    return differences(source_.get(), replica_.get());
  }

  std::filesystem::path base_;
  UniqueFd source_, replica_;
};

TEST_F(Judges, EqualTreesAreEqual) {
  EXPECT_EQ(differences(source_.get(), replica_.get()), std::vector<std::string>{});
}

TEST_F(Judges, TheReservedNameOfTheReplicaIsNoDifference) {
  EXPECT_TRUE(after([this] { std::filesystem::create_directory(path(".mirrorfs")); }).empty());
}

TEST_F(Judges, ContentOfTheSameSizeIsADifference) {
  EXPECT_EQ(after([this] { write(path("d/h"), "kontent"); }).size(), 1U);
}

TEST_F(Judges, AMissingNameIsADifference) {
  EXPECT_EQ(after([this] { std::filesystem::remove(path("g")); }).size(), 1U);
}

TEST_F(Judges, AFurtherNameIsADifference) {
  EXPECT_EQ(after([this] { write(path("x"), ""); }).size(), 1U);
}

TEST_F(Judges, ANanosecondIsADifference) {
  const timespec times[2] = {{1000, 1}, {1000, 2}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("s").c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(differences(source_.get(), replica_.get()).size(), 1U);
}

TEST_F(Judges, AnyPermissionBitIsADifference) {
  EXPECT_EQ(after([this] { ASSERT_EQ(::chmod(path("d").c_str(), 01755), 0); }).size(), 1U);
}

TEST_F(Judges, AnOwnerIsADifference) {
  if (::geteuid() != 0) GTEST_SKIP() << "root only";
  EXPECT_EQ(after([this] { ASSERT_EQ(::lchown(path("s").c_str(), 5, 6), 0); }).size(), 2U);
}

TEST_F(Judges, AnExtendedAttributeIsADifference) {
  const auto change = [this] { ASSERT_EQ(::setxattr(path("g").c_str(), "user.x", "1", 1, 0), 0); };
  EXPECT_EQ(after(change).size(), 1U);
}

TEST_F(Judges, ATypeIsADifference) {
  const auto change = [this] {
    std::filesystem::remove(path("p"));
    write(path("p"), "");
  };
  EXPECT_EQ(after(change).size(), 1U);
}

TEST_F(Judges, ATargetIsADifference) {
  const auto change = [this] {
    std::filesystem::remove(path("s"));
    std::filesystem::create_symlink("tarGet", path("s"));
  };
  EXPECT_EQ(after(change).size(), 1U);
}

TEST_F(Judges, ANameThatIsNoLinkAnyMoreIsADifference) {
  const auto change = [this] {
    std::filesystem::remove(path("linked"));
    write(path("linked"), "content");
  };
  EXPECT_FALSE(after(change).empty());
}

TEST_F(Judges, LinksBetweenOtherNamesAreADifference) {
  const auto change = [this] {
    write(base_ / "source" / "z", "content");
    std::filesystem::create_hard_link(base_ / "source" / "g", base_ / "source" / "y");
    std::filesystem::create_hard_link(path("f"), path("y"));
    write(path("z"), "content");
  };
  EXPECT_FALSE(after(change).empty());
}

/// The ledger's effects 2 and 4 are files, 1 and 3 parts of one.
class LedgerTest : public Judges {
 protected:
  LedgerTest() : ledger_(replica_.get()) {}
  void show(std::uint64_t effect) const {
    if (Ledger::is_file(effect)) return write(path(Ledger::file_name(effect).c_str()), "");
    const UniqueFd fd(::open(path(Ledger::kName).c_str(), O_CREAT | O_WRONLY, 0600));
    const std::string tag = Ledger::tag(effect);
    ASSERT_EQ(
        ::pwrite(fd.get(), tag.data(), tag.size(), static_cast<off_t>(Ledger::offset(effect))),
        static_cast<ssize_t>(tag.size()));
  }
  Ledger ledger_;
};

TEST_F(LedgerTest, G3AnEffectFromBehindABarrierIsNotShownBeforeThoseItCovers) {
  for (std::uint64_t effect = 1; effect <= 2; ++effect) ledger_.recorded(effect, {effect}, true);
  ledger_.barrier({3});
  ledger_.recorded(4, {4}, true);
  EXPECT_FALSE(ledger_.broken_order());
  show(2);
  EXPECT_FALSE(ledger_.broken_order()) << "no barrier between them";
  show(4);
  EXPECT_TRUE(ledger_.broken_order());
  show(1);
  EXPECT_FALSE(ledger_.broken_order());
}

TEST_F(LedgerTest, G6WhatABarrierCoversIsDurable) {
  ledger_.recorded(1, {1}, true);
  show(1);
  EXPECT_TRUE(ledger_.not_durable({2}, false));
  ledger_.synced();
  EXPECT_FALSE(ledger_.not_durable({2}, false));
}

TEST_F(LedgerTest, G6AnFsyncOfTheLedgerCoversNoOtherFile) {
  ledger_.recorded(2, {1}, true);
  EXPECT_FALSE(ledger_.not_durable({2}, true));
  EXPECT_TRUE(ledger_.not_durable({2}, false));
}

TEST_F(LedgerTest, G6WhatWasAnsweredInSyncModeIsThere) {
  ledger_.recorded(4, {1}, true);
  EXPECT_TRUE(ledger_.not_applied({1}));
  show(4);
  EXPECT_FALSE(ledger_.not_applied({1}));
}

class WriteBackTest : public Judges {
 protected:
  WriteBackTest() : disk_(replica_.get()) { disk_.succeeded(); }
  [[nodiscard]] std::string content(const char* name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void overwrite(const char* name, std::string_view with) {
    const UniqueFd fd(::open(path(name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), with.data(), with.size(), 0), static_cast<ssize_t>(with.size()));
    disk_.written(fd.get());
  }
  WriteBack disk_;
};

TEST_F(WriteBackTest, WhatWasNotWrittenBackIsGoneWithTheCache) {
  overwrite("g", "changed");
  disk_.failed();
  disk_.succeeded();  // the pages are clean: nothing is written a second time
  EXPECT_EQ(content("g"), "changed");
  EXPECT_EQ(disk_.drop_cache(), 1U);
  EXPECT_EQ(content("g"), "content");
}

TEST_F(WriteBackTest, WhatIsWrittenAgainStays) {
  overwrite("g", "changed");
  disk_.failed();
  overwrite("g", "changed");
  disk_.succeeded();
  EXPECT_EQ(disk_.drop_cache(), 0U);
}

TEST_F(Judges, DoNotMindWhatIsExcluded) {
  const GitRules rules({"x", "!d/x", "e/", "/f"});
  const auto told = [&] { return differences(source_.get(), replica_.get(), 12, rules); };
  write(path("x"), "own");
  std::filesystem::create_directories(path("e/more"));
  std::filesystem::remove(path("f"));
  std::filesystem::create_directories(path("gone/on"));
  write(path("gone/on/x"), "own");
  set_times(base_ / "replica");
  EXPECT_EQ(told(), std::vector<std::string>{});
  write(path("gone/other"), "not excluded");
  set_times(base_ / "replica");
  EXPECT_EQ(told().size(), 1U);
  std::filesystem::remove(path("gone/other"));
  write(path("d/x"), "included again");
  set_times(base_ / "replica");
  EXPECT_EQ(told().size(), 1U);
}

TEST_F(Judges, SeeWhetherStrangersAreAsTheyWere) {
  Plan plan;
  Random random(1);
  Strangers strangers(replica_.get());
  const GitRules rules({"n*"});
  ASSERT_FALSE(strangers.plant(plan, rules, random, true).empty());
  EXPECT_EQ(strangers.lost(), std::nullopt);
  std::filesystem::rename(path("d"), path("n9"));
  EXPECT_EQ(strangers.lost(), std::nullopt);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(base_ / "replica")) {
    const bool stranger = entry.is_regular_file() && entry.file_size() == 10;
    if (stranger) write(entry.path(), "stranger 0");
  }
  EXPECT_NE(strangers.lost(), std::nullopt);
  strangers.forget_others(rules);
  EXPECT_EQ(strangers.lost(), std::nullopt);
}

TEST_F(WriteBackTest, TheTimesStayWhatTheyWere) {
  overwrite("g", "changed");
  set_times(base_ / "replica");
  disk_.failed();
  EXPECT_EQ(disk_.drop_cache(), 1U);
  EXPECT_EQ(differences(source_.get(), replica_.get()), std::vector<std::string>{});
}

}  // namespace
}  // namespace mirrorfs::simulation
