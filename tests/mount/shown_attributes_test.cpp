// The mount shows what the source holds, at once: whatever a change does to attributes beyond what
// the kernel expects of it is told to the kernel.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <ostream>
#include <string>

#include "as_user.h"
#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr uid_t kOther = 65534;
constexpr std::size_t kSize = 65536;

struct Change {
  const char* name;
  void (*make)(const Path& file);
};

UniqueFd for_writing(const Path& file, int flags = 0) { return open_file(file, O_RDWR | flags); }

void allocate(const Path& file, int mode) {
  check(::fallocate(for_writing(file).get(), mode, 0, 4096), "fallocate", file);
}

constexpr Change kChanges[] = {
    {"write", [](const Path& file) { write_at(file, 10, "x"); }},
    {"write_beyond_the_end", [](const Path& file) { write_at(file, kSize + 10, "x"); }},
    {"append", [](const Path& file) { append_to(file, "x"); }},
    {"write_around_the_cache",
     [](const Path& file) {
       alignas(4096) static char block[4096];
       const UniqueFd fd = for_writing(file, O_DIRECT);
       check(::pwrite(fd.get(), block, sizeof block, 0), "pwrite", file);
     }},
    {"write_synchronously",
     [](const Path& file) {
       check(::pwrite(for_writing(file, O_SYNC).get(), "x", 1, 0), "pwrite", file);
     }},
    {"truncate", [](const Path& file) { truncate_file(file, 100); }},
    {"open_truncating", [](const Path& file) { (void)for_writing(file, O_TRUNC); }},
    {"allocate", [](const Path& file) { allocate(file, 0); }},
    {"allocate_keeping_the_size", [](const Path& file) { allocate(file, FALLOC_FL_KEEP_SIZE); }},
    {"punch_a_hole",
     [](const Path& file) { allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE); }},
    {"zero_a_range", [](const Path& file) { allocate(file, FALLOC_FL_ZERO_RANGE); }},
    {"copy_a_range",
     [](const Path& file) {
       const UniqueFd fd = for_writing(file);
       off_t from = 0, to = 8192;
       check(::copy_file_range(fd.get(), &from, fd.get(), &to, 4096, 0), "copy_file_range", file);
     }},
};

void PrintTo(const Change& change, std::ostream* stream) { *stream << change.name; }

/// One attribute, asked for alone: the kernel answers from memory whatever it takes for valid.
struct statx one_of(const Path& path, unsigned mask) {
  struct statx facts{};
  check(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, mask, &facts), "statx", path);
  return facts;
}

