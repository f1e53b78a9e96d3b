#include "failing_filesystem.h"

#include <fuse3/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <fstream>
#include <string>

#include "failing_calls.h"

// What a killed mirror has left open is never released, and libfuse keeps it. By whichever of its
// threads it was made.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:fuse_lib_open\nleak:fuse_lib_create\n";
}

namespace mirrorfs {
namespace {

constexpr const char* kConnections = "/sys/fs/fuse/connections";

void serve(fuse* served, FailingFilesystem::Serving serving) {
  if (serving == FailingFilesystem::Serving::kByOneThread) {
    fuse_loop(served);
    return;
  }
  constexpr unsigned kMostThreads = 64;  // one that hangs keeps its thread
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(config, kMostThreads);
  fuse_loop_mt(served, config);
  fuse_loop_cfg_destroy(config);
}

/// Where a hung one is aborted. In vain where it is mounted already, or nobody may.
void mount_connections() {
  static_cast<void>(::mount("none", kConnections, "fusectl", 0, nullptr));
}

}  // namespace

FailingFilesystem::FailingFilesystem(const std::filesystem::path& backing,
                                     const std::filesystem::path& mount_point, double believed,
                                     Serving serving)
    : mount_point_(mount_point) {
  mount_connections();
  state_.backing = backing;
  state_.believed = believed;
  std::string name = "failing";
  std::array<char*, 2> words = {name.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, words.data());
  const fuse_operations calls = failing_calls();
  struct fuse* const made = fuse_new(&arguments, &calls, sizeof calls, &state_);
  fuse_opt_free_args(&arguments);
  if (made == nullptr) return;
  if (fuse_mount(made, mount_point.c_str()) != 0) {
    fuse_destroy(made);
    return;
  }
  fuse_ = made;
  loop_ = std::thread([made, serving] { serve(made, serving); });
}

FailingFilesystem::~FailingFilesystem() {
  if (fuse_ == nullptr) return;
  state_.faults.heal();
  // Answered in their order: what was released before is released then, and nothing leaks.
  struct stat status{};
  const bool known = ::stat(mount_point_.c_str(), &status) == 0;
  fuse_exit(fuse_);
  // A descriptor that a killed mirror has left open would keep the connection, and the loop in
  // read. While it is mounted: afterwards the number may be that of another filesystem.
  if (known) {
    const auto connection =
        kConnections / std::filesystem::path(std::to_string(minor(status.st_dev)));
    std::ofstream(connection / "abort") << "1";
  }
  ::umount2(mount_point_.c_str(), MNT_DETACH);  // libfuse takes what was aborted for unmounted
  loop_.join();
  fuse_unmount(fuse_);  // closes what the loop reads from
  fuse_destroy(fuse_);
}

}  // namespace mirrorfs
