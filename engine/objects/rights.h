// What this process may change: a difference that it has no right to remove is not a failure.
#pragma once

namespace mirrorfs::objects {

/// An ordinary user cannot chown, write trusted.* or security.* attributes, or make devices. For
/// such a process differences of owner and of those attributes are neither reported nor failures; a
/// device that cannot be made is a failure of that entry.
struct Rights {
  bool change_owner = false;     ///< CAP_CHOWN
  bool override_access = false;  ///< CAP_DAC_OVERRIDE
  bool trusted_xattrs = false;   ///< CAP_SYS_ADMIN: trusted.* and security.*

  /// Of the calling thread, now.
  [[nodiscard]] static Rights current();
};

}  // namespace mirrorfs::objects
