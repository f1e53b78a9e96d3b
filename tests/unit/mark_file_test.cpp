// The file of the journal of marks: torn, damaged, of somebody else, not to be replaced.
#include <fstream>
#include <random>
#include <thread>

#include "mark_journal_fixture.h"

namespace mirrorfs::journal {
namespace {

namespace fs = std::filesystem;

TEST_F(MarkJournalTest, G1ATornTailCostsOnlyItself) {
  for (const char* name : {"a", "b", "c"}) change(names_of({kRoot, name}), 1);
  std::string bytes;
  {
    std::ifstream in(file(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto whole = parse_journal(bytes);
  ASSERT_TRUE(whole);
  ASSERT_EQ(whole->marks.size(), 3U);
  std::size_t before = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto torn = parse_journal(std::string_view(bytes).substr(0, size));
    const std::size_t marks = torn ? torn->marks.size() : 0;
    EXPECT_GE(marks, before);
    EXPECT_FALSE(torn && torn->everything);
    before = marks;
  }
  EXPECT_EQ(before, 3U);
}

TEST_F(MarkJournalTest, G1ADamagedByteIsNoticed) {
  for (const char* name : {"a", "b", "c"}) change(names_of({kRoot, name}), 1);
  std::string bytes;
  {
    std::ifstream in(file(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto whole = parse_journal(bytes);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const auto read = parse_journal(damaged);
    if (!read) continue;
    ASSERT_LT(read->marks.size(), 3U) << "byte " << at;
    EXPECT_TRUE(std::equal(read->marks.begin(), read->marks.end(), whole->marks.begin()));
  }
}

TEST_F(MarkJournalTest, RecordsOfAnotherFileAreNone) {
  change(names_of({kRoot, "a"}), 1);
  std::string old;
  {
    std::ifstream in(file(), std::ios::binary);
    old.assign(std::istreambuf_iterator<char>(in), {});
  }
  journal_->clear_through({1});
  std::string now;
  {
    std::ifstream in(file(), std::ios::binary);
    now.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto read = parse_journal(now + old.substr(now.size()));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->marks.empty());
}

TEST_F(MarkJournalTest, G1AFileThatCannotBeReplacedKeepsAllMarks) {
  change(names_of({kRoot, "a"}), 1);
  fs::create_directory(base_ / "pair.marks.new");
  journal_->clear_through({1});
  EXPECT_EQ(marked(), Names{"a"});
  change(names_of({kRoot, "b"}), 2);
  EXPECT_EQ(marked(), (Names{"a", "b"}));
  fs::remove(base_ / "pair.marks.new");
  journal_->clear_through({1});
  EXPECT_EQ(marked(), Names{"b"});
}

/// Many threads mark while the file is replaced again and again: whatever is under way, or was not
/// declared durable, is in the file.
TEST_F(MarkJournalTest, G1NothingIsLostWhileTheFileIsReplaced) {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> last = 0;
  std::thread cleaner([&] {
    while (!stop) journal_->clear_through({last / 2});
  });
  std::vector<std::thread> writers;
  for (unsigned number = 0; number < 3; ++number) {
    writers.emplace_back([&, number] {
      std::mt19937 random(number);
      for (unsigned step = 0; step < 3000; ++step) {
        const std::string name = std::to_string(number) + "." + std::to_string(random() % 20);
        MarkJournal::Held held = journal_->begin(names_of({kRoot, name}));
        if (step % 50 == 0) {
          const Names now = marked();
          ASSERT_TRUE(std::ranges::binary_search(now, name)) << name;
        }
        held.end({++last});
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  cleaner.join();
  journal_->clear_through({last.load()});
  EXPECT_TRUE(marked().empty());
}

}  // namespace
}  // namespace mirrorfs::journal
