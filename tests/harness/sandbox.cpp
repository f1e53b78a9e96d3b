#include "sandbox.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "process.h"

namespace mirrorfs::test {
namespace {

class OwnNamespace : public testing::Environment {
 public:
  void SetUp() override {
    ::umask(022);
    // Daemons become children of the test, which can so tell when they are gone.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::geteuid() != 0) return;
    check(::unshare(CLONE_NEWNS), "unshare", {});
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make private", "/");
    // What programs note of pairs, where they are not told otherwise, ends with the test.
    ::mkdir("/var/lib/mirrorfs", 0755);
    check(::mount("none", "/var/lib/mirrorfs", "tmpfs", 0, nullptr), "mount", "/var/lib/mirrorfs");
    // Already mounted elsewhere: EBUSY.
    ::mount("none", "/sys/fs/fuse/connections", "fusectl", 0, nullptr);
  }
};

const auto* const own_namespace = testing::AddGlobalTestEnvironment(new OwnNamespace);

std::vector<MountLine> mount_table() {
  std::vector<MountLine> table;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, word;
    MountLine entry;
    words >> id >> parent >> device >> root >> entry.mount_point;
    while (words >> word && word != "-") {
    }
    words >> entry.type;
    entry.device_minor = static_cast<unsigned>(std::stoul(device.substr(device.find(':') + 1)));
    table.push_back(std::move(entry));
  }
  return table;
}

std::vector<std::string> command_to_make(Filesystem kind, const std::string& image) {
  switch (kind) {
    case Filesystem::kXfs: return {"mkfs.xfs", "-q", "-f", image};
    case Filesystem::kBtrfs: return {"mkfs.btrfs", "-q", "-f", image};
    default:
      return {
          "mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-E", "lazy_itable_init=1,nodiscard",
          image};
  }
}

}  // namespace

TempDir::TempDir() {
  const char* parent = std::getenv("TMPDIR");
  std::string pattern =
      std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") + "/mirrorfs-test.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw_errno("mkdtemp", pattern);
  path_ = std::filesystem::canonical(pattern);
  change_mode(path_, 0755);
}

TempDir::~TempDir() {
  unmount_all_below(path_);
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) ADD_FAILURE() << "cannot remove " << path_ << ": " << error.message();
}

std::string to_string(Filesystem kind) {
  switch (kind) {
    case Filesystem::kFolder: return "folder";
    case Filesystem::kTmpfs: return "tmpfs";
    case Filesystem::kExt4: return "ext4";
    case Filesystem::kXfs: return "xfs";
    case Filesystem::kBtrfs: return "btrfs";
  }
  return "?";
}

OwnFilesystem::OwnFilesystem(Filesystem kind, Path mount_point, std::uint64_t bytes)
    : mount_point_(std::move(mount_point)) {
  make_directory(mount_point_);
  if (kind == Filesystem::kTmpfs) {
    const std::string options = "size=" + std::to_string(bytes);
    check(::mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, options.c_str()), "mount",
          mount_point_);
    return;
  }
  const std::string image = mount_point_.string() + ".image";
  write_file(image, "");
  truncate_file(image, bytes);
  run_or_throw(command_to_make(kind, image));
  // mount(8) picks a free loop device and sets it to free itself with the mount.
  run_or_throw({"mount", "-n", "-o", "loop", image, mount_point_.string()});
  unlink_file(image);
}

OwnFilesystem::~OwnFilesystem() { ::umount2(mount_point_.c_str(), MNT_DETACH); }

void OwnFilesystem::remount(const std::string& options) const {
  run_or_throw({"mount", "-n", "-o", "remount," + options, mount_point_.string()});
}

UnchangeableTree::UnchangeableTree(Path root) : root_(std::move(root)) {
  // Symlinks and special files have no such flag; chattr says so, and that is fine.
  (void)run({"chattr", "-R", "-f", "+i", root_.string()});
}

UnchangeableTree::~UnchangeableTree() { (void)run({"chattr", "-R", "-f", "-i", root_.string()}); }

std::optional<MountLine> mount_at(const Path& mount_point) {
  std::optional<MountLine> topmost;
  for (MountLine& entry : mount_table()) {
    if (entry.mount_point == mount_point.string()) topmost = std::move(entry);
  }
  return topmost;
}

void unmount_all_below(const Path& path) {
  const std::string prefix = path.string();
  std::vector<MountLine> table = mount_table();
  for (auto entry = table.rbegin(); entry != table.rend(); ++entry) {
    if (entry->mount_point != prefix && !entry->mount_point.starts_with(prefix + "/")) continue;
    if (::umount2(entry->mount_point.c_str(), MNT_DETACH) == 0 || ::geteuid() == 0) continue;
    (void)run({"fusermount3", "-uz", entry->mount_point});
  }
}

std::string missing_for_mounts() {
  if (::geteuid() != 0) return "needs root";
  if (::access("/dev/fuse", R_OK | W_OK) != 0) return "needs /dev/fuse";
  if (::access("/dev/loop-control", R_OK | W_OK) != 0) return "needs loop devices";
  return {};
}

}  // namespace mirrorfs::test
