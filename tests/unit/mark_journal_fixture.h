// A journal of marks in a temporary folder.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "engine/journal/mark_journal.h"

namespace mirrorfs::journal {

inline ObjectId object(std::uint64_t inode) { return {7, inode, 1000}; }
inline const ObjectId kRoot = object(1);

inline Footprint change_of(const Location& where, std::uint64_t inode) {
  return std::move(
      Footprint().object(object(inode)).entry(where).change(Footprint::Change::kObject));
}
inline Footprint names_of(const Location& where) { return std::move(Footprint().entry(where)); }

inline MakeDirectory made(std::uint64_t inode, const Location& where) {
  return {.object = object(inode), .where = where, .after = {}, .parent_after = {}};
}
inline Rename moved(std::uint64_t inode, const Location& from, const Location& to) {
  Rename rename;
  rename.object = object(inode);
  rename.type = S_IFDIR;
  rename.from = from;
  rename.to = to;
  return rename;
}

class MarkJournalTest : public ::testing::Test {
 protected:
  MarkJournalTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "mirrorfs-marks-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    dir_ = UniqueFd(::open(base_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    create();
  }
  ~MarkJournalTest() override {
    journal_.reset();
    std::filesystem::remove_all(base_);
  }

  void create(const JournalContent& kept = {}, std::size_t most = MarkJournal::kMostMarks) {
    auto made = MarkJournal::create(dir_.get(), owner_, kept, most);
    ASSERT_TRUE(made) << made.error().message();
    journal_ = std::move(*made);
  }
  /// A change that was recorded as operation `number`.
  void change(const Footprint& footprint, std::uint64_t number) {
    MarkJournal::Held held = journal_->begin(footprint);
    held.end({number});
  }
  [[nodiscard]] JournalContent content() const {
    auto read = MarkJournal::read(dir_.get(), owner_.pair_id);
    EXPECT_TRUE(read && *read);
    return read && *read ? **read : JournalContent{};
  }
  /// The marked names, in order.
  [[nodiscard]] std::vector<std::string> marked() const {
    std::vector<std::string> names;
    for (const JournalMark& mark : content().marks) names.push_back(mark.entry.name);
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }
  [[nodiscard]] Location place_of(std::uint64_t inode) const {
    Location where;
    for (const JournalPlace& place : content().places) {
      if (place.directory == object(inode)) where = place.where;
    }
    return where;
  }
  [[nodiscard]] std::filesystem::path file() const { return base_ / "pair.marks"; }

  using Names = std::vector<std::string>;
  std::filesystem::path base_;
  UniqueFd dir_;
  JournalOwner owner_{.pair_id = "pair", .nonce = "n1", .boot = "b1", .root = kRoot};
  std::shared_ptr<MarkJournal> journal_;
};

}  // namespace mirrorfs::journal
