// One FUSE mount: libfuse's low-level session, its loop and the handlers behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs {

/// For `status`.
struct PassthroughUse {
  bool available = false;     ///< the kernel offers it, we have the right, and it is wanted
  std::uint64_t opens = 0;    ///< that the kernel serves by itself, so far
  std::uint64_t refused = 0;  ///< that it refused to: they go through the daemon
};

struct SessionOptions {
  /// "/dev/fd/N" takes over descriptor N, on which the protocol is spoken already (mount.fuse3(8)).
  std::string mount_point;
  /// Mount options for libfuse and the kernel: "allow_other", "default_permissions", "fsname=…",
  /// "subtype=mirrorfs". Session adds none of its own.
  std::vector<std::string> fuse_options;
  unsigned threads = 0;  ///< most threads that answer requests; 0: libfuse's own default
  Mode mode = Mode::kAsync;
  bool hide_reserved_root_name = true;
  double attr_timeout = 1;   ///< seconds the kernel may trust attributes
  double entry_timeout = 1;  ///< seconds the kernel may trust names
  /// Called once, by a request thread, when INIT was seen: the mount answers.
  std::function<void()> on_init;
  std::string transport = "auto";  ///< "auto", "uring" or "dev"
  bool passthrough = true;         ///< where the kernel, our rights and the source allow it
};

/// Lives from the mount until after the unmount. The source's root and the replicator outlive it.
class Session {
 public:
  /// Mounts; nothing is answered before run(). Starts no thread, so the caller may still fork.
  /// `source_root_fd` stays the caller's. Changes two things of the process: the umask becomes 0
  /// (files are created with the umask of the request; whoever else creates files names the whole
  /// mode), and SIGXFSZ is ignored. Call it with the final RLIMIT_NOFILE: half of it is used.
  [[nodiscard]] static Result<std::unique_ptr<Session>> mount(const SessionOptions& options,
                                                              int source_root_fd,
                                                              Replicator& replicator);
  virtual ~Session() = default;

  /// Answers requests from several threads until the mount goes away or stop() is called.
  virtual void run() = 0;

  /// Ends run() soon. Any thread, but not a signal handler.
  virtual void stop() = 0;

  /// Removes the mount if it still stands. Call it after run() has returned.
  virtual void unmount() = 0;

  /// "uring" or "dev"; right after INIT was seen.
  [[nodiscard]] virtual const char* transport_in_use() const = 0;

  /// How opens were served. Any thread.
  [[nodiscard]] virtual PassthroughUse passthrough_use() const = 0;

  /// Has what applications changed past the daemon, by now, recorded. Any thread, and also after
  /// unmount(): what is still open then can go on changing, and stays marked.
  virtual void capture_open_files() = 0;

  /// The kernel's numbers of files that may be mapped for writing, so that the page cache of the
  /// mount may hold what the daemon has not been told yet. Any thread.
  [[nodiscard]] virtual std::vector<std::uint64_t> mapped_nodes() const = 0;
  /// Of the kernel's numbers, as in its file handles. Any thread.
  [[nodiscard]] virtual std::uint32_t node_generation() const = 0;

  /// How many files were written past the daemon since they were captured. Any thread.
  [[nodiscard]] virtual std::size_t outdated_files() = 0;

  /// How many objects the kernel and open handles refer to; the root is always one. Any thread.
  [[nodiscard]] virtual std::size_t known_nodes() const = 0;

 protected:
  Session() = default;
};

}  // namespace mirrorfs
