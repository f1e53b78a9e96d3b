// G8: filesystems mounted inside the source. One that is absent is not an emptied directory.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class InnerMounts : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  void attach(const std::string& place) const {
    make_directory(pair.path(place));
    attach_again(place);
  }
  void attach_again(const std::string& place) const {
    check(::mount("none", pair.path(place).c_str(), "tmpfs", 0, "size=16m"), "mount",
          pair.path(place));
  }
  void detach(const std::string& place, int flags = 0) const {
    check(::umount2(pair.path(place).c_str(), flags), "umount", pair.path(place));
  }
  void bind(const std::string& from, const std::string& to) const {
    check(::mount(pair.path(from).c_str(), pair.path(to).c_str(), nullptr, MS_BIND, nullptr),
          "bind mount", pair.path(to));
  }
  void mirror_once() const {
    pair.mount();
    pair.wait();
    pair.unmount();
  }

  MirrorPair pair;
};

TEST_F(InnerMounts, OneThatIsAbsentAtTheNextMountKeepsItsCopy) {
  write_file(pair.path("s/file"), "x");
  attach("s/inner");
  write_file(pair.path("s/inner/data"), "precious");
  mirror_once();
  ASSERT_EQ(read_file(pair.path("d/inner/data")), "precious");
  detach("s/inner");
  pair.mount();
  write_file(pair.path("m/more"), "more");
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "precious");
  EXPECT_EQ(read_file(pair.path("d/more")), "more");
  EXPECT_NE(pair.log().find("'inner' is not mounted"), std::string::npos);
  EXPECT_EQ(pair.ctl({"verify", "--full", "m"}).exit_code, 0);
  pair.unmount();
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 0) << synced.err;
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "precious");
  EXPECT_NE(synced.err.find("'inner' is not mounted"), std::string::npos) << synced.err;
  // The directory that it was mounted on is removed: that does not remove the data either.
  remove_directory(pair.path("s/inner"));
  mirror_once();
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "precious");
  // Back again, it is mirrored as before.
  attach("s/inner");
  write_file(pair.path("s/inner/data"), "new");
  mirror_once();
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "new");
}

/// Names whose number in the listing is not the one that stat(2) shows.
std::vector<std::string> misnumbered(const std::filesystem::path& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), &::closedir);
  // Nothing is looked up meanwhile: the kernel then asks for attributes in the first reply only.
  std::vector<std::pair<std::string, ino_t>> listed;
  while (const dirent* const entry = ::readdir(listing.get())) {
    listed.emplace_back(entry->d_name, entry->d_ino);
  }
  std::vector<std::string> wrong;
  for (const auto& [name, inode] : listed) {
    struct stat shown{};
    check(::fstatat(::dirfd(listing.get()), name.c_str(), &shown, AT_SYMLINK_NOFOLLOW), "stat",
          name);
    if (shown.st_ino != inode) wrong.push_back(name);
  }
  return wrong;
}

TEST_F(InnerMounts, ListingsNumberEachObjectAsStatDoes) {
  make_directory(pair.path("s/dir"));
  write_file(pair.path("s/file"), "x");
  attach("s/dir/inner");
  write_file(pair.path("s/dir/inner/data"), "x");
  make_directory(pair.path("s/dir/inner/below"));
  for (int i = 0; i < 400; ++i) {
    const std::string place = "s/dir/a-directory-with-a-long-name-" + std::to_string(i);
    make_directory(pair.path(place));
    if (i % 40 == 0) attach_again(place);
  }
  pair.mount();
  for (const char* const place : {"m", "m/dir", "m/dir/inner", "m/dir/inner/below"}) {
    EXPECT_EQ(misnumbered(pair.path(place)), std::vector<std::string>()) << place;
  }
}

TEST_F(InnerMounts, OneWithinADirectoryThatIsGoneKeepsItsCopyToo) {
  make_directory(pair.path("s/dir"));
  attach("s/dir/inner");
  write_file(pair.path("s/dir/inner/data"), "precious");
  mirror_once();
  detach("s/dir/inner");
  std::filesystem::remove_all(pair.path("s/dir"));
  mirror_once();
  EXPECT_EQ(read_file(pair.path("d/dir/inner/data")), "precious");
}