std::string text_of(const struct statx_timestamp& time) {
  return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

/// What is shown of an object, for people. What the kernel expects to change with every write comes
/// last: asking for it brings everything up to date.
std::string shown(const Path& path) {
  std::string text = fmt::format("mode {:o}", one_of(path, STATX_MODE).stx_mode);
  text += fmt::format(", owner {}", one_of(path, STATX_UID).stx_uid);
  text += fmt::format(", group {}", one_of(path, STATX_GID).stx_gid);
  text += fmt::format(", {} names", one_of(path, STATX_NLINK).stx_nlink);
  text += fmt::format(", size {}", one_of(path, STATX_SIZE).stx_size);
  text += ", modified " + text_of(one_of(path, STATX_MTIME).stx_mtime);
  return text + ", changed " + text_of(one_of(path, STATX_CTIME).stx_ctime);
}

class ShownAttributes : public testing::TestWithParam<Change> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// Others may use the mount, where set-id bits count.
  static MirrorSetup open_to_all() {
    return {.source = Filesystem::kExt4,
            .options = {"-o", "allow_other,suid,dev,attr_timeout=3600"}};
  }

  static void make_as(uid_t user, const std::function<void()>& change) {
    ChildProcess child = ChildProcess::fork_off([&] {
      const AsUser other(user);
      change();
    });
    ASSERT_EQ(child.wait(milliseconds(20'000)), 0);
  }
};

TEST_P(ShownAttributes, FollowAChangeThatDropsSetIdBits) {
  MirrorMount mirror(open_to_all());
  mirror.start();
  const Path file = mirror.mount("file");
  write_file(file, pattern(kSize, 1));
  for (const mode_t mode : {06666U, 04755U | 022U, 02777U}) {
    truncate_file(file, kSize);
    change_mode(file, mode);
    const std::string before = shown(file);  // the kernel has seen it, and would remember
    make_as(kOther, [&] { GetParam().make(file); });
    EXPECT_EQ(shown(file), shown(mirror.source("file"))) << "before: " << before;
    EXPECT_EQ(stat_of(mirror.source("file")).st_mode & S_ISUID, 0U) << "nothing was dropped";
  }
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// By root, who may keep the bits: times and sizes have to follow all the same.
TEST_P(ShownAttributes, FollowAChangeThatDropsNothing) {
  MirrorMount mirror(open_to_all());
  mirror.start();
  const Path file = mirror.mount("file");
  write_file(file, pattern(kSize, 1));
  change_mode(file, 0666);
  (void)shown(file);
  GetParam().make(file);
  EXPECT_EQ(shown(file), shown(mirror.source("file")));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(After, ShownAttributes, testing::ValuesIn(kChanges),
                         [](const auto& test) { return std::string(test.param.name); });

class ShownRights : public ShownAttributes {};

/// What the mount shows, exec believes.
TEST_F(ShownRights, AProgramThatAnotherUserWroteToDoesNotRunAsItsOwner) {
  MirrorMount mirror(open_to_all());
  mirror.start();
  const Path program = mirror.mount("id");
  run_or_throw({"cp", "/usr/bin/id", program});
  const auto effective_user = [&] {
    return run({program.string(), "-u"}, {.user = kOther, .environment = {"LC_ALL=C"}}).out;
  };
  change_mode(mirror.base(), 0755);
  for (const Change& change : kChanges) {
    const std::string name = change.name;
    if (name != "append" && name != "write_beyond_the_end" && name != "allocate") continue;
    change_mode(program, 06777);
    ASSERT_EQ(effective_user(), "0\n");
    make_as(kOther, [&] { change.make(program); });
    EXPECT_EQ(effective_user(), fmt::format("{}\n", kOther)) << "after " << name;
  }
  mirror.stop();
}

/// Other calls whose effects the kernel does not work out by itself.
constexpr Change kOthers[] = {
    {"change_owner",
     [](const Path& file) {
       change_mode(file, 06755);
       (void)stat_of(file);
       change_owner(file, 12, 34);
     }},
    {"set_an_acl",
     [](const Path& file) { run_or_throw({"setfacl", "-m", "u:12:rwx,m::rwx", file.string()}); }},
    {"remove_an_acl",
     [](const Path& file) {
       run_or_throw({"setfacl", "-m", "u:12:rwx", file.string()});
       (void)stat_of(file);
       run_or_throw({"setfacl", "-b", file.string()});
     }},
    {"set_an_attribute", [](const Path& file) { set_xattr(file, "user.name", "value"); }},
    {"make_a_link", [](const Path& file) { make_link(file, file.parent_path() / "linked"); }},
    {"rename",
     [](const Path& file) {
       rename_to(file, file.parent_path() / "elsewhere");
       rename_to(file.parent_path() / "elsewhere", file);
     }},
    {"set_times", [](const Path& file) { set_times(file, {1, 2}, {3, 4}); }},
};

class ShownAfterOthers : public ShownAttributes {};

TEST_P(ShownAfterOthers, TheSourcesAttributesAreShown) {
  MirrorMount mirror(open_to_all());
  mirror.start();
  const Path directory = mirror.mount("directory");
  make_directory(directory);
  const Path file = directory / "file";
  write_file(file, pattern(kSize, 1));
  (void)shown(file);
  (void)shown(directory);
  GetParam().make(file);
  EXPECT_EQ(shown(file), shown(mirror.source("directory/file")));
  EXPECT_EQ(shown(directory), shown(mirror.source("directory")));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(After, ShownAfterOthers, testing::ValuesIn(kOthers),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace mirrorfs::test
