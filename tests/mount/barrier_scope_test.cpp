// G6: a barrier waits for what it covers, not for a large copy that happens to be under way.
// MIRRORFS_BARRIER_BYTES=3000000000: the long form, with a copy that takes what the machine makes
// it take. By default the source's disk is slow to read, so that the copy takes long for certain.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "mirror_mount.h"
#include "unreliable_disk.h"

namespace mirrorfs::test {
namespace {

using Seconds = std::chrono::duration<double>;

class BarrierScope : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// How long a write to a file and its fsync take.
  static Seconds time_of_fsync(const Path& path) {
    const UniqueFd file = open_file(path, O_WRONLY | O_CREAT);
    const auto begin = std::chrono::steady_clock::now();
    write_all(file.get(), "small", path);
    check(::fsync(file.get()), "fsync", path);
    return std::chrono::steady_clock::now() - begin;
  }

  /// The file is copied by the baseline, and was just written to.
  static bool large_is_under_way(const MirrorMount& mirror) {
    const Status status = mirror.status();
    return status.baseline_running && !is_there(mirror.replica("large"));
  }
};

constexpr std::size_t kPage = 4096;

/// What the copy of the large file is to take its time with.
struct LargeFile {
  std::uint64_t bytes = 128 << 20;
  bool slow_disk = true;  ///< 150 ms for each read: half a minute or more
};

LargeFile large_file() {
  const char* const bytes = std::getenv("MIRRORFS_BARRIER_BYTES");
  if (bytes == nullptr) return {};
  return {.bytes = std::stoull(bytes), .slow_disk = false};
}

void write_large(const Path& path, std::uint64_t bytes) {
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT);
  const std::string block = pattern(1 << 20, 1);
  for (std::uint64_t done = 0; done < bytes; done += block.size()) {
    write_all(file.get(), block, path);
  }
}

TEST_F(BarrierScope, G6_AnUnrelatedFsyncDoesNotWaitForALargeFileThatIsReconciled) {
  const LargeFile large = large_file();
  std::unique_ptr<UnreliableDisk> disk;
  if (large.slow_disk) disk = std::make_unique<UnreliableDisk>(Filesystem::kExt4, 4 * large.bytes);
  MirrorMount mirror({.source = large.slow_disk ? Filesystem::kFolder : Filesystem::kTmpfs,
                      .source_bytes = large.bytes + (1ULL << 28),
                      .replica_bytes = large.bytes + (1ULL << 28),
                      .options = {"--mode=fsync"}});
  if (disk) {
    disk->mount_at(mirror.base() / "source-fs");
    make_directory(mirror.source());
  }
  make_directory(mirror.source("aside"));
  write_large(mirror.source("large"), large.bytes);
  if (disk) {
    forget_content(mirror.source("large"));
    disk->slow_down_reads(milliseconds(150));
  }
  mirror.start();
  const Path aside = mirror.mount("aside/file");
  (void)time_of_fsync(aside);  // what the first one takes is not the subject
  const Seconds before = time_of_fsync(aside);
  ASSERT_TRUE(large_is_under_way(mirror)) << "the copy was over too early";
  // A whole page, so that it need not be read first.
  write_at(mirror.mount("large"), 0, std::string(kPage, 'w'));
  const Seconds after = time_of_fsync(aside);
  EXPECT_TRUE(large_is_under_way(mirror))
      << "fsync returned only when the large file was copied, after " << after.count() << " s";
  fmt::print("fsync beside the copy: {:.3f} s, once it was written to: {:.3f} s\n", before.count(),
             after.count());
  if (disk) disk->slow_down_reads(milliseconds(0));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
