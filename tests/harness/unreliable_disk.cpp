#include "unreliable_disk.h"

#define FUSE_USE_VERSION 317
#include <fuse3/fuse_lowlevel.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "volatile_store.h"

namespace mirrorfs::test {

struct UnreliableDisk::Shared {
  std::atomic<bool> fails{false};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::int64_t> read_delay_ms{0};
};

namespace {

constexpr fuse_ino_t kFirstImage = 2;
constexpr std::string_view kImageName = "image";
constexpr const char* kCut = "user.cut";  // an attribute that is set to the seed
constexpr double kForever = 1e6;          // seconds: attributes never change
constexpr std::size_t kBlock = 512;

bool has_doomed_block(std::span<const char> bytes) {
  const auto doomed = [](char byte) { return byte == UnreliableDisk::kDoomed; };
  for (; bytes.size() >= kBlock; bytes = bytes.subspan(kBlock)) {
    if (std::ranges::all_of(bytes.first(kBlock), doomed)) return true;
  }
  return false;
}

}  // namespace

/// The FUSE filesystem: its root, and the images in it. Used by the threads of the forked process.
class UnreliableDisk::Server {
 public:
  Server(Shared& shared, std::uint64_t bytes, unsigned disks) : shared_(shared), bytes_(bytes) {
    for (unsigned disk = 0; disk < disks; ++disk) stores_.emplace_back(bytes);
  }

  /// Returns when it is unmounted.
  void serve(const Path& mount_point) {
    std::array<std::string, 2> words = {"disk", "-oallow_other"};
    std::array<char*, 3> pointers = {words[0].data(), words[1].data(), nullptr};
    fuse_args arguments = FUSE_ARGS_INIT(2, pointers.data());
    fuse_lowlevel_ops operations{};
    operations.lookup = lookup;
    operations.getattr = getattr;
    operations.open = [](fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
      file->direct_io = 1;  // the loop device is not to find here what the disk refused
      file->fh = of(request).cuts_;
      fuse_reply_open(request, file);
    };
    operations.read = read;
    operations.write = write;
    operations.fsync = fsync;
    operations.setxattr = setxattr;
    fuse_session* const session =
        fuse_session_new(&arguments, &operations, sizeof operations, this);
    if (session == nullptr || fuse_session_mount(session, mount_point.c_str()) != 0) {
      throw std::runtime_error("no FUSE filesystem at " + mount_point.string());
    }
    leave_namespace(mount_point);
    fuse_loop_config* const config = fuse_loop_cfg_create();
    // A read that is delayed keeps its thread.
    fuse_loop_cfg_set_max_threads(config, 64);
    fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
  }

 private:
  /// The last process of a mount namespace unmounts what is mounted there. This one must never be
  /// it: it would wait for its own answer.
  static void leave_namespace(const Path& mount_point) {
    check(::unshare(CLONE_NEWNS), "unshare", {});
    check(::umount2(mount_point.c_str(), MNT_DETACH), "umount", mount_point);
  }

  static Server& of(fuse_req_t request) {
    return *static_cast<Server*>(fuse_req_userdata(request));
  }

  [[nodiscard]] struct stat attributes(fuse_ino_t node) const {
    const bool image = node >= kFirstImage;
    struct stat result{};
    result.st_ino = node;
    result.st_nlink = 1;
    result.st_mode = image ? S_IFREG | 0600 : S_IFDIR | 0700;
    result.st_size = image ? static_cast<off_t>(bytes_) : 0;
    return result;
  }

  static void lookup(fuse_req_t request, fuse_ino_t, const char* name) {
    const std::string_view asked(name);
    fuse_ino_t disk = 0;
    const char* const end = asked.data() + asked.size();
    const bool is_image = asked.starts_with(kImageName) &&
                          std::from_chars(asked.data() + kImageName.size(), end, disk).ptr == end &&
                          disk < of(request).stores_.size();
    if (!is_image) {
      fuse_reply_err(request, ENOENT);
      return;
    }
    fuse_entry_param entry{};
    entry.ino = kFirstImage + disk;
    entry.attr = of(request).attributes(entry.ino);
    entry.attr_timeout = entry.entry_timeout = kForever;
    fuse_reply_entry(request, &entry);
  }

  static void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
    const struct stat result = of(request).attributes(node);
    fuse_reply_attr(request, &result, kForever);
  }

  /// With the disk of the image, unless power was cut since it was opened; answers with an error
  /// then.
  template <class Use>
  void use(fuse_req_t request, fuse_ino_t node, const fuse_file_info* file, const Use& how) {
    const std::lock_guard lock(mutex_);
    if (file->fh != cuts_) {
      fuse_reply_err(request, EIO);
    } else {
      how(stores_.at(node - kFirstImage));
    }
  }

