// The session record, the pairing record and the small files they live in.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "engine/journal/pair_record.h"
#include "engine/journal/session_record.h"
#include "engine/journal/small_file.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::journal {
namespace {

namespace fs = std::filesystem;

class JournalFiles : public ::testing::Test {
 protected:
  JournalFiles() {
    std::string pattern = (fs::temp_directory_path() / "mirrorfs-journal-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    dir_ = UniqueFd(::open(base_.c_str(), O_RDONLY | O_DIRECTORY));
  }
  ~JournalFiles() override { fs::remove_all(base_); }

  /// The replica's reserved directory is base_.
  [[nodiscard]] StartUp<SessionRecord> open_record(const fs::path& directory) const {
    auto state = StateDirectory::open(directory);
    if (!state) return std::unexpected(state.error());
    return SessionRecord::open(std::move(*state), "pair", dir_.get());
  }

  fs::path base_;
  UniqueFd dir_;
};

TEST_F(JournalFiles, ASmallFileIsReplacedWhole) {
  EXPECT_FALSE(read_small_file(dir_.get(), "f")->has_value());
  ASSERT_TRUE(replace_small_file(dir_.get(), "f", "one"));
  ASSERT_TRUE(replace_small_file(dir_.get(), "f", "two"));
  EXPECT_EQ(**read_small_file(dir_.get(), "f"), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(base_), fs::directory_iterator()), 1);
}

TEST_F(JournalFiles, G7ASymlinkInItsPlaceIsNotFollowed) {
  std::ofstream(base_ / "outside") << "secret";
  fs::create_symlink("outside", base_ / "f");
  EXPECT_FALSE(read_small_file(dir_.get(), "f"));
}

TEST_F(JournalFiles, G1ASessionIsUncleanUntilItEndsCleanly) {
  const timespec start{.tv_sec = 1000, .tv_nsec = 5};
  {
    auto record = open_record(base_ / "state");
    ASSERT_TRUE(record) << record.error();
    EXPECT_FALSE(record->clean());
    ASSERT_TRUE(record->begin(start));
    ASSERT_TRUE(record->end_clean(start));
  }
  {
    auto record = open_record(base_ / "state");
    EXPECT_TRUE(record->clean());
    ASSERT_TRUE(record->begin(start));
  }  // and dies
  auto record = open_record(base_ / "state");
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 1000);
  EXPECT_EQ(record->unclean_since().tv_nsec, 5);
  ASSERT_TRUE(record->begin({.tv_sec = 2000, .tv_nsec = 0}));  // and dies again
  EXPECT_EQ(open_record(base_ / "state")->unclean_since().tv_sec, 1000);
}

TEST_F(JournalFiles, ADamagedSessionRecordMeansUnclean) {
  fs::create_directory(base_ / "state");
  std::ofstream(base_ / "state/pair.session") << "{ torn";
  auto record = open_record(base_ / "state");
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 0);
}

TEST_F(JournalFiles, G8ADamagedPairingRecordIsAnErrorNotAnEmptyReplica) {
  fs::create_directory(base_ / kReservedName);
  std::ofstream(base_ / kReservedName / "pair") << "garbage";
  EXPECT_FALSE(read_pair_record(dir_.get()));
}

TEST_F(JournalFiles, G8IdentityIsTheInodeAndItsBirth) {
  SourceIdentity a{
      .inode = 2, .birth_seconds = 10, .birth_nanoseconds = 1, .filesystem = 1, .path = "/a"};
  SourceIdentity b = a;
  b.filesystem = 9;
  b.path = "/b";
  EXPECT_TRUE(a.same_tree(b));
  b.birth_nanoseconds = 2;
  EXPECT_FALSE(a.same_tree(b));
}

TEST_F(JournalFiles, G8AnEmptyLostAndFoundIsNoContent) {
  const auto replica = open_root(base_, "replica");
  ASSERT_TRUE(replica);
  EXPECT_TRUE(*is_empty_replica(*replica));
  fs::create_directory(base_ / "lost+found");
  EXPECT_TRUE(*is_empty_replica(*replica));
  std::ofstream(base_ / "lost+found/found") << "x";
  EXPECT_FALSE(*is_empty_replica(*replica));
}

}  // namespace
}  // namespace mirrorfs::journal
