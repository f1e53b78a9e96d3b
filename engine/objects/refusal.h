// Attributes that a replica does not take, though it takes the object.
#pragma once

#include <optional>

#include "mirrorfs/error.h"

namespace mirrorfs::objects {

/// Why the first of them was refused; none: all were taken.
using Refusal = std::optional<Error>;

/// Whether the error of a call that sets one attribute says that the filesystem, or the server
/// behind it, does not take this attribute of this object, and not that something has gone wrong:
/// it has no such attributes, or not for us, or none with this value, or no room for one as large
/// (fchown(2), fchmod(2), utimensat(2), setxattr(2)).
[[nodiscard]] bool is_refusal(const Error& error);

/// It was taken, and something else stored (G1): counts as a refusal. `call` is a static string.
[[nodiscard]] Error stored_otherwise(const char* call);

/// A refusal is put into `refused`, if it is the first, and is no error then.
[[nodiscard]] Result<void> taken_or_refused(Result<void> set, Refusal& refused);

}  // namespace mirrorfs::objects
