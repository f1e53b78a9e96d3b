// What removed objects hold on to until the kernel forgets them, and while they are freed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "fs/nodes/removed_descriptors.h"
#include "fs/session/transport.h"
#include "tests/handlers/injection.h"
#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

/// Descriptors of this process that lead to a removed object.
std::size_t removed_and_open() {
  std::size_t count = 0;
  for (int fd = 0; fd < 4096; ++fd) {
    struct stat about{};
    if (::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 0) ++count;
  }
  return count;
}

class Removal : public Mounted, public ::testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] const char* transport() const override { return GetParam(); }
  void SetUp() override {
    if (std::string(GetParam()) == "uring" &&
        !(fs::kernel_offers_uring() && fs::library_offers_uring())) {
      GTEST_SKIP() << "no FUSE over io_uring: the fuse module's enable_uring is off";
    }
    Mounted::SetUp();
  }

  void make_files() const {
    for (int i = 0; i < kFiles; ++i) make_file(std::to_string(i));
  }
  static constexpr int kFiles = 1'500;
  /// What may wait to be closed, what the kernel may not have told of yet, and what is in use.
  static constexpr std::size_t kBound = fs::RemovedDescriptors::kMost + 250;
};

TEST_P(Removal, FasterThanTheSourceFreesThingsDoesNotPileUpDescriptors) {
  make_files();
  const SlowFreeing slow;
  std::size_t most = 0;
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_EQ(::unlink(mount(std::to_string(i)).c_str()), 0);
    if (i % 50 == 0) most = std::max(most, removed_and_open());
  }
  EXPECT_LE(std::max(most, removed_and_open()), kBound);
}

TEST_P(Removal, ByReplacingDoesNotPileUpDescriptorsEither) {
  make_files();
  const SlowFreeing slow;
  std::size_t most = 0;
  for (int i = 1; i < kFiles; ++i) {
    ASSERT_EQ(::rename(mount(std::to_string(i - 1)).c_str(), mount(std::to_string(i)).c_str()), 0);
    if (i % 50 == 0) most = std::max(most, removed_and_open());
  }
  EXPECT_LE(std::max(most, removed_and_open()), kBound);
}

TEST_P(Removal, IsFreedWithoutFurtherRequests) {
  make_file("file", "content");
  ASSERT_EQ(::unlink(mount("file").c_str()), 0);
  for (int i = 0; i < 500 && removed_and_open() > 0; ++i) ::usleep(10'000);
  EXPECT_EQ(removed_and_open(), 0U);
}

INSTANTIATE_TEST_SUITE_P(By, Removal, ::testing::Values("dev", "uring"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace mirrorfs::testing