TEST_F(InnerMounts, OneThatIsDetachedWhileMirroredKeepsItsCopy) {
  write_file(pair.path("s/file"), "x");
  attach("s/inner");
  write_file(pair.path("s/inner/data"), "precious");
  pair.mount();
  pair.wait();
  detach("s/inner", MNT_DETACH);
  write_file(pair.path("m/after"), "after");
  static_cast<void>(pair.shell("echo x > m/inner/new; ls m/inner; rmdir m/inner"));
  write_file(pair.path("m/last"), "last");
  static_cast<void>(pair.ctl({"wait", "m", "--timeout=8"}));
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "precious");
  EXPECT_EQ(read_file(pair.path("d/after")), "after");
  pair.unmount();
  mirror_once();
  EXPECT_EQ(read_file(pair.path("d/inner/data")), "precious");
}

TEST_F(InnerMounts, OneFileSystemLeavesThemOut) {
  write_file(pair.path("s/file"), "x");
  attach("s/inner");
  write_file(pair.path("s/inner/data"), "of another filesystem");
  pair.mount("s", "d", {"--one-file-system"});
  write_file(pair.path("m/inner/more"), "more");
  write_file(pair.path("m/here"), "here");
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/here")), "here");
  EXPECT_FALSE(is_there(pair.path("d/inner/data")));
  EXPECT_FALSE(is_there(pair.path("d/inner/more")));
  EXPECT_EQ(pair.ctl({"verify", "m"}).exit_code, 0);
  pair.unmount();
}

TEST_F(InnerMounts, ADirectoryMetAtTwoPlacesIsRefusedWithBothNames) {
  make_directory(pair.path("s/a"));
  make_directory(pair.path("s/b"));
  write_file(pair.path("s/a/file"), "x");
  bind("s/a", "s/b");
  pair.expect_refused("s", "d", "s/b' and ");
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 2);
  EXPECT_NE(synced.err.find("s/a'"), std::string::npos) << synced.err;
  EXPECT_FALSE(is_there(pair.path("d/a")));
  pair.mount("s", "d", {"--one-file-system"});
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/a/file")), "x");
  EXPECT_FALSE(is_there(pair.path("d/b/file")));
  pair.unmount();
  detach("s/b");
  // Over itself, or from outside, nothing is met twice.
  bind("s/a", "s/a");
  make_directory(pair.path("outside"));
  write_file(pair.path("outside/o"), "o");
  bind("outside", "s/b");
  mirror_once();
  EXPECT_EQ(pair.differences("s", "d"), "");
}

TEST_F(InnerMounts, ABindMadeWhileMirroredEndsNothing) {
  make_directory(pair.path("s/a"));
  make_directory(pair.path("s/b"));
  write_file(pair.path("s/a/file"), "x");
  pair.mount();
  pair.wait();
  bind("s/a", "s/b");
  write_file(pair.path("m/a/file"), "again");
  static_cast<void>(pair.shell("ls m/b; echo y > m/b/other; cat m/b/file"));
  pair.wait();
  EXPECT_EQ(read_file(pair.path("d/a/file")), "again");
  detach("s/b", MNT_DETACH);
  pair.unmount();
  mirror_once();
  EXPECT_EQ(pair.differences("s", "d"), "");
}

TEST_F(InnerMounts, TheKernelsOwnFilesystemsAreLeftOut) {
  write_file(pair.path("s/file"), "x");
  make_directory(pair.path("s/proc"));
  check(::mount("proc", pair.path("s/proc").c_str(), "proc", 0, nullptr), "mount", "proc");
  pair.mount();
  static_cast<void>(read_file(pair.path("m/proc/version")));
  write_file(pair.path("m/more"), "more");
  pair.wait();
  const std::string status = pair.ctl({"status", "m", "--json"}).out;
  EXPECT_NE(status.find("\"errors_total\":0"), std::string::npos) << status;
  EXPECT_EQ(read_file(pair.path("d/more")), "more");
  EXPECT_FALSE(is_there(pair.path("d/proc/version")));
  EXPECT_NE(pair.log().find("'proc' is a filesystem of the kernel's own"), std::string::npos);
  EXPECT_EQ(pair.ctl({"verify", "m"}).exit_code, 0);
  pair.unmount();
}

}  // namespace
}  // namespace mirrorfs::test
