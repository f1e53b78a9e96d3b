// Acting with the rights of the caller: user, group and CAP_FSETID of the calling thread only.
#pragma once

#include <linux/capability.h>
#include <sys/types.h>

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::fs {

struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;  ///< thread id; 0 when outside the daemon's pid namespace
  mode_t umask = 0;
};

/// The "Groups:" and "CapEff:" lines of /proc/PID/status. Nothing when the text has no such line.
[[nodiscard]] std::optional<std::vector<gid_t>> parse_groups(std::string_view status);
[[nodiscard]] std::optional<std::uint64_t> parse_capabilities(std::string_view status);
/// Whether one of the lines of /proc/PID/uid_map or gid_map has `id`, as our namespace names it.
[[nodiscard]] bool is_mapped(std::string_view map, std::uint32_t id);
/// Whether SIGKILL is pending ("SigPnd:", "ShdPnd:"): every fatal signal becomes one for each
/// thread of the process (complete_signal(), Linux kernel/signal.c).
[[nodiscard]] bool parse_killed(std::string_view status);

/// The calling thread's own user of files (setfsuid(2)); false when it could not be taken.
[[nodiscard]] bool set_thread_fsuid(uid_t uid);
/// For the end of a scope: a thread that stays somebody else would do the next caller's work with
/// the wrong rights.
void restore_or_abort(bool restored);

/// What the daemon started with. Safe from any thread after open(). All switching is done by raw
/// system calls: the libc wrappers change every thread of the process (nptl(7)).
class Credentials {
 public:
  [[nodiscard]] static Result<Credentials> open();

  /// Root that may take any identity: objects are made as the caller. Otherwise callers are the
  /// user itself and nothing is switched.
  [[nodiscard]] bool can_switch() const { return can_switch_; }

  /// Kernel passthrough takes CAP_SYS_ADMIN (fuse_backing_open(), Linux 6.9).
  [[nodiscard]] bool may_pass_through() const { return own_.has(CAP_SYS_ADMIN); }

  /// Supplementary groups of the caller; only its group when it cannot be asked.
  [[nodiscard]] std::vector<gid_t> groups_of(const Caller& caller) const;

  /// The groups that decide about the set-gid bit of the object behind `fd`. Callers with
  /// CAP_FSETID in their own user namespace, in which the object's owner and group have names,
  /// count as members of its group, and of `new_group`, for this alone (capable_wrt_inode_uidgid(),
  /// user_namespaces(7)).
  [[nodiscard]] std::vector<gid_t> groups_over(const Caller& caller, int fd, gid_t new_group) const;

  /// Whether the caller has CAP_FSETID, for requests in which the kernel does not say. Asks /proc,
  /// so it is for files that have set-id bits.
  [[nodiscard]] bool may_keep_set_id(const Caller& caller) const;

  /// Whether the calling thread is being killed and only waits for an answer.
  [[nodiscard]] bool is_killed(const Caller& caller) const;

 private:
  friend class AsCaller;
  friend class WithoutFsetid;
  friend class InGroupsOf;
  friend class AsWriter;
  friend class WithoutReserve;
  friend class WithReserve;
  struct Capabilities {
    std::array<__user_cap_data_struct, 2> sets{};
    [[nodiscard]] bool has(unsigned capability) const;
    void drop(unsigned capability);
    [[nodiscard]] bool apply() const;  ///< to the calling thread
  };

  [[nodiscard]] std::optional<std::string> text_of(const Caller& caller, const char* file) const;
  [[nodiscard]] std::optional<std::string> status_of(const Caller& caller) const {
    return text_of(caller, "/status");
  }
  [[nodiscard]] std::string user_namespace_of(const std::string& process) const;

  bool can_switch_ = false;
  UniqueFd proc_;
  std::string user_namespace_;
  Capabilities own_;
  Capabilities usual_;  ///< of threads that answer requests
  Capabilities without_fsetid_;
  bool has_fsetid_ = false;
  gid_t own_gid_ = 0;
  std::vector<gid_t> own_groups_;
};

/// Files that the thread makes within the scope belong to the caller. Capabilities stay: the kernel
/// has checked the caller's rights already (default_permissions), with capabilities that we cannot
/// see, and stripped set-gid bits the caller may not set (vfs_prepare_mode, Linux 6.0).
class AsCaller {
 public:
  AsCaller(const Credentials& own, const Caller& caller);
  AsCaller(const AsCaller&) = delete;
  AsCaller& operator=(const AsCaller&) = delete;
  ~AsCaller();

  /// False when the identity could not be taken: then nothing may be made.
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  const Credentials& own_;
  bool switched_ = false;
  bool ok_ = true;
};

/// The source's filesystem clears set-id bits on write, truncate and chown as it does for a caller
/// without CAP_FSETID (FUSE_HANDLE_KILLPRIV_V2, Linux 5.11: this is the daemon's duty).
class WithoutFsetid {
 public:
  WithoutFsetid(const Credentials& own, bool wanted);
  WithoutFsetid(const WithoutFsetid&) = delete;
  WithoutFsetid& operator=(const WithoutFsetid&) = delete;
  ~WithoutFsetid();

 private:
  const Credentials& own_;
  bool dropped_;
};

/// The set-gid bit of a file that its group may not execute stays for members of that group
/// (setattr_should_drop_sgid, Linux 6.2): who the caller is decides.
[[nodiscard]] inline bool set_gid_is_for_members(mode_t mode) {
  return (mode & (S_ISGID | S_IXGRP)) == S_ISGID;
}

/// Where the set-gid bit is kept for members of the file's group only: the thread has the caller's
/// groups (groups_over()) and no CAP_FSETID. Nothing happens for callers that have that right.
class InGroupsOf {
 public:
  InGroupsOf(const Credentials& own, const Caller& caller, int fd, bool wanted,
             gid_t new_group = static_cast<gid_t>(-1));
  InGroupsOf(const InGroupsOf&) = delete;
  InGroupsOf& operator=(const InGroupsOf&) = delete;
  ~InGroupsOf();

 private:
  const Credentials& own_;
  bool switched_;
  WithoutFsetid fsetid_;
};

}  // namespace mirrorfs::fs
