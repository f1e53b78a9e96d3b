// Changes made in the source itself, past the mount, show on the mount within --attr-timeout.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <thread>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr milliseconds kTimeout(200);

class ChangedSource : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

void let_it_pass() { std::this_thread::sleep_for(kTimeout + milliseconds(50)); }

std::string read_at(const UniqueFd& fd, off_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  bytes.resize(
      static_cast<std::size_t>(check(::pread(fd.get(), bytes.data(), size, offset), "pread", {})));
  return bytes;
}

std::set<std::string> names_in(const Path& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

TEST_P(ChangedSource, ShowsNewContentToWhoHasTheFileOpenOrMapped) {
  MirrorMount mirror({.source = GetParam(), .options = {"--attr-timeout=0.2"}});
  write_file(mirror.source("file"), std::string(8192, 'a'));
  mirror.start();
  const UniqueFd fd = open_file(mirror.mount("file"), O_RDONLY);
  EXPECT_EQ(read_at(fd, 0, 3), "aaa");
  void* const map = ::mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  EXPECT_EQ(*static_cast<const char*>(map), 'a');
  write_at(mirror.source("file"), 0, "bbb");
  let_it_pass();
  EXPECT_EQ(read_at(fd, 0, 4), "bbba");
  EXPECT_EQ(*static_cast<const char*>(map), 'b');
  append_to(mirror.source("file"), "tail");
  let_it_pass();
  EXPECT_EQ(read_at(fd, 8190, 100), "aatail");
  truncate_file(mirror.source("file"), 2);
  let_it_pass();
  EXPECT_EQ(read_at(fd, 0, 100), "bb");
  EXPECT_EQ(stat_of(mirror.mount("file")).st_size, 2);
  ::munmap(map, 8192);
}

TEST_P(ChangedSource, ShowsNamesThatCameWentAndMoved) {
  MirrorMount mirror({.source = GetParam(), .options = {"--attr-timeout=0.2"}});
  make_directory(mirror.source("directory"));
  write_file(mirror.source("directory/file"), "old");
  write_file(mirror.source("gone"), "");
  make_symlink("old", mirror.source("link"));
  mirror.start();
  EXPECT_EQ(read_file(mirror.mount("directory/file")), "old");
  EXPECT_EQ(std::filesystem::read_symlink(mirror.mount("link")), "old");
  EXPECT_TRUE(is_there(mirror.mount("gone")));
  EXPECT_FALSE(is_there(mirror.mount("new")));
  write_file(mirror.source("new"), "new");
  unlink_file(mirror.source("gone"));
  unlink_file(mirror.source("link"));
  make_symlink("new", mirror.source("link"));
  write_file(mirror.source("other"), "another file");
  rename_to(mirror.source("other"), mirror.source("directory/file"));
  rename_to(mirror.source("directory"), mirror.source("moved"));
  let_it_pass();
  EXPECT_EQ(names_in(mirror.mount()), (std::set<std::string>{"link", "moved", "new"}));
  EXPECT_EQ(read_file(mirror.mount("new")), "new");
  EXPECT_EQ(read_file(mirror.mount("moved/file")), "another file");
  EXPECT_EQ(std::filesystem::read_symlink(mirror.mount("link")), "new");
  EXPECT_FALSE(is_there(mirror.mount("gone")));
  EXPECT_FALSE(is_there(mirror.mount("directory")));
}

TEST_P(ChangedSource, ShowsNewAttributesAndEnforcesNewAccessControlLists) {
  MirrorMount mirror({.source = GetParam(), .options = {"--attr-timeout=0.2"}});
  write_file(mirror.source("file"), "content", 0600);
  mirror.start();
  const auto stranger_may_read = [&] {
    ChildProcess child = ChildProcess::fork_off([&] {
      check(::setuid(1234), "setuid", {});
      (void)open_file(mirror.mount("file"), O_RDONLY);
    });
    return child.wait(milliseconds(10'000)) == 0;
  };
  EXPECT_FALSE(stranger_may_read());
  run_or_throw({"setfacl", "-m", "u:1234:r", mirror.source("file").string()});
  change_owner(mirror.source("file"), 77, 88);
  set_xattr(mirror.source("file"), "user.colour", "blue");
  let_it_pass();
  EXPECT_TRUE(stranger_may_read());
  EXPECT_EQ(stat_of(mirror.mount("file")).st_uid, 77U);
  EXPECT_EQ(::getxattr(mirror.mount("file").c_str(), "user.colour", nullptr, 0), 4);
  run_or_throw({"setfacl", "-b", mirror.source("file").string()});
  let_it_pass();
  EXPECT_FALSE(stranger_may_read());
}

// The kernel believes the name to be free.
TEST_P(ChangedSource, IsNotDestroyedByWhoDoesNotKnowItYet) {
  MirrorMount mirror({.source = GetParam(), .options = {"--attr-timeout=60"}});
  mirror.start();
  EXPECT_FALSE(is_there(mirror.mount("file")));
  write_file(mirror.source("file"), "made behind the mount");
  EXPECT_EQ(::open(mirror.mount("file").c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600), -1);
  EXPECT_EQ(errno, EEXIST);
  {
    const UniqueFd fd = open_file(mirror.mount("file"), O_CREAT | O_RDWR);
  }
  EXPECT_EQ(read_file(mirror.mount("file")), "made behind the mount");
}

INSTANTIATE_TEST_SUITE_P(AttrTimeout, ChangedSource,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
