// What a replica's filesystem can hold, as it was asked at pairing, and what of the rest the user
// accepts.
#pragma once

#include <time.h>

#include <cstdint>
#include <limits>

#include "mirrorfs/losses.h"

namespace mirrorfs {

/// What becomes of a time of modification that is set.
struct TimeForm {
  bool settable = true;
  std::int64_t granularity = 1;                                      ///< ns
  std::int64_t earliest = std::numeric_limits<std::int64_t>::min();  ///< s, of those that are kept
  std::int64_t latest = std::numeric_limits<std::int64_t>::max();
  bool clamps = true;  ///< what is out of that range becomes its end; else nobody knows what

  bool operator==(const TimeForm&) const = default;
  /// It is stored as it is.
  [[nodiscard]] bool holds(const timespec& time) const;
  /// `stored` is what the filesystem makes of `meant`, as far as that can be told. Where times
  /// cannot be set at all, `stored` is when the replica was written: not before `meant`.
  [[nodiscard]] bool may_become(const timespec& meant, const timespec& stored) const;
};

/// By default all. What was not asked counts as held: its refusal is met when it is set.
struct Capabilities {
  /// What it takes it stores as given, but for the form of times: nothing has to be read back.
  bool exact = true;
  bool owners = true, modes = true;
  /// False: a call on a symlink fails, or worse, changes what it leads to (SFTP follows it).
  bool symlink_owners = true, symlink_times = true;
  bool user_xattrs = true, trusted_xattrs = true, security_xattrs = true;
  bool file_capabilities = true;  ///< security.capability
  bool acls = true;
  TimeForm times;
  bool links = true, symlinks = true, fifos = true, sockets = true, devices = true;
  bool folds_case = false;
  bool any_name = true;              ///< any bytes but '/' and 0; else some names are refused
  std::uint32_t longest_name = 255;  ///< bytes
  bool holes = true, reflink = false, rename_noreplace = true, rename_exchange = true;

  bool operator==(const Capabilities&) const = default;
  /// All that is lost, whether anybody has such attributes or not.
  [[nodiscard]] Losses losses() const;
};

/// What the replica's filesystem makes of attributes, and what of that is accepted.
struct Fidelity {
  Capabilities replica;
  Losses tolerated;

  bool operator==(const Fidelity&) const = default;
  /// Not set, and not compared.
  [[nodiscard]] bool leaves_out_owner(unsigned mode) const;  ///< of an object of this type
  [[nodiscard]] bool leaves_out_mode() const { return accepts(Loss::kMode, replica.modes); }
  [[nodiscard]] bool leaves_out_times(unsigned mode) const;
  [[nodiscard]] bool leaves_out_acls() const { return accepts(Loss::kAcl, replica.acls); }
  [[nodiscard]] bool leaves_out_xattr(bool held) const { return accepts(Loss::kXattr, held); }
  /// Objects of this type, by their mode, are not made.
  [[nodiscard]] bool leaves_out_type(unsigned mode) const;
  /// Of an object of this type, the replica's time counts as the source's.
  [[nodiscard]] bool accepts_time(unsigned mode, const timespec& meant,
                                  const timespec& stored) const;

 private:
  [[nodiscard]] bool accepts(Loss loss, bool held) const {
    return !held && tolerated.contains(loss);
  }
};

}  // namespace mirrorfs
