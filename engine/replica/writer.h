// The one writer to the replica: every change of DST goes through it.
//
// Calls that take something away from the replica (content, a name, a whole directory) pass
// about_to_destroy() first. Attributes are not kept by anyone and pass without.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "engine/objects/attributes.h"
#include "engine/ring/ring.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/types.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::replica {

enum class Destruction {
  kUnlink,           ///< a name goes, and the object with its last one
  kRemoveDirectory,  ///< an empty directory
  kReplace,          ///< whatever has the name now; there may be nothing
  kTakeAway,         ///< a directory leaves the tree with everything below
  kOverwrite,        ///< the bytes of a range
  kTruncate,         ///< the bytes from range.offset to the end; there may be none
  kPunch,            ///< the bytes of a range become a hole, or zeros
};

/// By name (directory and name) or by descriptor (fd and range).
struct Doomed {
  Destruction how;
  int directory = -1;
  const char* name = "";
  int fd = -1;
  ByteRange range{};
};

/// Whoever keeps what is about to go. Ring thread; it may look, but not wait.
class Keeper {
 public:
  virtual ~Keeper() = default;
  /// Called before each destroying call; what it names is still there. After an error that call is
  /// not made, and fails with it.
  [[nodiscard]] virtual Result<void> about_to_destroy(const Doomed& doomed) = 0;
  /// Whether the object must not be lost: then it is not overwritten in place, but replaced.
  [[nodiscard]] virtual bool keeps(const Metadata& object) const = 0;
  /// Takes a directory away as a whole, with what must not be lost below it.
  [[nodiscard]] virtual Result<void> keep_tree(int directory, const char* name) = 0;
  /// Nothing is to be kept any more.
  virtual void end() = 0;
};

/// Ring thread. Names, buffers and descriptors are the caller's and stay until the co_await has
/// returned; await at once. Errors are those of the ring's calls.
class Writer {
 public:
  /// `on_change` is called before every change, so that it is known until when there were any.
  explicit Writer(ring::Ring& ring, Keeper* keeper = nullptr, std::function<void()> on_change = {})
      : ring_(ring), keeper_(keeper), on_change_(std::move(on_change)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] ring::Ring& ring() const { return ring_; }
  /// Destroying calls so far.
  [[nodiscard]] std::uint64_t destroyed() const { return destroyed_; }

  /// Somebody keeps what goes; where nobody does, nobody need look.
  [[nodiscard]] bool has_keeper() const { return keeper_ != nullptr; }
  [[nodiscard]] bool keeps(const Metadata& object) const {
    return keeper_ != nullptr && keeper_->keeps(object);
  }
  /// With a keeper. The directory leaves the tree and is not lost.
  [[nodiscard]] Result<void> keep_tree(int directory, const char* name) {
    return keeper_->keep_tree(directory, name);
  }
  void keep_no_more();

  // Objects that are new: nothing is lost.
  /// The name must not exist. `access`: O_RDWR or O_WRONLY.
  ring::OpenRequest create_file(int directory, const char* name, int access, mode_t mode);
  ring::PlainRequest make_directory(int directory, const char* name, mode_t mode);
  ring::PlainRequest make_symlink(const char* target, int directory, const char* name);
  /// FIFO, socket or device: type and permissions in `mode`. A direct call: there is no opcode.
  [[nodiscard]] Result<void> make_special(int directory, const char* name, mode_t mode, dev_t rdev);
  ring::PlainRequest link(int from, const char* from_name, int to, const char* name);
  /// To a file that was created empty and is not published.
  ring::SizeRequest write_new(int fd, std::span<const std::byte> data, std::uint64_t offset);
  ring::Task<Result<void>> write_all_new(int fd, std::span<const std::byte> data,
                                         std::uint64_t offset);
  ring::PlainRequest set_size_new(int fd, std::uint64_t size);
  /// Shares all extents of `from` (ioctl_ficlone(2)); false where that is not possible. Blocks: to
  /// be called on a helper thread.
  [[nodiscard]] static bool clone_new(int from, int to);

  // Names move: nothing is lost.
  ring::PlainRequest exchange(int from, const char* from_name, int to, const char* name);
  /// Within the staging folder, where every name is new.
  ring::PlainRequest move_in_staging(int from, const char* from_name, int to, const char* name);
  /// What was built or taken away and is not part of the tree.
  ring::PlainRequest discard(int staging, const char* name, int flags);

  // Something is lost: each passes about_to_destroy().
  ring::Task<Result<void>> unlink(int directory, const char* name);
  ring::Task<Result<void>> remove_directory(int directory, const char* name);
  ring::Task<Result<void>> replace(int from, const char* from_name, int to, const char* name);
  ring::Task<Result<void>> take_away(int directory, const char* name, int staging,
                                     const char* new_name);
  ring::Task<Result<void>> overwrite(int fd, std::span<const std::byte> data, std::uint64_t offset);
  ring::Task<Result<void>> truncate(int fd, std::uint64_t size);
  /// fallocate(2). Only modes that change bytes destroy something.
  ring::Task<Result<void>> allocate(int fd, int mode, ByteRange range);

  // Attributes (objects/attributes.h, xattrs.h), by descriptors that may be O_PATH.
  [[nodiscard]] Result<void> set_owner(int fd, const Metadata& from, const objects::Rights& rights);
  [[nodiscard]] Result<void> set_mode(int fd, mode_t permissions,
                                      const objects::Rights& rights = {});
  [[nodiscard]] Result<void> set_times(int fd, const Metadata& from,
                                       const objects::Rights& rights = {});
  [[nodiscard]] Result<void> set_xattr(int fd, const char* name, std::string_view value);
  [[nodiscard]] Result<void> remove_xattr(int fd, const char* name);
  [[nodiscard]] Result<objects::Refusal> apply_attributes(int fd, objects::AttributeSet which,
                                                          const Metadata& source,
                                                          const objects::Xattrs& wanted,
                                                          const objects::Xattrs& present,
                                                          objects::Rights rights);
  /// Gives the owner all rights on a directory that lacks some, where `rights` need it. True if it
  /// did. A negative `directory` has nothing to open up.
  [[nodiscard]] ring::Task<bool> open_up(int directory, objects::Rights rights);

 private:
  /// The one place that everything passes of which the replica is about to lose something.
  [[nodiscard]] Result<void> about_to_destroy(const Doomed& doomed) {
    note_change();
    ++destroyed_;
    if (keeper_ == nullptr) return {};
    return keeper_->about_to_destroy(doomed);
  }

  void note_change() const {
    if (on_change_) on_change_();
  }

  ring::Ring& ring_;
  Keeper* keeper_;
  const std::function<void()> on_change_;
  std::uint64_t destroyed_ = 0;
};

}  // namespace mirrorfs::replica
