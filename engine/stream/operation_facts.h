// Questions about an operation that do not depend on its kind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mirrorfs/operation.h"

namespace mirrorfs::stream {

/// Content and attributes of an object: absolute values, so that applying them again, in order, to
/// a newer state of the object ends in the same state. Directory entries are not of that kind.
[[nodiscard]] bool is_replayable(const Operation& operation);

/// The directory entries to be reconciled when the operation cannot be applied.
[[nodiscard]] std::vector<Location> touched_entries(const Operation& operation);

struct ObjectAfter {
  ObjectId object;
  std::optional<Location> where;  ///< after the operation
};
/// The objects whose times the operation may leave to be set.
[[nodiscard]] std::vector<ObjectAfter> objects_after(const Operation& operation);

/// The objects that lose a name by the operation, with that name.
[[nodiscard]] std::vector<ObjectAfter> objects_renamed_or_unlinked(const Operation& operation);

/// The directories on which the operation holds shared claims (claims_of()): whoever leaves one
/// last sets its times, also if it changed no entry there itself.
[[nodiscard]] std::vector<ObjectId> directories_held_by(const Operation& operation);

/// The object whose content or attributes the operation changes.
[[nodiscard]] std::optional<ObjectId> changed_object(const Operation& operation);

/// What it changes, makes or removes is a directory. Of a rename see the operation.
[[nodiscard]] bool is_of_directory(const Operation& operation);

/// It gives an object attributes: on their own, or with a new object.
[[nodiscard]] bool sets_attributes(const Operation& operation);

/// The same, only if it has more than one name.
[[nodiscard]] std::optional<ObjectId> changed_linked_object(const Operation& operation);

/// The directory that the source has no more after the operation.
[[nodiscard]] std::optional<ObjectId> removed_directory(const Operation& operation);

/// "write", "rename", …
[[nodiscard]] const char* kind_name(const Operation& operation);

}  // namespace mirrorfs::stream
