// The session record, the pairing record and the small files they live in.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

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

/// A pair of trees with a state directory, each session of which is opened anew.
class Sessions : public JournalFiles {
 protected:
  Sessions() {
    for (const char* name : {"source", "replica", "state"}) fs::create_directory(base_ / name);
    source_ = *open_root(base_ / "source", "source");
    replica_ = *open_root(base_ / "replica", "replica");
  }

  StartUp<SessionRecord> open_session(const char* state = "state") {
    pairing_.reset();
    source_ = *open_root(base_ / "source", "source");
    auto directory = StateDirectory::open(base_ / state);
    if (!directory) return std::unexpected(directory.error());
    auto pairing = Pairing::acquire(source_, replica_,
                                    {.mounts = true, .state_directory = directory->fd.get()});
    if (!pairing) return std::unexpected(pairing.error());
    pairing_.emplace(std::move(*pairing));
    return SessionRecord::open(std::move(*directory), *pairing_, source_.fd.get());
  }
  static timespec file_time() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now;
  }
  /// The windows in which somebody else may have changed the replica, up to now.
  std::vector<Window> foreign(const SessionRecord& record) {
    return record.foreign_until(*clock_of(pairing_->reserved_directory()));
  }
  fs::path session_file() { return base_ / "state" / (pairing_->id() + ".session"); }

  TreeRoot source_, replica_;
  std::optional<Pairing> pairing_;
};

TEST_F(Sessions, G8APowerCutMayLeaveAnOlderSignOfLife) {
  ASSERT_TRUE(open_session()->begin(file_time()));
  const auto since = [&] {
    const auto record = open_session();
    const timespec time = foreign(*record).back().since;
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto killed = since();
  {
    std::fstream file(base_ / "state" / (pairing_->id() + ".life"),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(sizeof(timespec));
    file << "another boot";
  }
  EXPECT_EQ(since() - killed, std::chrono::milliseconds(500));
}

TEST_F(Sessions, G1ASessionIsUncleanUntilItEndsCleanly) {
  const timespec start{.tv_sec = 1000, .tv_nsec = 5};
  {
    auto record = open_session();
    ASSERT_TRUE(record) << record.error();
    EXPECT_FALSE(record->clean());
    ASSERT_TRUE(record->begin(start));
    ASSERT_TRUE(record->end_clean(start));
  }
  {
    auto record = open_session();
    ASSERT_TRUE(record) << record.error();
    EXPECT_TRUE(record->clean());
    ASSERT_TRUE(record->begin(start));
  }  // and dies
  auto record = open_session();
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 1000);
  EXPECT_EQ(record->unclean_since().tv_nsec, 5);
  ASSERT_TRUE(record->begin({.tv_sec = 2000, .tv_nsec = 0}));  // and dies again
  EXPECT_EQ(open_session()->unclean_since().tv_sec, 1000);
}

TEST_F(Sessions, ADamagedSessionRecordMeansUnclean) {
  ASSERT_TRUE(open_session()->begin({.tv_sec = 1000, .tv_nsec = 0}));
  std::ofstream(session_file()) << "{ torn";
  auto record = open_session();
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 0);
}

/// The mutant: a stop that is believed whatever the replica's nonce says.
TEST_F(Sessions, G8AStopRecordInAnotherStateDirectoryIsNotBelieved) {
  {
    auto record = open_session();
    ASSERT_TRUE(record->begin({.tv_sec = 1000, .tv_nsec = 0}));
    ASSERT_TRUE(record->end_clean(file_time()));
  }
  ASSERT_TRUE(open_session("other")->begin({.tv_sec = 2000, .tv_nsec = 0}));  // and dies
  auto record = open_session();
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 0);
}

/// The mutant: a start that does not compare the clocks.
TEST_F(Sessions, G1AClockThatWasSetBackMeansThatEverythingIsCompared) {
  {
    auto record = open_session();
    ASSERT_TRUE(record->begin({.tv_sec = 500, .tv_nsec = 0}));
    ASSERT_TRUE(record->end_clean(file_time()));
  }
  ASSERT_TRUE(open_session()->begin({.tv_sec = 1000, .tv_nsec = 0}));  // and dies
  EXPECT_EQ(open_session()->unclean_since().tv_sec, 1000);
  std::ifstream file(session_file());
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::string key = "\"offset\": ";
  const auto at = text.find(key);
  ASSERT_NE(at, std::string::npos);
  const auto end = text.find_first_of(",\n", at);
  const long long offset = std::stoll(text.substr(at + key.size(), end - at - key.size()));
  text.replace(at, end - at, key + std::to_string(offset + 10'000'000'000));  // 10 s ahead, then
  std::ofstream(session_file()) << text;
  auto record = open_session();
  EXPECT_FALSE(record->clean());
  EXPECT_EQ(record->unclean_since().tv_sec, 0);
  EXPECT_EQ(foreign(*record).back().since.tv_sec, 0) << "ctimes say nothing any more";
}

TEST_F(Sessions, G8WhatIsChangedAfterTheEndIsForeign) {
  {
    auto record = open_session();
    EXPECT_TRUE(foreign(*record).empty()) << "nothing is known of a new pair";
    ASSERT_TRUE(record->begin({.tv_sec = 1000, .tv_nsec = 0}));
    ASSERT_TRUE(record->end_clean(file_time()));
  }
  std::ofstream(base_ / "replica/file") << "x";
  struct stat status{};
  ASSERT_EQ(::stat((base_ / "replica/file").c_str(), &status), 0);
  const auto is_foreign = [&](const SessionRecord& session) {
    for (const Window& window : foreign(session)) {
      const bool begun = !is_before(status.st_ctim, window.since);
      if (begun && is_before(status.st_ctim, window.until)) return true;
    }
    return false;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  {
    auto record = open_session();
    EXPECT_TRUE(is_foreign(*record));
    ASSERT_TRUE(record->begin({.tv_sec = 1000, .tv_nsec = 0}));
    ASSERT_TRUE(record->end_clean(file_time()));
  }  // which looked at what was marked, and nothing else
  {
    auto record = open_session();
    EXPECT_TRUE(is_foreign(*record));
    ASSERT_TRUE(record->begin({.tv_sec = 1000, .tv_nsec = 0}));
    record->note_walk();
    ASSERT_TRUE(record->end_clean(file_time()));
  }
  EXPECT_FALSE(is_foreign(*open_session()));
}

TEST_F(JournalFiles, G8ADamagedPairingRecordIsAnErrorNotAnEmptyReplica) {
  fs::create_directory(base_ / kReservedName);
  std::ofstream(base_ / kReservedName / "pair") << "garbage";
  EXPECT_FALSE(read_pair_record(dir_.get()));
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
