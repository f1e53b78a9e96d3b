// Acting with the rights of the caller: user, group and CAP_FSETID of the calling thread only.
#pragma once

#include <linux/capability.h>
#include <sys/types.h>

#include <array>
#include <optional>
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

/// The "Groups:" line of /proc/PID/status. Nothing when the text has no such line.
[[nodiscard]] std::optional<std::vector<gid_t>> parse_groups(std::string_view status);

/// What the daemon started with. Safe from any thread after open(). All switching is done by raw
/// system calls: the libc wrappers change every thread of the process (nptl(7)).
class Credentials {
 public:
  [[nodiscard]] static Result<Credentials> open();

  /// Root that may take any identity: objects are made as the caller. Otherwise callers are the
  /// user itself and nothing is switched.
  [[nodiscard]] bool can_switch() const { return can_switch_; }

  /// Supplementary groups of the caller; only its group when it cannot be asked.
  [[nodiscard]] std::vector<gid_t> groups_of(const Caller& caller) const;

 private:
  friend class AsCaller;
  friend class WithoutFsetid;
  friend class InGroupsOf;
  struct Capabilities {
    std::array<__user_cap_data_struct, 2> sets{};
    [[nodiscard]] bool has(unsigned capability) const;
    void drop(unsigned capability);
    [[nodiscard]] bool apply() const;  ///< to the calling thread
  };

  bool can_switch_ = false;
  UniqueFd proc_;
  Capabilities own_;
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

/// chown and setting an ACL keep the set-gid bit for members of the file's group only: the thread
/// has the caller's groups and no CAP_FSETID. Nothing happens for callers that are root.
class InGroupsOf {
 public:
  InGroupsOf(const Credentials& own, const Caller& caller, bool wanted);
  InGroupsOf(const InGroupsOf&) = delete;
  InGroupsOf& operator=(const InGroupsOf&) = delete;
  ~InGroupsOf();

 private:
  const Credentials& own_;
  bool switched_;
  WithoutFsetid fsetid_;
};

}  // namespace mirrorfs::fs
