// What name_to_handle_at(2) tells of the mount, as NFS servers and backup programs keep it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "calls.h"
#include "mirror_pair.h"

namespace mirrorfs::test {
namespace {

struct Handle {
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

class FileHandles : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  [[nodiscard]] Handle handle_of(const Path& path) const {
    Handle handle;
    handle.get()->handle_bytes = MAX_HANDLE_SZ;
    int mount = 0;
    check(::name_to_handle_at(AT_FDCWD, path.c_str(), handle.get(), &mount, 0), "name_to_handle_at",
          path);
    return handle;
  }
  [[nodiscard]] UniqueFd open(Handle& handle) const {
    const UniqueFd root = open_file(pair.path("m"), O_RDONLY | O_DIRECTORY);
    return UniqueFd(::open_by_handle_at(root.get(), handle.get(), O_RDONLY | O_CLOEXEC));
  }

  MirrorPair pair;
};

TEST_F(FileHandles, OneOpensItsFile) {
  pair.fill("s", 3);
  pair.mount();
  const UniqueFd kept = open_file(pair.path("m/file1"), O_RDONLY);
  Handle handle = handle_of(pair.path("m/file1"));
  const UniqueFd opened = open(handle);
  ASSERT_TRUE(opened);
  struct stat by_handle{};
  check(::fstat(opened.get(), &by_handle), "fstat", "the file");
  EXPECT_EQ(by_handle.st_ino, stat_of(pair.path("m/file1")).st_ino);
}

TEST_F(FileHandles, OneOfAnEarlierSessionIsStale) {
  pair.fill("s", 3);
  pair.mount();
  Handle handle = handle_of(pair.path("m/file1"));
  pair.unmount();
  pair.mount();
  // The same number means another file now.
  for (const char* name : {"file2", "file1", "file0"}) (void)stat_of(pair.path("m") / name);
  EXPECT_FALSE(open(handle));
  EXPECT_EQ(errno, ESTALE);
  pair.unmount();
}

}  // namespace
}  // namespace mirrorfs::test
