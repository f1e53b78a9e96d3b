// The source as the mount reaches it: by descriptors and single names, never by paths (G7).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "fs/nodes/birth.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::fs {

/// What name_to_handle_at(2) said of an object, in one allocation as large as it needs.
class FileHandleBytes {
 public:
  [[nodiscard]] static FileHandleBytes of(int fd);  ///< empty where there are no handles
  explicit operator bool() const { return bytes_ != nullptr; }
  [[nodiscard]] void* raw() const { return bytes_.get(); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

/// All members but reopen_process_folder() are safe from any thread.
class SourceTree {
 public:
  /// `root` stays the caller's and must outlive this. Looks at /proc of the calling process.
  [[nodiscard]] static Result<SourceTree> open(int root);

  /// To be called after a fork: /proc/self/fd of the parent is not ours.
  [[nodiscard]] Result<void> reopen_process_folder();

  [[nodiscard]] int root() const { return root_; }
  [[nodiscard]] const Metadata& root_metadata() const { return root_metadata_; }
  /// The folder /proc/self/fd: "N" in it is whatever our descriptor N refers to.
  [[nodiscard]] int process_folder() const { return calls::process_folder(); }

  /// An O_PATH descriptor of `name` in `directory`; of a symlink itself.
  [[nodiscard]] Result<UniqueFd> open_path(int directory, const char* name) const;

  /// Creates `name`, which must not exist, and opens it.
  [[nodiscard]] Result<UniqueFd> create(int directory, const char* name, int flags,
                                        mode_t mode) const;

  /// A file without a name in `directory` (O_TMPFILE).
  [[nodiscard]] Result<UniqueFd> create_nameless(int directory, int flags, mode_t mode) const;

  /// Opens the object behind an O_PATH descriptor with access. For regular files and directories
  /// only: opening a FIFO or a device has effects of its own.
  [[nodiscard]] Result<UniqueFd> reopen(int fd, int flags) const;

  /// Opens an object of the root's filesystem by its handle, O_PATH. Needs CAP_DAC_READ_SEARCH.
  [[nodiscard]] Result<UniqueFd> open_handle(const FileHandleBytes& handle) const;
  [[nodiscard]] bool handles_allowed() const { return handles_allowed_; }
  /// The root's filesystem does (kept_values.h).
  [[nodiscard]] bool keeps_attributes() const { return keeps_attributes_; }

  /// Every write(2) of a file of the root's filesystem moves the ctime that a look before it
  /// showed: multigrain timestamps (Linux 6.13).
  [[nodiscard]] bool shows_every_write() const { return shows_every_write_; }

  /// close(2) of such an object never fails for what was written (kept_values.h).
  [[nodiscard]] bool says_nothing_at_close(const ObjectId& object) const {
    return keeps_attributes_ && object.device == root_metadata_.id().device;
  }

  [[nodiscard]] Result<Metadata> stat(int fd) const;
  [[nodiscard]] Result<Metadata> stat_at(int directory, const char* name) const;

  /// To be called before an object may lose its last name (birth.h).
  void let_birth_pass(const Metadata& doomed) const {
    if (may_repeat_identity_) wait_until_after(doomed.btime);
  }

 private:
  SourceTree(int root, const Metadata& metadata);

  int root_;
  Metadata root_metadata_;
  bool handles_allowed_ = false;
  bool may_repeat_identity_ = false;
  bool keeps_attributes_ = false;
  bool shows_every_write_ = false;
};

using calls::DescriptorName;

}  // namespace mirrorfs::fs
