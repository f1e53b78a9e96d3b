// mirrorctl sync as its user sees it: exit codes, what is said of failures, and what is left behind
// when the replica is full or read-only, a source cannot be read, or somebody presses Ctrl-C.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mirror_mount.h"
#include "sandbox.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class Sync : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    make_directory(source_);
    make_directory(replica_);
  }

  [[nodiscard]] std::vector<std::string> command(std::vector<std::string> options) const {
    std::vector<std::string> words = {MIRRORCTL_PROGRAM, "sync"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back(source_);
    words.push_back(replica_);
    return words;
  }
  [[nodiscard]] Finished sync(std::vector<std::string> options = {}) const {
    return run(command(std::move(options)));
  }

  void expect_done(const std::vector<std::string>& options = {}) const {
    const Finished finished = sync(options);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    EXPECT_EQ(compare_trees(source_, replica_), "");
  }

  /// Each file of the replica is one of the source's, whole.
  void expect_only_whole_files() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(replica_)) {
      const Path name = entry.path().lexically_relative(replica_);
      if (!entry.is_regular_file() || *name.begin() == ".mirrorfs") continue;
      EXPECT_TRUE(read_file(entry.path()) == read_file(source_ / name)) << name << " is not whole";
    }
  }

  /// 400 files of 1 to 100 KiB in 8 directories, and one of 3 MiB: some 20 MiB.
  void make_files() const {
    for (unsigned d = 0; d < 8; ++d) {
      const Path folder = source_ / ("folder" + std::to_string(d));
      make_directory(folder);
      for (unsigned f = 0; f < 50; ++f) {
        write_file(folder / std::to_string(f), pattern((f * 2 + 1) << 10, d * 100 + f));
      }
    }
    write_file(source_ / "large", pattern(3 << 20, 7));
  }

  TempDir base_;
  Path source_ = base_.path() / "source", replica_ = base_.path() / "replica";
};

TEST_F(Sync, FullReplicaInTheMiddle) {
  make_files();
  remove_directory(replica_);
  const OwnFilesystem small(Filesystem::kTmpfs, replica_, 8 << 20);
  const Finished finished = sync();
  EXPECT_EQ(finished.exit_code, 1) << finished.err;
  EXPECT_NE(finished.err.find("No space left on device"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("sync: 'folder"), std::string::npos) << finished.err;
  expect_only_whole_files();
  small.remount("size=64m");
  expect_done();
}

TEST_F(Sync, ReadOnlyReplica) {
  make_files();
  remove_directory(replica_);
  const OwnFilesystem filesystem(Filesystem::kTmpfs, replica_, 64 << 20);
  expect_done();
  write_file(source_ / "new", "new");
  filesystem.remount("ro");
  const Snapshot before = snapshot(replica_);
  const Finished finished = sync();
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("Read-only file system"), std::string::npos) << finished.err;
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_EQ(differences(before, snapshot(replica_)), std::vector<std::string>());
}

TEST_F(Sync, PartOfTheReplicaCannotBeChanged) {
  make_files();
  remove_directory(replica_);
  const OwnFilesystem filesystem(Filesystem::kExt4, replica_, 64 << 20);
  remove_directory(replica_ / "lost+found");
  expect_done();
  write_file(source_ / "folder3" / "new", "new");
  write_file(source_ / "folder4" / "new", "new");
  const UnchangeableTree fixed(replica_ / "folder3");
  const Finished finished = sync();
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("sync: 'folder3/new': "), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("immutable"), std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find("folder4"), std::string::npos) << finished.err;
  EXPECT_EQ(read_file(replica_ / "folder4" / "new"), "new") << "the rest was not copied";
}

/// Turns the bytes of a file, found by how it begins, in the image of an unmounted filesystem.
void spoil(const Path& image, const std::string& beginning) {
  std::string all = read_file(image);
  bool found = false;
  for (std::size_t at = 0; (at = all.find(beginning, at)) != std::string::npos; ++at) {
    write_at(image, at + beginning.size(), "spoilt");
    found = true;
  }
  ASSERT_TRUE(found);
}

