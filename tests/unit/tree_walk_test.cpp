// Whole trees: depth, width, few descriptors, hostile names (G7), and a second opinion by rsync.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "engine/compare/walk.h"
#include "mirrorfs/unique_fd.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

/// MIRRORFS_LONG_TESTS=1: as deep and wide as is promised.
bool is_long_run() { return std::getenv("MIRRORFS_LONG_TESTS") != nullptr; }

class TreeWalk : public TreeTest {
 protected:
  /// A chain of directories, too deep to be named by one path.
  static void make_chain(const fs::path& root, int depth) {
    UniqueFd at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(::mkdirat(at.get(), "a-directory-name", 0755), 0);
      UniqueFd next(::openat(at.get(), "a-directory-name", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      const UniqueFd file(::openat(next.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
      ASSERT_EQ(::write(file.get(), "x", 1), 1);
      at = std::move(next);
    }
  }
  void remove_all() {
    // std::filesystem names everything by path; the sync of an empty tree does not.
    fs::create_directory(root_ / "empty");
    const fs::path source = source_;
    const fs::path replica = replica_;
    source_ = root_ / "empty";
    EXPECT_TRUE(sync().failures.empty());
    EXPECT_TRUE(fs::is_empty(replica_));
    replica_ = source;
    EXPECT_TRUE(sync().failures.empty());
    source_ = source;
    replica_ = replica;
  }
};

TEST_F(TreeWalk, DeepTreeWithFewDescriptors) {
  const int kDepth = is_long_run() ? 4000 : 600;  // of 17 characters: longer than PATH_MAX
  make_chain(source_, kDepth);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{std::min<rlim_t>(before.rlim_cur, 256), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const SyncReport report = sync();
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(report.created, 2U * static_cast<unsigned>(kDepth));
  const VerifyReport verified = verify({.full = true});
  EXPECT_TRUE(verified.identical());
  EXPECT_EQ(verified.compared.directories, static_cast<std::uint64_t>(kDepth));
  remove_all();
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(TreeWalk, WideDirectory) {
  const unsigned count = is_long_run() ? 200'000 : 2000;
  for (unsigned i = 0; i < count; ++i) write_file(source_ / ("file " + std::to_string(i)), "x");
  const SyncReport report = sync();
  EXPECT_TRUE(report.failures.empty());
  EXPECT_EQ(report.files_copied, count);
  EXPECT_TRUE(verify({.full = true}).identical());
}

/// Opens what the limit leaves but `spare`.
std::vector<UniqueFd> occupy_descriptors(std::size_t spare) {
  std::vector<UniqueFd> taken;
  for (;;) {
    UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!next) break;
    taken.push_back(std::move(next));
  }
  taken.resize(taken.size() - std::min(spare, taken.size()));
  return taken;
}

class FewDescriptors : public TreeWalk {
 protected:
  FewDescriptors() {
    for (int d = 0; d < 20; ++d) {
      const fs::path folder = source_ / std::to_string(d);
      fs::create_directory(folder);
      for (int f = 0; f < 40; ++f) write_file(folder / std::to_string(f), "content");
    }
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit few{256, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() override { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

TEST_F(FewDescriptors, LeftByTheRestOfTheProcess) {
  const std::vector<UniqueFd> taken = occupy_descriptors(40);
  const SyncReport report = sync();
  for (const Failure& one : report.failures) ADD_FAILURE() << one.path << ": " << one.cause;
  EXPECT_EQ(report.files_copied, 800U);
}

class Listener : public compare::WalkListener {
 public:
  void listed(std::size_t) override {}
  void seen(const Metadata&) override {}
  void expected(std::int64_t) override {}
  void reconciled(const Metadata&) override {}
  void walked(double) override {}
  void difference(std::string, std::string_view) override {}
  void created() override {}
  void removed() override {}
  void attributes_set() override {}
  void copied(std::uint64_t) override {}
  void failed(std::string path, const Error& error) override {
    ADD_FAILURE() << path << ": " << error.message();
  }
  void tick(std::uint64_t) override {}
};

/// Takes all descriptors when the first directory was listed, and gives them back a little later.
class Greed final : public Listener {
 public:
  void listed(std::size_t) override {
    if (other_.joinable()) return;
    taken_ = occupy_descriptors(0);
    other_ = std::thread([this] {
      ::usleep(100'000);
      taken_.clear();
    });
  }
  void copied(std::uint64_t) override { ++copied_; }

  unsigned finish() {
    if (other_.joinable()) other_.join();
    return copied_;
  }

 private:
  std::vector<UniqueFd> taken_;
  std::thread other_;
  unsigned copied_ = 0;
};

TEST_F(FewDescriptors, TakenByOthersForATime) {
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Greed greed;
  const Result<void> walked = compare::walk_trees({source.get(), replica.get()}, {}, greed);
  EXPECT_TRUE(walked) << walked.error().message();
  EXPECT_EQ(greed.finish(), 800U);
  expect_equal();
}

// A new directory is built out of sight, up to a bounded number of names.
TEST_F(TreeWalk, WideNewDirectory) {
  fs::create_directory(source_ / "wide");
  for (int i = 0; i < 4200; ++i) write_file(source_ / "wide" / std::to_string(i), "");
  write_file(source_ / "wide" / "large", std::string(300'000, 'l'));
  fs::create_directory(source_ / "wide" / "inner");
  sync_and_expect_equal();
}

TEST_F(TreeWalk, ProgressReachesTheEnd) {
  for (int i = 0; i < 20; ++i) write_file(source_ / std::to_string(i), "12345");
  BaselineProgress last;
  SyncOptions options;
  options.on_progress = [&last](const BaselineProgress& progress) { last = progress; };
  EXPECT_TRUE(sync(options).failures.empty());
  EXPECT_FALSE(last.running);
  EXPECT_EQ(last.files_done, 20U);
  EXPECT_EQ(last.files_total, 20U);
  EXPECT_EQ(last.bytes_done, 100U);
}

/// What each directory told, from the root on.
class Shares final : public Listener {
 public:
  void walked(double share) override { shares.push_back(share); }
  std::vector<double> shares;
};

// The root's own entries and two directories are a third each; one of those is again in thirds.
TEST_F(TreeWalk, TheSharesOfAllDirectoriesAreTheTree) {
  fs::create_directories(source_ / "flat");
  fs::create_directories(source_ / "deep" / "one");
  fs::create_directories(source_ / "deep" / "two");
  const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Shares told;
  ASSERT_TRUE(compare::walk_trees({source.get(), replica.get()}, {}, told));
  std::ranges::sort(told.shares);
  ASSERT_EQ(told.shares.size(), 5U);
  for (int i = 0; i < 3; ++i) EXPECT_DOUBLE_EQ(told.shares[static_cast<std::size_t>(i)], 1.0 / 9);
  for (int i = 3; i < 5; ++i) EXPECT_DOUBLE_EQ(told.shares[static_cast<std::size_t>(i)], 1.0 / 3);
}

// G7: a directory of the replica, and one of the source, is swapped for a symlink to outside again
// and again while the trees are synced; nothing outside is read into the replica or written to.
TEST_F(TreeWalk, G7SymlinkSwapsNeverLeadOutside) {
  const fs::path outside = root_ / "outside";
  fs::create_directory(outside);
  write_file(outside / "secret", "secret");
  const Snapshot before = snapshot_of(outside);
  fs::create_directory(source_ / "folder");
  for (int i = 0; i < 20; ++i) write_file(source_ / "folder" / std::to_string(i), "x");
  EXPECT_TRUE(sync().failures.empty());
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    for (int i = 0; !stop; ++i) {
      std::error_code ignored;
      for (const fs::path& tree : {source_, replica_}) {
        fs::rename(tree / "folder", root_ / "aside", ignored);
        fs::create_directory_symlink(outside, tree / "folder", ignored);
        std::this_thread::yield();
        fs::remove(tree / "folder", ignored);
        fs::rename(root_ / "aside", tree / "folder", ignored);
        fs::remove_all(root_ / "aside", ignored);
      }
      if (!fs::exists(source_ / "folder")) fs::create_directory(source_ / "folder", ignored);
      write_file(source_ / "folder" / "new", std::to_string(i));
    }
  });
  for (int round = 0; round < 60; ++round) {
    sync(checking(Check::kFull));
    const auto folder = fs::symlink_status(replica_ / "folder").type();
    EXPECT_FALSE(folder == fs::file_type::directory && fs::exists(replica_ / "folder" / "secret") &&
                 fs::symlink_status(replica_ / "folder").type() == fs::file_type::directory);
  }
  stop = true;
  swapper.join();
  EXPECT_EQ(differences(before, snapshot_of(outside)), "");
}

TEST_F(TreeWalk, FilesThatVanishOrChangeMeanwhileAreNoDisaster) {
  for (int i = 0; i < 200; ++i) write_file(source_ / std::to_string(i), std::string(5000, 'a'));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (unsigned i = 0; !stop; ++i) {
      const fs::path file = source_ / std::to_string(i * 7 % 200);
      std::error_code ignored;
      if (i % 3 == 0) fs::remove(file, ignored);
      if (i % 3 != 0) write_file(file, std::string(i % 9000, 'b'));
    }
  });
  for (int round = 0; round < 10; ++round) sync();
  stop = true;
  writer.join();
  sync_and_expect_equal(Check::kFull);
}

TEST_F(TreeWalk, FullReplicaFailsTheEntryOnly) {
  MIRRORFS_NEEDS_ROOT();
  const std::string mount = "mount -t tmpfs -o size=1m none '" + replica_.native() + "'";
  if (std::system((mount + " 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "cannot mount tmpfs";
  write_file(source_ / "big", std::string(4 << 20, 'b'));
  write_file(source_ / "small", "small");
  // "small" may fail as well, while the half of "big" fills the filesystem.
  const SyncReport report = sync();
  ASSERT_FALSE(report.failures.empty());
  EXPECT_EQ(report.failures[0].path, "big");
  EXPECT_FALSE(fs::exists(replica_ / "big"));
  EXPECT_FALSE(fs::exists(replica_ / kReservedName));
  fs::remove(source_ / "big");
  EXPECT_TRUE(sync().failures.empty()) << "a second run finishes the job";
  EXPECT_EQ(read_file(replica_ / "small"), "small");
  EXPECT_EQ(std::system(("umount '" + replica_.native() + "'").c_str()), 0);
}

TEST_F(TreeWalk, RsyncFindsNothingLeftToDo) {
  MIRRORFS_NEEDS_ROOT();
  if (std::system("command -v rsync >/dev/null") != 0) GTEST_SKIP() << "needs rsync";
  fs::create_directories(source_ / "a" / "b" / "empty");
  write_file(source_ / "a" / "file", std::string(200'000, 'f'));
  fs::create_hard_link(source_ / "a" / "file", source_ / "a" / "b" / "linked");
  fs::create_symlink("../nowhere", source_ / "a" / "b" / "link");
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mknod((source_ / "null").c_str(), S_IFCHR | 0666, 0x103), 0);
  ASSERT_EQ(::chmod((source_ / "a").c_str(), 01555), 0);
  ASSERT_EQ(::chown((source_ / "a" / "file").c_str(), 7, 8), 0);
  set_mtime(source_ / "a" / "b", -77, 5);
  sync_and_expect_equal();
  const std::string list = (root_ / "list").native();
  const std::string rsync = "rsync -aHAXn --checksum --delete --itemize-changes '" +
                            source_.native() + "/' '" + replica_.native() + "/' >'" + list + "'";
  ASSERT_EQ(std::system(rsync.c_str()), 0);
  EXPECT_EQ(read_file(list), "");
}

}  // namespace
}  // namespace mirrorfs::testing
