// The one writer to the replica: what takes something away is announced while it is still there,
// and nothing else is.
//
// The mutant: a destroying call that skips about_to_destroy(), or makes it afterwards.
#include "engine/replica/writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "ring_fixture.h"

namespace mirrorfs::replica {

/// For messages of the test.
void PrintTo(Destruction how, std::ostream* out) { *out << static_cast<int>(how); }

namespace {

using ring::succeeded;
using ::testing::ElementsAre;

class Writers : public ring::RingFixture, public Keeper {
 protected:
  void SetUp() override {
    RingFixture::SetUp();
    make_ring();
    writer_.emplace(ring(), this);
  }

  /// Notes the call and what the object holds at that moment.
  Result<void> about_to_destroy(const Doomed& doomed) override {
    announced_.push_back(doomed.how);
    std::string now = "-";
    if (doomed.fd >= 0) now = content(doomed.fd);
    if (doomed.fd < 0 && std::filesystem::exists(path_ / doomed.name)) now = "there";
    state_then_.push_back(now);
    if (refuses_) return fail(ENOSPC, "keep", doomed.name);
    return {};
  }
  bool keeps(const Metadata&) const override { return false; }
  Result<void> keep_tree(int, const char*) override { return {}; }
  void end() override {}

  static std::string content(int fd) {
    std::array<char, 64> bytes{};
    const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }
  UniqueFd file_with(const char* name, std::string_view text) {
    UniqueFd file = make_file(name);
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return file;
  }
  static std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }

  std::optional<Writer> writer_;
  bool refuses_ = false;
  std::vector<Destruction> announced_;
  std::vector<std::string> state_then_;
};

TEST_F(Writers, G10NamesAreAnnouncedWhileTheyStand) {
  for (const char* name : {"file", "old", "new"}) file_with(name, name);
  for (const char* name : {"empty", "tree", "staging"}) {
    std::filesystem::create_directory(path_ / name);
  }
  std::filesystem::create_directory(path_ / "tree" / "below");
  const UniqueFd staging(::open((path_ / "staging").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  run([&]() -> ring::Task<> {
    EXPECT_TRUE(succeeded(co_await writer_->unlink(dir(), "file")));
    EXPECT_TRUE(succeeded(co_await writer_->remove_directory(dir(), "empty")));
    EXPECT_TRUE(succeeded(co_await writer_->replace(dir(), "new", dir(), "old")));
    EXPECT_TRUE(succeeded(co_await writer_->take_away(dir(), "tree", staging.get(), "moved")));
  });
  EXPECT_THAT(announced_, ElementsAre(Destruction::kUnlink, Destruction::kRemoveDirectory,
                                      Destruction::kReplace, Destruction::kTakeAway));
  EXPECT_THAT(state_then_, ElementsAre("there", "there", "there", "there"));
  EXPECT_EQ(writer_->destroyed(), 4U);
  for (const char* name : {"file", "empty", "new", "tree"}) {
    EXPECT_FALSE(std::filesystem::exists(path_ / name)) << name;
  }
  EXPECT_TRUE(std::filesystem::exists(path_ / "staging" / "moved" / "below"));
}

TEST_F(Writers, G10ContentIsAnnouncedBeforeItChanges) {
  const UniqueFd file = file_with("file", "content");
  run([&]() -> ring::Task<> {
    EXPECT_TRUE(succeeded(co_await writer_->overwrite(file.get(), bytes_of("C"), 0)));
    EXPECT_TRUE(succeeded(co_await writer_->truncate(file.get(), 4)));
    constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    auto punched = co_await writer_->allocate(file.get(), kPunch, {0, 2});
    EXPECT_TRUE(punched || punched.error().code == EOPNOTSUPP);
  });
  EXPECT_THAT(announced_,
              ElementsAre(Destruction::kOverwrite, Destruction::kTruncate, Destruction::kPunch));
  EXPECT_THAT(state_then_, ElementsAre("content", "Content", "Cont"));
}

TEST_F(Writers, WhatIsNewDestroysNothing) {
  const UniqueFd one = file_with("one", "1");
  const UniqueFd two = file_with("two", "2");
  run([&]() -> ring::Task<> {
    auto file = co_await writer_->create_file(dir(), "new", O_RDWR, 0600);
    EXPECT_TRUE(succeeded(file));
    if (!file) co_return;
    EXPECT_TRUE(succeeded(co_await writer_->write_new(file->get(), bytes_of("new"), 0)));
    EXPECT_TRUE(succeeded(co_await writer_->write_all_new(file->get(), bytes_of("er"), 3)));
    EXPECT_TRUE(succeeded(co_await writer_->set_size_new(file->get(), 10)));
    EXPECT_TRUE(succeeded(co_await writer_->make_directory(dir(), "folder", 0700)));
    EXPECT_TRUE(succeeded(co_await writer_->make_symlink("target", dir(), "symlink")));
    EXPECT_TRUE(succeeded(co_await writer_->link(dir(), "new", dir(), "link")));
    EXPECT_TRUE(succeeded(co_await writer_->exchange(dir(), "one", dir(), "two")));
    EXPECT_TRUE(succeeded(co_await writer_->allocate(file->get(), 0, {0, 100})));
    EXPECT_TRUE(succeeded(writer_->set_mode(file->get(), 0640)));
  });
  EXPECT_TRUE(succeeded(writer_->make_special(dir(), "fifo", S_IFIFO | 0600, 0)));
  EXPECT_TRUE(announced_.empty());
  EXPECT_EQ(writer_->destroyed(), 0U);
  EXPECT_EQ(std::filesystem::hard_link_count(path_ / "link"), 2U);
  EXPECT_EQ(std::filesystem::file_size(path_ / "new"), 100U);
}

TEST_F(Writers, ANameThatExistsIsNotCreatedAgain) {
  const UniqueFd file = file_with("file", "content");
  run([&]() -> ring::Task<> {
    const auto again = co_await writer_->create_file(dir(), "file", O_RDWR, 0600);
    EXPECT_TRUE(!again && again.error().code == EEXIST);
  });
  EXPECT_EQ(content(file.get()), "content");
}

/// The mutant: a Writer that goes on after the keeper's error.
TEST_F(Writers, G8WhatCannotBeKeptIsNotDestroyed) {
  const UniqueFd file = file_with("file", "precious");
  file_with("other", "other");
  refuses_ = true;
  run([&]() -> ring::Task<> {
    for (int call = 0; call < 3; ++call) {
      Result<void> done;
      if (call == 0) done = co_await writer_->unlink(dir(), "file");
      if (call == 1) done = co_await writer_->replace(dir(), "other", dir(), "file");
      if (call == 2) done = co_await writer_->overwrite(file.get(), bytes_of("lost"), 0);
      EXPECT_FALSE(done) << call;
      if (!done) {
        EXPECT_EQ(done.error().code, ENOSPC) << call;
      }
    }
  });
  EXPECT_EQ(content(file.get()), "precious");
  EXPECT_TRUE(std::filesystem::exists(path_ / "file"));
  EXPECT_TRUE(std::filesystem::exists(path_ / "other"));
}

}  // namespace
}  // namespace mirrorfs::replica
