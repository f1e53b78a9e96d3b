// G8: what is kept finds a place whatever was kept before.
#include "engine/replica/kept.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "mirrorfs/mirror.h"
#include "temporary_directory.h"

namespace mirrorfs::replica {
namespace {

namespace fs = std::filesystem;

class KeptTest : public ::testing::Test {
 protected:
  void put(const std::string& path, const std::string& content) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  /// As the writer does, and removed then.
  void destroy(const std::string& path) {
    const fs::path full = root_ / path;
    const UniqueFd above(::open(full.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string name = full.filename();
    const auto done = kept_.about_to_destroy(
        {.how = Destruction::kUnlink, .directory = above.get(), .name = name.c_str()});
    ASSERT_TRUE(done) << path << ": " << done.error().message();
    fs::remove(full);
  }
  /// "path: content" of each file that was kept.
  [[nodiscard]] std::vector<std::string> kept() const {
    std::vector<std::string> found;
    for (const auto& time : fs::directory_iterator(root_ / kReservedName / "kept")) {
      for (const auto& entry : fs::recursive_directory_iterator(time)) {
        if (!entry.is_regular_file()) continue;
        std::string content;
        std::ifstream(entry.path()) >> content;
        found.push_back(fs::relative(entry.path(), time).string() + ": " + content);
      }
    }
    std::ranges::sort(found);
    return found;
  }

  mirrorfs::testing::TemporaryDirectory directory_;
  fs::path root_ = directory_.path();
  UniqueFd opened_{::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  Kept kept_{opened_.get(), {{{.tv_sec = 0, .tv_nsec = 1}, {.tv_sec = 1L << 40, .tv_nsec = 0}}}};
};

using Names = std::vector<std::string>;

TEST_F(KeptTest, G8AFileIsKeptBelowADirectoryThatWasKeptAsAFile) {
  put("place", "file");
  destroy("place");
  put("place/below", "content");
  destroy("place/below");
  destroy("place");
  put("place/below", "another");
  destroy("place/below");
  EXPECT_EQ(kept(), (Names{"place.1/below.1: another", "place.1/below: content", "place: file"}));
}

TEST_F(KeptTest, G8AFileIsKeptBesideADirectoryOfItsName) {
  put("place/below", "content");
  destroy("place/below");
  destroy("place");
  put("place", "file");
  destroy("place");
  EXPECT_EQ(kept(), (Names{"place.1: file", "place/below: content"}));
}

TEST_F(KeptTest, G8NothingIsKeptBehindASymlink) {
  fs::create_symlink("/tmp", root_ / "place");
  destroy("place");
  put("place/below", "content");
  destroy("place/below");
  EXPECT_EQ(kept(), Names{"place.1/below: content"});
}

}  // namespace
}  // namespace mirrorfs::replica
