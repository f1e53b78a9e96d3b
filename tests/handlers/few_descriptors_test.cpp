// Applications keep as many files open as the daemon can: everything else goes on.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

constexpr rlim_t kLimit = 300;

class FewDescriptors : public Mounted {
 protected:
  void SetUp() override {
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit few{kLimit, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    Mounted::SetUp();
    if (IsSkipped()) return;
    for (rlim_t i = 0; i < 2 * kLimit; ++i) std::ofstream(source("f" + std::to_string(i))) << 'x';
    ASSERT_EQ(::mkdir(source("dir").c_str(), 0777), 0);
    for (const char* const name : {"dir/a", "dir/b", "dir/c"}) std::ofstream(source(name)) << 'x';
  }
  void TearDown() override {
    Mounted::TearDown();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0);
  }

  /// The number of the first thing that fails, with files of the mount open until one more could
  /// not be opened; 0: nothing did.
  int with_all_taken(const std::function<int(std::vector<UniqueFd>&)>& first_failure) {
    return as_user({.uid = 0, .gid = 0, .groups = {}}, [&] {
      if (::setrlimit(RLIMIT_NOFILE, &before_) != 0) return 100;
      std::vector<UniqueFd> open;
      for (rlim_t i = 0; i < 2 * kLimit; ++i) {
        open.emplace_back(::open(mount("f" + std::to_string(i)).c_str(), flags_ | O_CLOEXEC));
        if (!open.back()) break;
      }
      if (open.back() || errno != EMFILE) return 101;
      open.pop_back();
      if (open.size() < kLimit / 4) return 102;
      return first_failure(open);
    });
  }

  int flags_ = O_RDONLY;

 private:
  rlimit before_{};
};

int listed(const std::string& path) {
  DIR* const listing = ::opendir(path.c_str());
  if (listing == nullptr) return -1;
  int names = 0;
  while (::readdir(listing) != nullptr) ++names;
  return ::closedir(listing) == 0 ? names : -1;
}

TEST_F(FewDescriptors, OfFilesThatStayOpenLeaveSomeForAllElse) {
  for (const int flags : {O_RDONLY, O_RDWR}) {
    flags_ = flags;
    const std::string name = mount("made" + std::to_string(flags));
    EXPECT_EQ(with_all_taken([&](std::vector<UniqueFd>& open) {
                struct stat shown{};
                if (::stat(mount("f599").c_str(), &shown) != 0) return 1;
                if (::stat(mount("dir/a").c_str(), &shown) != 0) return 2;
                if (listed(mount("dir")) != 5) return 3;
                if (listed(mount("")) < static_cast<int>(2 * kLimit)) return 4;
                if (::mkdir(name.c_str(), 0777) != 0) return 5;
                if (::rename(name.c_str(), mount("dir/made").c_str()) != 0) return 6;
                if (::rmdir(mount("dir/made").c_str()) != 0) return 7;
                if (::symlink("f1", name.c_str()) != 0 || ::unlink(name.c_str()) != 0) return 8;
                if (::setxattr(mount("f598").c_str(), "user.a", "1", 1, 0) != 0) return 9;
                if (::truncate(mount("f597").c_str(), 0) != 0) return 10;
                char byte = 0;
                for (const UniqueFd& fd : open) {
                  if (::pread(fd.get(), &byte, 1, 0) != 1 || byte != 'x') return 11;
                }
                // What is made is not left behind where it cannot be opened.
                if (::open(name.c_str(), O_WRONLY | O_CREAT, 0666) >= 0) return 12;
                if (::stat(name.c_str(), &shown) == 0) return 13;
                return 0;
              }),
              0);
  }
}

TEST_F(FewDescriptors, EachCloseSucceedsAndMakesRoom) {
  flags_ = O_RDWR;
  EXPECT_EQ(with_all_taken([&](std::vector<UniqueFd>& open) {
              for (std::size_t i = 0; i + 1 < open.size(); ++i) {
                if (::close(open[i].release()) != 0) return 1;
              }
              const UniqueFd again(::open(mount("f599").c_str(), O_RDWR));
              return again ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace mirrorfs::testing
