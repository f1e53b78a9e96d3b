// What a comparison looks at, and what may be done about a difference.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <optional>

#include "mirrorfs/tree_tools.h"

namespace mirrorfs::compare {

enum class Compare {
  kQuick,  ///< type, size, mtime, mode, owner, rdev, link target and xattrs decide
  kFull,   ///< and content
};

struct Policy {
  Compare compare = Compare::kQuick;
  bool dry_run = false;  ///< only report differences; nothing is written
  /// A source file whose ctime is at or after this is compared by content even in kQuick. Zero:
  /// off.
  timespec changed_since{};
  /// A replica file whose ctime is at or after this is compared by content, as the disk has it and
  /// not the page cache: a write-back that failed leaves pages behind that are clean and yet were
  /// never written (fsync(2)). Zero: off.
  timespec reread_since{};
  /// Files on this device that the replica lacks are copied before they are looked at; its
  /// filesystem stamps_with_our_clock(). Without effect on a directory with a DeferPredicate.
  std::optional<dev_t> sight_device{};
  /// Of objects that are unchanged only what statx(2) returns is compared, where
  /// DirectoryPair::unchanged. Not together with changed_since.
  std::optional<UnchangedSince> unchanged_since{};
  /// A directory that the replica lacks is not made: the caller does, as a HiddenDirectory.
  bool hide_new_directories = false;
  /// A large file, and one with several names, that is there already is changed where it stands;
  /// else it is replaced as a whole, so that an interruption never leaves half a file.
  bool update_in_place = true;
  /// The object that is looked at first is the one meant: EBUSY when another one, or none, has the
  /// name later. Content that is found equal was this object's.
  bool same_object = false;
};

}  // namespace mirrorfs::compare
