// mirrorfs: reads the command line, then becomes the daemon or waits for the one it forked.
#include <fcntl.h>
#include <malloc.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "fs/control/client.h"
#include "fs/control/mount_table.h"
#include "fs/control/socket_path.h"
#include "fs/daemon/about.h"
#include "fs/daemon/daemon.h"
#include "fs/daemon/open_files.h"
#include "fs/daemon/options.h"
#include "fs/daemon/path_checks.h"
#include "fs/daemon/readiness.h"
#include "mirrorfs/log.h"
#include "mirrorfs/printable.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? kExitDone : kExitFailed;
}

int complain(const std::string& line) {
  std::fprintf(stderr, "mirrorfs: %s\n", printable(line).c_str());
  return kExitFailed;
}

void warn(const std::string& line) {
  std::fprintf(stderr, "mirrorfs: warning: %s\n", printable(line).c_str());
}

/// Descriptors 0 to 2 must be taken, or one of ours would become "standard output".
bool have_standard_descriptors() {
  int fd = -1;
  do {
    fd = open("/dev/null", O_RDWR);  // NOLINT(android-cloexec-open): as standard as those inherited
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/// After `umount MNT` the daemon of that mount goes on until its queue is applied. A new mount at
/// the same place waits for it: it will most likely want the same replica.
void wait_for_predecessor(const DaemonOptions& options) {
  const std::string& mount_point = options.mount_point.native();
  const auto directory = control::open_socket_directory(control::own_socket_directory(), geteuid());
  if (!directory) return;
  const std::string name = control::socket_name(mount_point);
  const auto give_up = std::chrono::steady_clock::now() + options.drain_timeout;
  for (bool said = false; control::connect_to(directory->get(), name); said = true) {
    if (std::chrono::steady_clock::now() >= give_up) return;
    if (!said) {
      std::fprintf(stderr, "mirrorfs: waiting for the previous mirrorfs of '%s' to finish\n",
                   printable(mount_point).c_str());
    }
    std::this_thread::sleep_for(100ms);
  }
}

LogSettings log_settings(const DaemonOptions& options) {
  LogSettings settings;
  settings.level = options.log_level;
  settings.file = options.log_file;
  if (!options.log_file.empty()) {
    settings.target = LogTarget::kFile;
  } else if (!options.foreground) {
    settings.target = LogTarget::kSyslog;
  }
  return settings;
}

int run_in_foreground(const DaemonOptions& options) {
  // The log goes to standard error itself, unless to a file.
  const auto warned = [&options](const std::string& line) {
    if (!options.log_file.empty()) warn(line);
  };
  Daemon daemon(options, {.ready = [] { return Result<void>(); },
                          .failed = [](const std::string& line) { complain(line); },
                          .warned = warned});
  return daemon.run();
}

int run_as_child(const DaemonOptions& options, ReadinessPipe& pipe) {
  pipe.become_reporter();
  if (setsid() < 0 || chdir("/") != 0) {
    pipe.report_failure(std::string("cannot become a daemon: ") + std::strerror(errno));
    return kExitFailed;
  }
  const auto ready = [&pipe]() -> Result<void> {
    if (auto detached = detach_from_terminal(); !detached) return detached;
    return pipe.report_ready();
  };
  const auto failed = [&pipe](const std::string& line) { pipe.report_failure(line); };
  // Until it has detached, standard error is still that of whoever mounts.
  Daemon daemon(options, {.ready = ready, .failed = failed, .warned = warn});
  return daemon.run();
}

int wait_for_child(const DaemonOptions& options, ReadinessPipe& pipe) {
  if (const auto report = pipe.wait_for_report(); !report) return complain(report.error());
  struct statfs status{};
  if (statfs(options.mount_point.c_str(), &status) == 0) return kExitDone;
  return complain("'" + options.mount_point.native() +
                  "' was mounted but does not answer: " + std::strerror(errno));
}

int daemonize(const DaemonOptions& options) {
  // A descriptor inherited by accident would keep someone's pipe open as long as the mount lasts.
  close_range(STDERR_FILENO + 1, ~0U, 0);
  if (auto logging = configure_log(log_settings(options)); !logging)
    return complain(logging.error());
  auto pipe = ReadinessPipe::create();
  if (!pipe) return complain(pipe.error().message());
  // For who has mounted; the daemon's own go to the log.
  std::vector<std::string> writers;
  if (options.mount_point == options.mirror.source) {
    writers = writers_below(options.mirror.source);
  }
  const pid_t child = fork();
  if (child < 0) return complain(std::string("fork: ") + std::strerror(errno));
  if (child == 0) return run_as_child(options, *pipe);
  const int exit_code = wait_for_child(options, *pipe);
  if (exit_code != kExitDone) return exit_code;
  for (const std::string& line : writers) {
    warn(line);
  }
  return exit_code;
}

int mount_and_run(DaemonOptions options) {
  if (auto resolved = resolve_paths(options); !resolved) return complain(resolved.error());
  if (auto device = check_fuse_device(); !device) return complain(device.error());
  wait_for_predecessor(options);
  if (!options.foreground) return daemonize(options);
  if (auto logging = configure_log(log_settings(options)); !logging)
    return complain(logging.error());
  return run_in_foreground(options);
}

/// glibc's own limit, set in advance: it would read the number of processors from a path below
/// /sys when it creates an arena (G7).
void limit_arenas() {
  constexpr int kArenasPerProcessor = 8;
  mallopt(M_ARENA_MAX, kArenasPerProcessor * static_cast<int>(std::thread::hardware_concurrency()));
}

int run(const std::vector<std::string>& arguments) {
  limit_arenas();
  if (!have_standard_descriptors()) {
    return complain(std::string("/dev/null: ") + std::strerror(errno) + "; it is needed");
  }
  auto options = parse_daemon_options(arguments);
  if (!options) return complain(options.error());
  switch (options->request) {
    case DaemonOptions::Request::kHelp: return print(help_text());
    case DaemonOptions::Request::kVersion: return print(version_text() + "\n");
    case DaemonOptions::Request::kMount: break;
  }
  return mount_and_run(std::move(*options));
}

}  // namespace
}  // namespace mirrorfs

int main(int count, char** arguments) {
  return mirrorfs::run(std::vector<std::string>(arguments + 1, arguments + count));
}
