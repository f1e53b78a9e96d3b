// What is mirrored: what this process may change, less what the replica's filesystem cannot hold
// and the user accepts. A difference in anything else is neither reported nor a failure.
#pragma once

#include "mirrorfs/capabilities.h"

namespace mirrorfs::objects {

/// An ordinary user cannot chown, write trusted.* or security.* attributes, or make devices. For
/// such a process differences of owner and of those attributes are neither reported nor failures; a
/// device that cannot be made is a failure of that entry.
struct Rights {
  bool change_owner = false;     ///< CAP_CHOWN
  bool override_access = false;  ///< CAP_DAC_OVERRIDE
  bool trusted_xattrs = false;   ///< CAP_SYS_ADMIN: trusted.* and security.*
  bool make_devices = false;     ///< CAP_MKNOD
  Fidelity fidelity = {};        ///< of the replica; by default it holds everything

  /// Of the calling thread, now.
  [[nodiscard]] static Rights current(const Fidelity& fidelity = {});

  /// Of an object of this type.
  [[nodiscard]] bool sets_owner(unsigned mode) const {
    return change_owner && !fidelity.leaves_out_owner(mode);
  }
};

}  // namespace mirrorfs::objects
