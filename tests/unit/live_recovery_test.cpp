// G1: which marks a start believes, and what it does with them.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/journal/mark_file.h"
#include "live_fixture.h"

namespace mirrorfs::testing {
namespace {

namespace fs = std::filesystem;

class LiveRecoveryTest : public LiveTest {
 protected:
  /// Two files are mirrored; then "f" changes, with its size and time as before, the replica does
  /// not get it, and the daemon is killed.
  void lose_a_change(JournalKind kind) {
    put_source("f", "aaaa");
    put_source("d/g", "aaaa");
    start(with(kind));
    expect_equal();
    ASSERT_TRUE(eventually_without_marks());
    const auto time = fs::last_write_time(source_ / "f");
    ASSERT_TRUE(mirror_->pause());
    ASSERT_TRUE(driver_->write("f", 0, "bbbb"));
    crash();
    fs::last_write_time(source_ / "f", time);
  }
  /// "old/x" and "new/x" are one file; it is changed as the latter, which is then removed, and the
  /// daemon is killed without a mark of it.
  void change_under_a_name_that_goes() {
    put_source("old/x", "aaaa");
    fs::create_directory(source_ / "new");
    fs::create_hard_link(source_ / "old/x", source_ / "new/x");
    start(with(JournalKind::kFast));
    expect_equal();
    ASSERT_TRUE(eventually_without_marks());
    crash();
    std::ofstream(source_ / "new/x", std::ios::binary) << "bbbb";
    fs::remove(source_ / "new/x");
  }
  [[nodiscard]] MirrorOptions with(JournalKind kind) const {
    MirrorOptions changed = options();
    changed.journal = kind;
    return changed;
  }
  [[nodiscard]] bool eventually_without_marks() const {
    for (unsigned look = 0; look < 200; ++look) {
      if (mirror_->status().journal_marks == 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  [[nodiscard]] fs::path journal_file() const {
    for (const auto& file : fs::directory_iterator(state_)) {
      if (file.path().extension() == ".marks") return file.path();
    }
    return {};
  }
  /// As if the machine, or the daemon, had been another.
  void change_owner(const std::function<void(journal::JournalOwner&)>& change) const {
    std::ifstream in(journal_file(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    auto content = journal::parse_journal(bytes);
    ASSERT_TRUE(content);
    change(content->owner);
    write_journal(*content);
  }
  void write_journal(const journal::JournalContent& content) const {
    std::string changed;
    journal::JournalWriter writer(1, changed);
    writer.header(content.owner);
    for (const auto& place : content.places) writer.place(place);
    for (const auto& mark : content.marks) writer.mark(mark);
    if (content.everything) writer.everything();
    std::ofstream(journal_file(), std::ios::binary) << changed;
  }
  [[nodiscard]] journal::JournalContent read_journal() const {
    std::ifstream in(journal_file(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    return journal::parse_journal(bytes).value();
  }
  [[nodiscard]] ObjectId object(const fs::path& path) const {
    struct statx found{};
    EXPECT_EQ(::statx(AT_FDCWD, (source_ / path).c_str(), 0, STATX_INO | STATX_BTIME, &found), 0);
    return Metadata::from(found).id();
  }
  [[nodiscard]] std::uint64_t recovered_marks() const { return mirror_->status().recovery.marks; }
};

TEST_F(LiveRecoveryTest, G1OnTheSameBootTheMarksAreCompared) {
  lose_a_change(JournalKind::kFast);
  start();
  expect_equal();
  EXPECT_EQ(recovered_marks(), 1U);
  EXPECT_EQ(mirror_->status().recovery.objects, 1U);
}

/// Else the next start would walk what only had other attributes.
TEST_F(LiveRecoveryTest, AMarkThatIsTakenOverStaysWhatItIs) {
  lose_a_change(JournalKind::kFast);
  journal::JournalContent content = read_journal();
  for (journal::JournalMark& mark : content.marks) mark.names = false;
  write_journal(content);
  start();
  do {
    content = read_journal();
    for (const journal::JournalMark& mark : content.marks) {
      ASSERT_FALSE(mark.names) << mark.entry.name;
    }
  } while (!content.marks.empty());
  expect_equal();
}

TEST_F(LiveRecoveryTest, G1AfterAnotherBootAFastJournalIsNotBelieved) {
  lose_a_change(JournalKind::kFast);
  change_owner([](journal::JournalOwner& owner) { owner.boot = "another"; });
  start();
  expect_equal();
  EXPECT_EQ(recovered_marks(), 0U);
  EXPECT_EQ(replica_content("f"), "bbbb");
}

TEST_F(LiveRecoveryTest, G1AfterAnotherBootADurableJournalIs) {
  lose_a_change(JournalKind::kDurable);
  change_owner([](journal::JournalOwner& owner) { owner.boot = "another"; });
  start(with(JournalKind::kDurable));
  expect_equal();
  EXPECT_EQ(recovered_marks(), 1U);
  EXPECT_EQ(replica_content("f"), "bbbb");
}

TEST_F(LiveRecoveryTest, G1MarksOfAnotherSessionAreNotBelieved) {
  lose_a_change(JournalKind::kFast);
  change_owner([](journal::JournalOwner& owner) { owner.nonce = "another"; });
  start();
  expect_equal();
  EXPECT_EQ(recovered_marks(), 0U);
  EXPECT_EQ(replica_content("f"), "bbbb");
}

TEST_F(LiveRecoveryTest, G1MarksOnAnotherSourceAreNotBelieved) {
  lose_a_change(JournalKind::kFast);
  change_owner([](journal::JournalOwner& owner) { ++owner.root.birth_ns; });
  start();
  expect_equal();
  EXPECT_EQ(recovered_marks(), 0U);
}

/// What a power cut leaves: content that differs, under sizes and times that do not tell it.
class LiveLostPowerTest : public LiveRecoveryTest {
 protected:
  static constexpr int kDirectories = 40;

  void mirror_and_crash(JournalKind kind) {
    for (int number = 0; number < kDirectories; ++number) {
      for (const char* name : {"x", "y"}) put_source((sub(number) / name).string(), "aaaa");
      put_source((other(number) / "f").string(), "aaaa");
    }
    start(with(kind));
    expect_equal();
    ASSERT_TRUE(eventually_without_marks());
    crash();
    for (int number = 0; number < kDirectories; ++number) {
      const fs::path file = source_ / sub(number) / "x";
      const auto time = fs::last_write_time(file);
      std::ofstream(file, std::ios::binary) << "bbbb";
      fs::last_write_time(file, time);
    }
    begin_session_later();
  }
  /// Whatever changed did so before the session began, by its times.
  void begin_session_later() const {
    constexpr std::chrono::milliseconds kTick(20);
    std::this_thread::sleep_for(kTick);
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::this_thread::sleep_for(kTick);
    for (const auto& file : fs::directory_iterator(state_)) {
      if (file.path().extension() != ".session") continue;
      std::ifstream in(file.path());
      auto json = nlohmann::json::parse(in);
      json["since_seconds"] = now.tv_sec;
      json["since_nanoseconds"] = now.tv_nsec;
      std::ofstream(file.path()) << json.dump();
    }
  }
  [[nodiscard]] static fs::path sub(int number) { return "new/sub" + std::to_string(number); }
  [[nodiscard]] static fs::path other(int number) { return "other" + std::to_string(number); }
};

TEST_F(LiveLostPowerTest, G1WhatAWalkTakesOverIsComparedWithItsContent) {
  mirror_and_crash(JournalKind::kDurable);
  journal::JournalContent content = read_journal();
  const ObjectId root = content.owner.root;
  content.places.push_back({object("new"), {root, "new"}});
  for (int number = 0; number < kDirectories; ++number) {
    const ObjectId directory = object(sub(number));
    content.places.push_back({directory, {object("new"), sub(number).filename().string()}});
    content.places.push_back({object(other(number)), {root, other(number).string()}});
    content.marks.push_back({{directory, "x"}, object(sub(number) / "x"), false});
  }
  // From here on the walk of what is new may be under way, while the others are looked for.
  content.marks.push_back({{root, "new"}, {}, true});
  for (int number = 0; number < kDirectories; ++number) {
    content.marks.push_back({{object(other(number)), "f"}, object(other(number) / "f"), false});
    content.marks.push_back({{object(sub(number)), "y"}, object(sub(number) / "y"), false});
  }
  write_journal(content);
  start(with(JournalKind::kDurable));
  expect_equal();
  EXPECT_EQ(recovered_marks(), content.marks.size());
}

/// What was done under a name that is gone is found under the others, also where a walk finds that
/// it is gone.
TEST_F(LiveRecoveryTest, G1WhatAWalkRemovesMayLiveOnUnderAnotherName) {
  change_under_a_name_that_goes();
  journal::JournalContent content = read_journal();
  const ObjectId root = content.owner.root;
  content.places.push_back({object("new"), {root, "new"}});
  content.marks.push_back({{root, "new"}, {}, true});
  content.marks.push_back({{object("new"), "x"}, {}, true});
  write_journal(content);
  start();
  expect_equal();
}

/// The same where a directory stands there now.
TEST_F(LiveRecoveryTest, G1WhatADirectoryReplacesMayLiveOnUnderAnotherName) {
  change_under_a_name_that_goes();
  fs::create_directory(source_ / "new/x");
  journal::JournalContent content = read_journal();
  content.places.push_back({object("new"), {content.owner.root, "new"}});
  content.marks.push_back({{object("new"), "x"}, {}, true});
  write_journal(content);
  start();
  expect_equal();
}

TEST_F(LiveLostPowerTest, G1WithoutMarksAllContentIsCompared) {
  mirror_and_crash(JournalKind::kDurable);
  journal::JournalContent content = read_journal();
  content.everything = true;
  content.owner.boot = "another";
  write_journal(content);
  start(with(JournalKind::kDurable));
  expect_equal();
}

/// A state directory that takes no more, and lets nothing go either.
class DeadStateDirectory {
 public:
  explicit DeadStateDirectory(fs::path path) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, "size=256k") == 0;
  }
  DeadStateDirectory(const DeadStateDirectory&) = delete;
  DeadStateDirectory& operator=(const DeadStateDirectory&) = delete;
  ~DeadStateDirectory() {
    revive();
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] bool die() {
    std::ofstream filler(path_ / "filler", std::ios::binary);
    while (filler.write("0123456789abcdef", 16)) continue;
    return set_flags(FS_IMMUTABLE_FL);
  }
  void revive() {
    set_flags(0);
    fs::remove(path_ / "filler");
  }

 private:
  bool set_flags(int flags) {
    const UniqueFd directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return ::ioctl(directory.get(), FS_IOC_SETFLAGS, &flags) == 0;
  }
  fs::path path_;
  bool mounted_ = false;
};

/// A mirror of many files whose state directory dies while they change.
class LiveRecoveryWithoutStateTest : public LiveRecoveryTest {
 protected:
  void SetUp() override {
    if (!directory_.mounted()) GTEST_SKIP() << "needs root: mounts a tmpfs";
    for (unsigned number = 0; number < kFiles; ++number) {
      put_source(std::to_string(number), "aaaa");
    }
    start();
    expect_equal();
    ASSERT_TRUE(eventually_without_marks());
  }
  /// More changes than the last page of the journal has room for.
  void change_all_without_state() {
    ASSERT_TRUE(directory_.die());
    for (unsigned number = 0; number < kFiles; ++number) {
      ASSERT_TRUE(driver_->write(std::to_string(number), 0, "bbbb"));
    }
    for (unsigned look = 0; look < 500 && is_confirmed(); ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  /// The replica says that what the state directory has is this session's.
  [[nodiscard]] bool is_confirmed() const {
    return fs::exists(replica_ / kReservedName / "session");
  }

  static constexpr unsigned kFiles = 300;
  DeadStateDirectory directory_{state_};
};

TEST_F(LiveRecoveryWithoutStateTest, G1AJournalThatCouldNotBeRemovedIsNotBelieved) {
  ASSERT_TRUE(mirror_->pause());
  ASSERT_NO_FATAL_FAILURE(change_all_without_state());
  crash();
  directory_.revive();
  start();
  EXPECT_EQ(recovered_marks(), 0U);
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_F(LiveRecoveryWithoutStateTest, ACleanEndConfirmsTheSessionAgain) {
  ASSERT_NO_FATAL_FAILURE(change_all_without_state());
  EXPECT_FALSE(is_confirmed());
  directory_.revive();
  EXPECT_TRUE(stop());
  EXPECT_TRUE(is_confirmed());
  MirrorOptions none = options();
  none.check = Check::kNone;
  start(none);
  EXPECT_FALSE(mirror_->status().baseline.running);
  expect_trees_equal();
  EXPECT_TRUE(stop());
}

TEST(JournalDevices, MarksFollowTheDeviceNumberOfTheSource) {
  journal::JournalContent content;
  content.owner.root = {1, 2, 3};
  content.marks = {{{{1, 5, 6}, "f"}, {1, 7, 8}, false}};
  content.places = {{{1, 5, 6}, {{1, 2, 3}, "d"}}};
  ASSERT_TRUE(journal::translate_device(content, {9, 2, 3}));
  EXPECT_EQ(content.marks[0].entry.parent, (ObjectId{9, 5, 6}));
  EXPECT_EQ(content.places[0].where.parent, (ObjectId{9, 2, 3}));
  content.marks.push_back({{{4, 5, 6}, "on another filesystem"}, {}, true});
  EXPECT_FALSE(journal::translate_device(content, {1, 2, 3}));
  EXPECT_FALSE(journal::translate_device(content, {9, 3, 3}));
}

}  // namespace
}  // namespace mirrorfs::testing