  static void fsync(fuse_req_t request, fuse_ino_t node, int, fuse_file_info* file) {
    of(request).use(request, node, file, [&](VolatileStore& store) {
      store.sync();
      fuse_reply_err(request, 0);
    });
  }

  static void setxattr(fuse_req_t request, fuse_ino_t, const char* name, const char* value,
                       std::size_t size, int) {
    std::uint64_t seed = 0;
    const bool known = std::string_view(name) == kCut && size == sizeof seed;
    if (known) {
      std::memcpy(&seed, value, size);
      of(request).cut(seed);
    }
    fuse_reply_err(request, known ? 0 : ENOTSUP);
  }

  void cut(std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    ++cuts_;
    for (VolatileStore& store : stores_) store.cut(seed++);
  }

  static void read(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                   fuse_file_info* file) {
    Server& server = of(request);
    std::this_thread::sleep_for(milliseconds(server.shared_.read_delay_ms.load()));
    server.use(request, node, file,
               [&](VolatileStore& store) { read_from(store, request, size, offset); });
  }

  static void read_from(const VolatileStore& store, fuse_req_t request, std::size_t size,
                        off_t offset) {
    std::vector<char> bytes(size);
    const ssize_t got = store.read(bytes.data(), size, offset);
    if (got < 0) {
      fuse_reply_err(request, errno);
    } else {
      fuse_reply_buf(request, bytes.data(), static_cast<std::size_t>(got));
    }
  }

  static void write(fuse_req_t request, fuse_ino_t node, const char* bytes, std::size_t size,
                    off_t offset, fuse_file_info* file) {
    Server& server = of(request);
    if (server.shared_.fails && has_doomed_block({bytes, size})) {
      ++server.shared_.failed;
      fuse_reply_err(request, EIO);
      return;
    }
    server.use(request, node, file, [&](VolatileStore& store) {
      const ssize_t put = store.write(bytes, size, offset);
      if (put < 0) {
        fuse_reply_err(request, errno);
      } else {
        fuse_reply_write(request, static_cast<std::size_t>(put));
      }
    });
  }

  Shared& shared_;
  std::uint64_t bytes_;
  std::mutex mutex_;  // guards the rest; held while they are used
  std::vector<VolatileStore> stores_;
  std::atomic<std::uint64_t> cuts_ = 0;  ///< what was opened before the last one is dead
};

UnreliableDisk::Shared* UnreliableDisk::map_shared() {
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw_errno("mmap", {});
  return new (memory) Shared;
}

UnreliableDisk::UnreliableDisk(Filesystem kind, std::uint64_t bytes, unsigned disks)
    : shared_(map_shared()), server_(ChildProcess::fork_off([this, bytes, disks] {
        Server(*shared_, bytes, disks).serve(directory_.path());
      })) {
  const bool served = eventually(
      [&] { return test::mount_at(directory_.path()) && ::access(image(0).c_str(), F_OK) == 0; });
  if (!served) throw std::runtime_error("no disk appears at " + image(0).string());
  for (unsigned disk = 0; disk < disks; ++disk) {
    const std::string file = image(disk).string();
    run_or_throw(kind == Filesystem::kXfs
                     ? std::vector<std::string>{"mkfs.xfs", "-q", "-f", "-K", file}
                     : std::vector<std::string>{"mkfs.ext4", "-q", "-F", "-b", "4096", "-E",
                                                "nodiscard", file});
  }
}

Path UnreliableDisk::image(unsigned disk) const {
  return directory_.path() / (std::string(kImageName) + std::to_string(disk));
}

UnreliableDisk::~UnreliableDisk() {
  fail_doomed_writes(false);
  slow_down_reads(milliseconds(0));
  ::umount2(directory_.path().c_str(), MNT_DETACH);
  // Ends by itself once the last user of the loop device is gone; killed if that takes too long.
  (void)server_.wait(milliseconds(5'000));
  ::munmap(shared_, sizeof(Shared));
}

void UnreliableDisk::mount_at(const Path& directory, unsigned disk) const {
  run_or_throw({"mount", "-n", "-o", "loop", image(disk).string(), directory.string()});
}

void UnreliableDisk::cut_power(std::uint64_t seed) const {
  check(::setxattr(image(0).c_str(), kCut, &seed, sizeof seed, 0), "setxattr", image(0));
}

void UnreliableDisk::fail_doomed_writes(bool on) const { shared_->fails = on; }

std::uint64_t UnreliableDisk::failed_writes() const { return shared_->failed; }

void UnreliableDisk::slow_down_reads(milliseconds delay) const {
  shared_->read_delay_ms = delay.count();
}

void forget_content(const Path& file) {
  const UniqueFd fd = open_file(file, O_RDONLY);
  (void)::syncfs(fd.get());
  // Only what is not dirty goes, which includes what could not be written.
  const int error = ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "fadvise " + file.string());
}

}  // namespace mirrorfs::test
