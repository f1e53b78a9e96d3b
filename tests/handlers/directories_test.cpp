// Listing directories on the mount, and what belongs to no other family.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Directories = Mounted;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::multiset<std::string> names_of(DIR* directory) {
  std::multiset<std::string> names;
  while (const dirent* const entry = ::readdir(directory)) names.insert(entry->d_name);
  return names;
}

TEST_F(Directories, ListingIsCompleteWithoutRepetition) {
  std::multiset<std::string> expected{".", ".."};
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "a file with a number " + std::to_string(i);
    const UniqueFd made(::open(source(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    expected.insert(name);
  }
  const Directory directory(::opendir(mount(".").c_str()));
  EXPECT_EQ(names_of(directory.get()), expected);
  ::rewinddir(directory.get());
  EXPECT_EQ(names_of(directory.get()), expected);
}

TEST_F(Directories, SeekReturnsToThePlace) {
  for (int i = 0; i < 100; ++i) make_file("file" + std::to_string(i));
  const Directory directory(::opendir(mount(".").c_str()));
  for (int i = 0; i < 50; ++i) ASSERT_NE(::readdir(directory.get()), nullptr);
  const long place = ::telldir(directory.get());
  const auto rest = names_of(directory.get());
  ::seekdir(directory.get(), place);
  EXPECT_EQ(names_of(directory.get()), rest);
}

TEST_F(Directories, ReservedNameIsNotListed) {
  ASSERT_EQ(::mkdir(source(".mirrorfs").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(source("folder").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(source("folder/.mirrorfs").c_str(), 0755), 0);
  const Directory root(::opendir(mount(".").c_str()));
  EXPECT_EQ(names_of(root.get()).count(".mirrorfs"), 0U);
  const Directory folder(::opendir(mount("folder").c_str()));
  EXPECT_EQ(names_of(folder.get()).count(".mirrorfs"), 1U);
}

// Reading admits nothing: with a full queue it would have to wait.
TEST_F(Directories, G4ReadersTellTheEngineNothing) {
  ASSERT_EQ(::mkdir(source("a").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(source("a/b").c_str(), 0755), 0);
  replicator_.become_full();
  const Directory root(::opendir(mount(".").c_str()));
  EXPECT_EQ(names_of(root.get()).count("a"), 1U);
  const Directory deep(::opendir(mount("a/b").c_str()));
  EXPECT_EQ(names_of(deep.get()).size(), 2U);
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(replicator_.waited_for_room(), 0);
}

TEST_F(Directories, RemovalWhileListingLeavesNothing) {
  for (int i = 0; i < 500; ++i) make_file("file" + std::to_string(i));
  const Directory root(::opendir(mount(".").c_str()));
  while (const dirent* const entry = ::readdir(root.get())) {
    if (entry->d_name[0] == '.') continue;
    EXPECT_EQ(::unlink(mount(entry->d_name).c_str()), 0);
  }
  ::rewinddir(root.get());
  EXPECT_EQ(names_of(root.get()).size(), 2U);
  EXPECT_EQ(take_only<Unlink>().size(), 500U);
}

TEST_F(Directories, RemovedWorkingDirectoryCanStillBeAskedAbout) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0755), 0);
  const UniqueFd folder = open("folder", O_PATH | O_DIRECTORY);
  ASSERT_EQ(::rmdir(mount("folder").c_str()), 0);
  struct stat shown{};
  EXPECT_EQ(::fstat(folder.get(), &shown), 0);
  EXPECT_EQ(error_of(::mkdirat(folder.get(), "x", 0700)), ENOENT);
}

TEST_F(Directories, ObjectReplacedBehindTheBackIsAnErrorNotAnother) {
  make_file("file", "old");
  const UniqueFd known = open("file", O_PATH);
  ASSERT_EQ(::rename(source("file").c_str(), source("moved").c_str()), 0);
  const UniqueFd other(::open(source("file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_EQ(::write(other.get(), "new", 3), 3);
  const std::string self = "/proc/self/fd/" + std::to_string(known.get());
  const std::string seen = read_file(self);
  EXPECT_TRUE(seen == "old" || seen.empty()) << seen;
}

TEST_F(Directories, IoctlsAreRefusedCleanly) {
  make_file("file");
  const UniqueFd fd = open("file", O_RDONLY);
  int flags = 0;
  EXPECT_EQ(error_of(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags)), ENOTTY);
}

}  // namespace
}  // namespace mirrorfs::testing
