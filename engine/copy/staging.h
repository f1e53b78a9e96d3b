// The folder in the replica where objects are built before they get their real name, and where
// trees that are to be removed are taken apart.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/objects/attributes.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::replica {
class Writer;
}

namespace mirrorfs::copy {

class Staging;

/// Where an object is to go.
struct Target {
  int dirfd;
  const char* name;
  bool hidden;  ///< the directory is not visible yet: the object is built in it under its own name
};

/// One object under construction. Destroying it without publish() removes it. Ring thread.
class Staged {
 public:
  Staged(Staged&& other) noexcept;
  Staged& operator=(Staged&&) = delete;
  ~Staged();

  /// The object: O_RDWR for files, O_PATH for symlinks and specials; -1 for links.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Permissions it was made with; files only.
  [[nodiscard]] mode_t permissions() const { return permissions_; }
  /// Owner that it was made with, if known; files only.
  [[nodiscard]] const std::optional<objects::Owner>& owner() const { return owner_; }

 private:
  friend class Staging;
  struct Site {
    int dirfd;  // -1 once there is nothing to remove
    std::string name;
    bool is_target;
    bool is_link = false;  // to an object that has another name
    Staging* staging = nullptr;
  };
  explicit Staged(Site site);
  Site site_;
  UniqueFd fd_;
  mode_t permissions_ = 0;
  std::optional<objects::Owner> owner_;
};

/// DST/.mirrorfs/staging. Names are unique for the lifetime of the object; only one process uses
/// one replica (G8), so everything found at the start is a leftover. Ring thread, but for open().
class Staging {
 public:
  /// Makes the folder where it is missing (mode 0700, without inherited ACLs) and removes
  /// leftovers. Direct calls: start-up only, while no other thread makes files (it has to ask for
  /// the umask). `replica_root` stays the caller's.
  [[nodiscard]] static Result<Staging> open(int replica_root);

  /// For a replica that is not paired with a mount: removes the staging folder and the reserved
  /// folder, if they hold nothing else. True: the replica's root was changed. The last call but the
  /// destructor.
  bool remove_if_unpaired(int replica_root);
  /// Whether open() changed the replica's root.
  [[nodiscard]] bool made_reserved() const { return made_reserved_; }

  /// Reads the owner of new files from the first one that is made, once: for a walk, not for a
  /// daemon, during whose life the folder may be given to another group.
  void learn_owner() { wants_owner_ = true; }

  [[nodiscard]] int dirfd() const { return directory_.get(); }

  /// `mode`: chosen so that it rarely has to be changed later; the folder itself keeps others out.
  [[nodiscard]] ring::Task<Result<Staged>> create_file(replica::Writer& writer, Target target,
                                                       mode_t mode = 0600);
  [[nodiscard]] ring::Task<Result<Staged>> create_symlink(replica::Writer& writer, Target target,
                                                          const char* link);
  /// FIFO, socket or device: type bits in `mode`.
  [[nodiscard]] ring::Task<Result<Staged>> create_special(replica::Writer& writer, Target target,
                                                          mode_t mode, dev_t rdev);
  /// A further link to `name` in `dirfd`.
  [[nodiscard]] ring::Task<Result<Staged>> create_link(replica::Writer& writer, int dirfd,
                                                       const char* name);

  /// Closes a file, on the ring: what was written and could not be stored may be told only then
  /// (close(2): EIO, ENOSPC, EDQUOT on network filesystems), and such a file is not published. Then
  /// gives the object its real name, replacing what stands there (never a directory: EISDIR).
  [[nodiscard]] ring::Task<Result<void>> publish(replica::Writer& writer, Staged& staged,
                                                 Target target);

  /// A name that is not in use here.
  [[nodiscard]] std::string next_name();

  /// What could not be removed from here. It takes space, and may be a further name of an object of
  /// the tree.
  void leave(std::string name) { leftovers_.push_back(std::move(name)); }
  [[nodiscard]] std::size_t leftovers() const { return leftovers_.size(); }
  [[nodiscard]] std::vector<std::string> take_leftovers() { return std::exchange(leftovers_, {}); }

 private:
  Staging(objects::DirFd directory, bool made_reserved, mode_t umask);
  [[nodiscard]] Staged::Site site_for(const Target& target);

  objects::DirFd directory_;
  bool made_reserved_;
  const mode_t umask_;
  /// Of files made here, and in directories made here. Only statx(2) of one can tell: a server
  /// may map users, and the group may be the process's or the folder's (mount option grpid).
  std::optional<objects::Owner> owner_;
  bool wants_owner_ = false;
  std::uint64_t epoch_;  // tells the names of two runs apart when a leftover could not be removed
  std::uint64_t counter_ = 0;
  std::vector<std::string> leftovers_;
};

}  // namespace mirrorfs::copy
