// G1: which marks a start believes, and what it does with them.
#include <fcntl.h>

#include <algorithm>
#include <fstream>
#include <functional>
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
    std::string changed;
    journal::JournalWriter writer(1, changed);
    writer.header(content->owner);
    for (const auto& place : content->places) writer.place(place);
    for (const auto& mark : content->marks) writer.mark(mark);
    std::ofstream(journal_file(), std::ios::binary) << changed;
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