TEST_F(Sync, SourceThatCannotBeRead) {
  const Path image = base_.path() / "image";
  write_file(image, "");
  truncate_file(image, 120 << 20);
  run_or_throw({"mkfs.btrfs", "-q", "-m", "single", image});
  const std::vector<std::string> mount = {"mount", "-n", "-o", "loop", image, source_};
  run_or_throw(mount);
  make_files();
  const std::string marked = "marked as " + pattern(50, 77);
  write_file(source_ / "folder2" / "spoilt", marked + pattern(64 << 10, 78));
  write_file(source_ / "spoilt and large", marked + pattern(4 << 20, 79));
  run_or_throw({"umount", source_});
  spoil(image, marked);
  run_or_throw(mount);
  write_file(replica_ / "spoilt and large", "what was there");
  const Finished finished = sync({"--adopt"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("sync: 'folder2/spoilt': read: Input/output error"),
            std::string::npos)
      << finished.err;
  EXPECT_NE(finished.err.find("sync: 'spoilt and large': read: Input/output error"),
            std::string::npos)
      << finished.err;
  EXPECT_FALSE(is_there(replica_ / "folder2" / "spoilt"));
  EXPECT_EQ(read_file(replica_ / "spoilt and large"), "what was there");
  EXPECT_EQ(read_file(replica_ / "folder2" / "49"), read_file(source_ / "folder2" / "49"));
  run_or_throw({"umount", source_});
}

TEST_F(Sync, SubtreeThatMayNotBeRead) {
  constexpr uid_t kUser = 65534;
  make_files();
  for (const Path& path : {source_, replica_}) run_or_throw({"chown", "-R", "65534:65534", path});
  change_mode(source_ / "folder1", 0);
  change_mode(source_ / "folder2" / "7", 0);
  const Finished finished = run(command({}), {.user = kUser});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("sync: 'folder1': "), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("sync: 'folder2/7': "), std::string::npos) << finished.err;
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 3) << finished.err;
  EXPECT_EQ(read_file(replica_ / "folder7" / "49"), read_file(source_ / "folder7" / "49"));
  change_mode(source_ / "folder1", 0755);
  change_mode(source_ / "folder2" / "7", 0644);
  EXPECT_EQ(run(command({}), {.user = kUser}).exit_code, 0);
  EXPECT_EQ(compare_trees(source_, replica_), "");
}

TEST_F(Sync, InterruptedByASignal) {
  make_files();
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  bool interrupted = false;
  // Finely at first; a sanitized program takes longer until it listens.
  for (unsigned delay = 1; delay < 2000 && !interrupted; delay += 1 + delay / 10) {
    ChildProcess child = ChildProcess::start(command({}), {}, null.get(), null.get());
    ::usleep(delay * 1000);
    child.signal(delay % 2 == 0 ? SIGINT : SIGTERM);
    const std::optional<int> code = child.wait(milliseconds(20'000));
    ASSERT_TRUE(code);
    interrupted = *code == 2;
    // Before main() and after its end the signal kills as ever.
    EXPECT_TRUE(*code == 0 || *code == 2 || *code > 128) << *code;
    expect_only_whole_files();
    if (*code == 0) std::filesystem::remove_all(replica_ / "folder4");
  }
  EXPECT_TRUE(interrupted);
  expect_done();
  EXPECT_TRUE(std::filesystem::is_empty(replica_ / ".mirrorfs" / "staging"));
}

TEST_F(Sync, FlagsThatAreNotMirroredAreTold) {
  remove_directory(source_);
  const OwnFilesystem filesystem(Filesystem::kExt4, source_, 64 << 20);
  make_files();
  const UnchangeableTree fixed(source_ / "folder5");
  const Finished finished = sync();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.err.find("51 objects are immutable"), std::string::npos) << finished.err;
  EXPECT_EQ(read_file(replica_ / "folder5" / "7"), read_file(source_ / "folder5" / "7"));
}

TEST_F(Sync, DryRunChangesNothing) {
  make_files();
  make_directory(replica_ / "folder0");
  write_file(replica_ / "folder0" / "1", "another");
  write_file(replica_ / "extraneous", "x");
  const Snapshot before = snapshot(base_.path());
  const Finished finished = sync({"--dry-run"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.out.find("extraneous: extraneous\n"), std::string::npos) << finished.out;
  EXPECT_NE(finished.out.find("large: missing on the replica\n"), std::string::npos);
  EXPECT_EQ(differences(before, snapshot(base_.path())), std::vector<std::string>());
}

TEST_F(Sync, G8AReplicaOfNothingIsRefused) {
  make_files();
  write_file(replica_ / "precious", "x");
  const Finished refused = sync();
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("--adopt"), std::string::npos) << refused.err;
  EXPECT_TRUE(is_there(replica_ / "precious"));
  expect_done({"--adopt"});
  EXPECT_FALSE(is_there(replica_ / "precious"));
  write_file(source_ / "more", "x");
  expect_done();
}

TEST_F(Sync, TellsWhatItDid) {
  make_files();
  const Finished json = sync({"--json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  for (const char* const part : {R"("files_copied":401)", R"("ring":{)", R"("by_opcode":{)",
                                 R"("enters":)", R"("failures":[])"}) {
    EXPECT_NE(json.out.find(part), std::string::npos) << part << " is not in " << json.out;
  }
  std::filesystem::remove_all(replica_ / "folder1");
  const Finished lines = sync({"--progress", "--stats"});
  EXPECT_EQ(lines.exit_code, 0);
  EXPECT_NE(lines.err.find("409 of 409 objects"), std::string::npos) << lines.err;
  EXPECT_EQ(lines.err.find('\r'), std::string::npos) << "not a terminal";
  EXPECT_NE(lines.out.find("50 files"), std::string::npos) << lines.out;
}

}  // namespace
}  // namespace mirrorfs::test
