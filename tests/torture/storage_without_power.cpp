#include "storage_without_power.h"

#include <fmt/core.h>
#include <sys/ioctl.h>

#include <string>

#include "process.h"
#include "unreliable_disk.h"

namespace mirrorfs::test {
namespace {

constexpr std::uint64_t kBytes = 320ULL << 20;  // as small as XFS will have it

class DisksWithoutPower : public StorageWithoutPower {
 public:
  DisksWithoutPower(Filesystem kind, unsigned count) : disk_(kind, kBytes, count) {}
  void mount(unsigned number, const Path& directory) override { disk_.mount_at(directory, number); }
  void cut(std::uint64_t seed, const std::vector<Path>&) override { disk_.cut_power(seed); }

 private:
  UnreliableDisk disk_;
};

class ShutDownFilesystems : public StorageWithoutPower {
 public:
  ShutDownFilesystems(Filesystem kind, unsigned count) {
    for (unsigned number = 0; number < count; ++number) {
      write_file(image(number), "");
      truncate_file(image(number), kBytes);
      const std::string file = image(number).string();
      run_or_throw(kind == Filesystem::kXfs
                       ? std::vector<std::string>{"mkfs.xfs", "-q", file}
                       : std::vector<std::string>{"mkfs.ext4", "-q", "-b", "4096", file});
    }
  }
  void mount(unsigned number, const Path& directory) override {
    run_or_throw({"mount", "-n", "-o", "loop", image(number).string(), directory.string()});
  }
  void cut(std::uint64_t, const std::vector<Path>& directories) override {
    // EXT4_IOC_SHUTDOWN (ext4.h), XFS_IOC_GOINGDOWN (xfs_fs.h): one number for both.
    constexpr unsigned long kShutDown = _IOR('X', 125, std::uint32_t);
    for (const Path& directory : directories) {
      const UniqueFd root = open_file(directory, O_RDONLY | O_DIRECTORY);
      std::uint32_t how = 2;  // the log is not flushed
      check(::ioctl(root.get(), kShutDown, &how), "shutdown", directory);
    }
  }

 private:
  [[nodiscard]] Path image(unsigned number) const {
    return directory_.path() / fmt::format("image{}", number);
  }
  TempDir directory_;
};

}  // namespace

std::unique_ptr<StorageWithoutPower> disks_without_power(Filesystem kind, unsigned count) {
  return std::make_unique<DisksWithoutPower>(kind, count);
}

std::unique_ptr<StorageWithoutPower> filesystems_that_shut_down(Filesystem kind, unsigned count) {
  return std::make_unique<ShutDownFilesystems>(kind, count);
}

}  // namespace mirrorfs::test
