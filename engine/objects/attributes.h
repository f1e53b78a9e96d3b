// Owner, extended attributes, mode and times of one object, by descriptor, in the one right order.
//
// Data comes first; chown clears set-id bits and file capabilities (chown(2)), so attributes follow
// it, then chmod, then the times that all of them would disturb. There is no opcode for these calls
// and none of them waits for the disk in practice: they run inline. All functions take O_PATH
// descriptors too.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "engine/objects/refusal.h"
#include "engine/objects/rights.h"
#include "engine/objects/xattrs.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::objects {

/// Which attributes differ, or are to be set.
struct AttributeSet {
  bool owner = false;
  bool xattrs = false;
  bool mode = false;
  bool times = false;
  [[nodiscard]] bool any() const { return owner || xattrs || mode || times; }
  [[nodiscard]] static AttributeSet all() { return {true, true, true, true}; }
};

// What `rights` leave out is left as it is, without an error; what they say of the replica decides
// whether it is read back (see bent()).

/// fchown, with the owner and group of `from`.
[[nodiscard]] Result<void> set_owner(int fd, const Metadata& from, const Rights& rights);
/// fchmod; never called for symlinks, whose mode is fixed.
[[nodiscard]] Result<void> set_mode(int fd, mode_t permissions, const Rights& rights = {});
/// futimens, with the times of `from`.
[[nodiscard]] Result<void> set_times(int fd, const Metadata& from, const Rights& rights = {});

/// What differs between two objects of one type. atime, ctime and btime are not compared.
[[nodiscard]] AttributeSet differing(const Metadata& source, const Xattrs& source_xattrs,
                                     const Metadata& replica, const Xattrs& replica_xattrs,
                                     Rights rights);

struct Owner {
  uid_t uid;
  gid_t gid;
  bool operator==(const Owner&) const = default;
};

/// Whether the times say that the content may differ: what the replica's filesystem makes of the
/// source's time says nothing, be it accepted or not.
[[nodiscard]] bool times_tell_a_change(const Metadata& source, const Metadata& replica,
                                       const Rights& rights);

/// What of `which` the object behind `fd` does not have as it was set, as Rights::fidelity allows;
/// to be called where nothing was refused.
[[nodiscard]] Refusal bent(int fd, AttributeSet which, const Metadata& meant, const Rights& rights);

/// What has to be set on a file made just now, which has these permissions, this owner, if known,
/// and no xattrs.
[[nodiscard]] AttributeSet to_set_on_new(const Metadata& source, const Xattrs& wanted,
                                         mode_t permissions, const std::optional<Owner>& owner);

/// "mode 0644 != 0600, mtime" – source first.
[[nodiscard]] std::string describe(AttributeSet which, const Metadata& source,
                                   const Metadata& replica);

/// Sets `which` on the replica's object, in order. A new owner renews xattrs and set-id bits with
/// it, and any change renews the times. `present` are the attributes the object has now. What is
/// refused is left out, and the first of it returned.
[[nodiscard]] Result<Refusal> apply_attributes(int fd, AttributeSet which, const Metadata& source,
                                               const Xattrs& wanted, const Xattrs& present,
                                               Rights rights);

}  // namespace mirrorfs::objects
