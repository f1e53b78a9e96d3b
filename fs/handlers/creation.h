// Making a new object under the lock of its directory, as the caller, and telling the engine.
#pragma once

#include "fs/handlers/filesystem.h"
#include "fs/handlers/recording.h"

namespace mirrorfs::fs {

/// A new name in a directory.
struct NewName {
  NodeRef parent;
  SharedFd directory;
  const char* name = "";
};

/// The directory and a name that may be made in it: EPERM for the reserved one.
[[nodiscard]] Result<NewName> new_name(Filesystem& fs, fuse_ino_t parent, const char* name);

/// The mode to create with: FUSE_DONT_MASK leaves the umask to us, and it does not apply where the
/// directory has a default ACL (acl(5), umask(2)). Ours is 0.
[[nodiscard]] mode_t creation_mode(const Caller& caller, mode_t mode, bool parent_has_default_acl);
[[nodiscard]] bool has_default_acl(Filesystem& fs, int directory);

/// What making an object of that name may touch.
[[nodiscard]] Footprint footprint_of(const NewName& at);

/// Gives what was made a node with one lookup.
[[nodiscard]] Entry adopt_new(Filesystem& fs, const NewName& at, const Metadata& metadata);

/// The ACLs of a new object in a directory with a default ACL: the engine makes objects elsewhere
/// first, where they inherit nothing.
[[nodiscard]] Result<void> record_inherited_acls(Filesystem& fs, Recording& recording,
                                                 const Entry& made, int fd);

/// Takes the lookup of a new entry back unless the request gets to the point of being answered with
/// it.
class Kept {
 public:
  Kept(Filesystem& fs, const Entry& entry) : fs_(fs), id_(entry.node->id()) {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    if (!answered_) fs_.nodes.forget(id_, 1);
  }
  void is_answered() { answered_ = true; }

 private:
  Filesystem& fs_;
  NodeId id_;
  bool answered_ = false;
};

/// Replies with the entry once the mode allows it; forgets it when the kernel does not get it.
void answer_entry(FuseRequest& request, Filesystem& fs, Result<Changed<Entry>> made);

}  // namespace mirrorfs::fs
