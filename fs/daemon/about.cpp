#include "fs/daemon/about.h"

#include <fmt/format.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/utsname.h>

#include <fstream>
#include <string_view>
#include <vector>

#include "mirrorfs/ring_version.h"
#include "mirrorfs/version.h"

namespace mirrorfs {
namespace {

constexpr std::string_view kHelp = R"(usage: mirrorfs [options] SRC DST MNT
       mirrorfs SRC MNT -o dst=DST[,option...]

Mounts the directory SRC at MNT (which may be SRC itself) and keeps DST an equal copy of it, live.
Returns when the mount answers. Unmount with: umount MNT (or fusermount3 -u MNT)

  --mode=async|fsync|sync      when the application gets its answer: at once (async, default);
                               fsync when durable on DST too (fsync); everything when applied (sync)
  --io=auto|through            auto (default): kernel passthrough where possible; through: never
  --transport=auto|uring|dev   how requests come from the kernel: FUSE-over-io_uring or /dev/fuse
  --queue-size=SIZE            most memory for operations not yet applied (default 256M)
  --overflow=catch-up|throttle past it: mark and copy later (default), or make writers wait
  --on-dst-error=degrade|fail  a failing DST: go on and mark (default), or EIO (modes fsync, sync)
  --check=none|quick|full      what is compared at the start for a known DST (default quick)
  --journal=fast|durable       marks survive kill -9 (fast, default), or a power cut too (durable)
  --scrub=off|PERIOD           compare both trees, content too, all the time: one pass in about
                               PERIOD, such as 12h or 7d; what differs is copied (default off)
  --rate-limit=off|SIZE        most bytes a second that the baseline and catching up read of SRC;
                               the live stream is not limited (default off)
  --adopt                      take over a DST that is not empty; what SRC lacks is deleted there;
                               no effect where DST is this SRC's replica already
  --one-file-system            leave out filesystems that are mounted inside SRC
  --exclude=PATTERN            leave out what it matches, by gitignore's rules: '*.o', build/, /a/b,
                               !keep.o; may be given again. DST keeps what it has there
  --exclude-from=FILE          the same for the lines of a file
  --max-delete=N|N%            refuse to start where more objects of DST than that would be removed
                               (default: any where SRC is empty; more than half of 100 or more)
  --tolerate=LIST              what DST's filesystem need not hold: of owner, mode, xattr, acl,
                               times, links, special (default: a DST that lacks any is refused)
  --state-dir=DIR              where the journal is kept (default /var/lib/mirrorfs, for users
                               $XDG_STATE_HOME/mirrorfs)
  --threads=N                  most threads that answer requests
  --drain-timeout=SECONDS      at the end, how long to go on applying the queue (default 300)
  --attr-timeout=SECONDS       how soon changes made in SRC itself show on the mount (default 1)
  --entry-timeout=SECONDS      the same for names alone (default: as --attr-timeout)
  -f, --foreground             stay in the foreground and log to standard error
  --log-level=trace|debug|info|warn|error   (default info)
  --log-file=FILE              log there, not to the system log
  --on-event=COMMAND           run it at every change of state, with MIRRORFS_STATE and others set
  -o OPTION[,OPTION...]        any long option above by its name, and the usual mount options:
                               ro, allow_other (root: default; no_allow_other switches it off),
                               allow_root, fsname=, ...
                               A comma within a value is written \,
  -V, --version                print versions and kernel features
  -h, --help                   print this

SIZE takes K, M and G. Exit code: 0 mounted; 2 refused or failed, nothing mounted. With -f: 0 all
applied, 1 not all applied in time. See also: mirrorfs(8), mirrorctl(1).
)";

std::string first_line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// What the running kernel offers, as far as it says.
std::string kernel_features() {
  std::vector<std::string> features;
  const std::string disabled = first_line_of("/proc/sys/kernel/io_uring_disabled");
  features.push_back(disabled.empty() || disabled == "0"
                         ? "io_uring on"
                         : "io_uring restricted (kernel.io_uring_disabled=" + disabled + ")");
  const std::string uring = first_line_of("/sys/module/fuse/parameters/enable_uring");
  features.push_back(uring == "Y"   ? "FUSE over io_uring on"
                     : uring == "N" ? "FUSE over io_uring off (fuse.enable_uring=N)"
                                    : "FUSE over io_uring unknown to it");
  return fmt::format("{}", fmt::join(features, ", "));
}

}  // namespace

std::string help_text() { return std::string(kHelp); }

std::string version_text() {
  utsname kernel{};
  uname(&kernel);
  return fmt::format("mirrorfs {} (libfuse {}, {}; Linux {}: {})", kVersion, fuse_pkgversion(),
                     ring_library_version(), kernel.release, kernel_features());
}

}  // namespace mirrorfs
