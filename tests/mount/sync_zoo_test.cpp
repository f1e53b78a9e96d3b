// mirrorctl sync of every kind of object there is, on every filesystem, with rsync(1) as the judge;
// and of trees in which somebody exchanges directories for links all the time.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <random>
#include <string>

#include "mirror_mount.h"
#include "object_kinds.h"
#include "sandbox.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

constexpr std::uint64_t kTerabyte = 1ULL << 40;

/// Times before 1970, and after 2038, where the filesystem can hold them.
void make_times(const Path& folder) {
  make_directory(folder);
  for (const std::int64_t second : {-1'000'000'000LL, -1LL, 0LL, 1LL << 31, 1LL << 33}) {
    const Path path = folder / std::to_string(second);
    write_file(path, "x");
    set_times(path, {.tv_sec = second, .tv_nsec = 1}, {.tv_sec = second, .tv_nsec = 999'999'999});
  }
}

void make_modes_and_owners(const Path& folder) {
  make_directory(folder);
  for (const mode_t mode : {0000U, 0400U, 0777U, 01777U, 02755U, 04755U, 06711U, 07777U}) {
    const Path file = folder / fmt::format("file{:o}", mode);
    const Path directory = folder / fmt::format("directory{:o}", mode);
    write_file(file, "x");
    make_directory(directory);
    write_file(directory / "file", "in it");
    for (const Path& path : {file, directory}) {
      change_owner(path, 1000 + mode, 2000 + mode);
      change_mode(path, mode);
    }
  }
}

void make_extended_attributes(const Path& folder) {
  make_directory(folder);
  write_file(folder / "file", "x");
  make_symlink("nowhere", folder / "link");
  make_node(folder / "fifo", S_IFIFO | 0600);
  make_directory(folder / "below");
  set_xattr(folder / "file", "user.name", "value");
  set_xattr(folder / "file", "user.empty", "");
  set_xattr(folder / "file", "user.bytes", std::string("\0\xff\n", 3));
  set_xattr(folder / "below", "user.large", pattern(1800, 3));
  for (const char* name : {"file", "link", "fifo", "below"}) {
    set_xattr(folder / name, "trusted.kept", name);
  }
  // cap_net_raw+ep, version 2 (linux/capability.h)
  set_xattr(folder / "file", "security.capability",
            std::string("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
  run_or_throw({"setfacl", "-m", "u:1234:r--,g:99:rwx,m::rwx", folder / "file"});
  run_or_throw({"setfacl", "-d", "-m", "u:1234:rwx,g:99:---", folder / "below"});
  write_file(folder / "below" / "inherits", "x");
}

void make_hardlink_groups(const Path& folder) {
  make_directory(folder);
  for (unsigned group = 0; group < 10; ++group) {
    const Path first = folder / fmt::format("first{}", group);
    if (group % 3 == 0) make_symlink("linked link", first);
    if (group % 3 == 1) make_node(first, S_IFIFO | 0640);
    if (group % 3 == 2) write_file(first, pattern(5000, group));
    for (unsigned name = 0; name < 5; ++name) {
      const Path place = folder / fmt::format("directory{}", name);
      if (group == 0) make_directory(place);
      make_link(first, place / fmt::format("name{}", group));
    }
  }
}

void make_sparse_files(const Path& folder) {
  make_directory(folder);
  write_file(folder / "hole", "");
  truncate_file(folder / "hole", 3 << 20);
  write_file(folder / "small", "");
  truncate_file(folder / "small", 40'000);
  write_at(folder / "small", 20'000, "in the middle");
  write_file(folder / "large", "begins");
  truncate_file(folder / "large", 40 << 20);
  write_at(folder / "large", 20 << 20, pattern(100'000, 1));
}

void make_names(const Path& folder) {
  make_directory(folder);
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') bytes += static_cast<char>(byte);
  }
  write_file(folder / bytes, "all bytes");
  write_file(folder / std::string(255, 'n'), "longest");
  make_directory(folder / std::string(255, '\xfe'));
  for (const char* name : {" ", "-rf", "...", "a\nb", "\\", "*"}) write_file(folder / name, name);
  // Longest of a symlink on XFS: 1,023; elsewhere 4,095.
  make_symlink(std::string(1'000, 't'), folder / "link");
}

void make_zoo(const Path& root, Filesystem kind) {
  for (const Kind object : kAllKinds) {
    make_directory(root / to_string(object));
    make_object(object, root / to_string(object) / "object");
  }
  make_times(root / "times");
  make_modes_and_owners(root / "modes");
  make_extended_attributes(root / "attributes");
  make_hardlink_groups(root / "links");
  make_sparse_files(root / "sparse");
  make_names(root / "names");
  if (kind != Filesystem::kXfs) make_symlink(std::string(4'095, 't'), root / "longest link");
  Path deep = root / "deep";
  for (int level = 0; level < 12; ++level) {
    make_directory(deep);
    deep /= std::string(200, 'd');
  }
}

class SyncZoo : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    filesystem_.emplace(GetParam(), both_, 1ULL << 30);
    make_directory(source_);
    make_directory(replica_);
  }

  void sync() const {
    const Finished finished = run({MIRRORCTL_PROGRAM, "sync", source_, replica_});
    EXPECT_EQ(finished.exit_code, 0);
    EXPECT_EQ(finished.err, "");
  }

  void expect_rsync_finds_nothing(const std::vector<std::string>& options) const {
    std::vector<std::string> command = {"rsync",
                                        "-aHAXn",
                                        "--delete",
                                        "--itemize-changes",
                                        "--exclude=/.mirrorfs",
                                        "--filter=-x trusted.SGI_ACL_*"};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(source_.string() + "/");
    command.push_back(replica_.string() + "/");
    const Finished judge = run(command);
    EXPECT_EQ(judge.exit_code, 0) << judge.err;
    EXPECT_EQ(judge.out, "");
  }

  /// Within what the filesystem itself allocates, a few blocks more or less.
  void expect_holes(const Path& name) const {
    EXPECT_LE(stat_of(replica_ / name).st_blocks, stat_of(source_ / name).st_blocks + 16) << name;
  }

  void sync_and_compare() const {
    sync();
    EXPECT_EQ(compare_trees(source_, replica_), "");
    expect_rsync_finds_nothing({"--checksum"});
    for (const char* name : {"hole", "small", "large"}) expect_holes(Path("sparse") / name);
  }

  TempDir base_;
  Path both_ = base_.path() / "both", source_ = both_ / "source", replica_ = both_ / "replica";
  std::optional<OwnFilesystem> filesystem_;
};

TEST_P(SyncZoo, G2RsyncFindsNothingLeftToDo) {
  make_zoo(source_, GetParam());
  sync_and_compare();
  sync_and_compare();
}

TEST_P(SyncZoo, G2ATerabyteOfHolesStaysOne) {
  const Path large = source_ / "large";
  write_file(large, "begins");
  truncate_file(large, kTerabyte);
  const std::string data = pattern(100'000, 1);
  write_at(large, kTerabyte / 2, data);
  sync();
  EXPECT_EQ(stat_of(replica_ / "large").st_size, static_cast<off_t>(kTerabyte));
  expect_holes("large");
  const UniqueFd copy = open_file(replica_ / "large", O_RDONLY);
  std::string read(data.size(), '\0');
  EXPECT_EQ(::pread(copy.get(), read.data(), read.size(), kTerabyte / 2),
            static_cast<ssize_t>(data.size()));
  EXPECT_TRUE(read == data);
  expect_rsync_finds_nothing({});  // by times; to read it would take minutes
}

TEST_P(SyncZoo, G2EveryKindTakesThePlaceOfEveryOther) {
  make_zoo(source_, GetParam());
  // Each kind's object stands where another kind's has to be.
  for (std::size_t i = 0; i < kAllKinds.size(); ++i) {
    const Path place = replica_ / to_string(kAllKinds[i]);
    make_directory(place);
    make_object(kAllKinds[(i + 5) % kAllKinds.size()], place / "object");
  }
  make_symlink("/", replica_ / "names");
  write_file(replica_ / "deep", "a file where a directory has to be");
  const Finished refused = run({MIRRORCTL_PROGRAM, "sync", source_, replica_});
  EXPECT_EQ(refused.exit_code, 2) << "G8";
  const Finished adopted = run({MIRRORCTL_PROGRAM, "sync", "--adopt", source_, replica_});
  EXPECT_EQ(adopted.exit_code, 0) << adopted.err;
  sync_and_compare();
}

INSTANTIATE_TEST_SUITE_P(G2, SyncZoo,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs,
                                         Filesystem::kBtrfs),
                         [](const auto& test) { return to_string(test.param); });

/// Puts links to `outside` in the place of what the trees hold, for moments, until it is killed.
[[noreturn]] void swap_for_links(const Path& tree, const Path& outside, unsigned seed) {
  // In a root of its own: a path of its own must not lead it out.
  check(::chroot(tree.c_str()), "chroot", tree);
  std::minstd_rand random(seed);
  const Path aside = fmt::format("/.aside{}", seed);
  for (;;) {
    const Path folder = fmt::format("/folder{}", random() % 4);
    const Path victim = random() % 2 == 0 ? folder : folder / std::to_string(random() % 40);
    std::error_code error;
    std::filesystem::rename(victim, aside, error);
    if (error) continue;
    const bool to_file = random() % 2 == 0;
    std::filesystem::create_symlink(to_file ? outside / "secret" : outside, victim, error);
    ::usleep(static_cast<useconds_t>(random() % 2000));
    (void)::unlink(victim.c_str());
    std::filesystem::rename(aside, victim, error);
    if (error) std::filesystem::remove_all(aside, error);
  }
}

TEST(SyncConfinement, G7_LinksSwappedInBetweenListingAndOpeningLeadNowhere) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const TempDir base;
  const Path source = base.path() / "source", replica = base.path() / "replica";
  const Path outside = base.path() / "outside";
  for (const Path& path : {source, replica, outside}) make_directory(path);
  const std::string secret = "what nobody may copy";
  write_file(outside / "secret", secret);
  for (unsigned i = 0; i < 40; ++i) write_file(outside / std::to_string(i), secret);
  for (unsigned folder = 0; folder < 4; ++folder) {
    make_directory(source / fmt::format("folder{}", folder));
    for (unsigned i = 0; i < 40; ++i) {
      write_file(source / fmt::format("folder{}", folder) / std::to_string(i), pattern(3000, i));
    }
  }
  const Snapshot before = snapshot(outside);
  Workers swappers(2, [&](unsigned number) {
    swap_for_links(number == 0 ? source : replica, outside, number + 1);
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  unsigned rounds = 0;
  for (; rounds < 10 || std::chrono::steady_clock::now() < end; ++rounds) {
    const Finished finished = run({MIRRORCTL_PROGRAM, "sync", "--adopt", "--max-delete=100%",
                                   "--check=full", source, replica});
    EXPECT_TRUE(finished.exit_code == 0 || finished.exit_code == 1) << finished.err;
    // Half of the runs find an empty replica, the others one that is to be compared.
    if (rounds % 2 == 0) continue;
    for (unsigned folder = 0; folder < 4; ++folder) {
      std::error_code ignored;
      const Path path = replica / fmt::format("folder{}", folder);
      if (!std::filesystem::is_symlink(path, ignored)) std::filesystem::remove_all(path, ignored);
    }
  }
  swappers.kill();
  EXPECT_EQ(differences(before, snapshot(outside)), std::vector<std::string>()) << rounds;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(replica)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    EXPECT_NE(read_file(entry.path()), secret) << entry.path() << " was read through a link";
  }
}

}  // namespace
}  // namespace mirrorfs::test
