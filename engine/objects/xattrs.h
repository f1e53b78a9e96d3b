// Extended attributes and POSIX ACLs (which Linux keeps as system.posix_acl_* attributes).
//
// Direct calls (mirrorfs/object_calls.h): listxattr has no opcode, and almost every object answers
// "none" in under a microsecond. They also serve what cannot be opened: symlinks, FIFOs, sockets,
// devices.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/objects/refusal.h"
#include "engine/objects/rights.h"
#include "mirrorfs/error.h"

namespace mirrorfs::objects {

struct Xattr {
  std::string name;
  std::string value;
  bool operator==(const Xattr&) const = default;
};

using Xattrs = std::vector<Xattr>;  ///< sorted by name

/// The replica's filesystem cannot hold it, which is accepted.
[[nodiscard]] bool is_left_out(std::string_view name, const Fidelity& fidelity);

/// Of the object behind a descriptor, O_PATH or not. Only the namespaces that are mirrored: user.,
/// security., trusted. and system.posix_acl_*; without those that `rights` leave out. A
/// filesystem without attributes (EOPNOTSUPP) has none. Ring thread, or any.
[[nodiscard]] Result<Xattrs> read_xattrs(int fd, Rights rights);

/// The same of `name` in `dirfd`, not following a symlink.
[[nodiscard]] Result<Xattrs> read_xattrs_at(int dirfd, const char* name, Rights rights);

/// Turns `present` into `wanted` on the object behind `fd` (O_PATH or not). Writes only what
/// differs. What is refused is left out, and the first of it returned.
[[nodiscard]] Result<Refusal> make_xattrs_equal(int fd, const Xattrs& wanted,
                                                const Xattrs& present);

[[nodiscard]] Result<void> set_xattr(int fd, const char* name, std::string_view value);
[[nodiscard]] bool has_xattr(int fd, const char* name);
/// An attribute that is not there is no error.
[[nodiscard]] Result<void> remove_xattr(int fd, const char* name);

}  // namespace mirrorfs::objects
