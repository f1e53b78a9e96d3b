// What the mount tells the engine: plain values, one type per kind of change to the source.
//
// Each value is filled while the lock under which the source was changed is still held, so that
// names, metadata and order are exact as of the operation. `where` is one name of the object at
// that moment: its parent directory and its name in it. It is empty for an object that has no name
// (any more), e.g. one that is unlinked but open.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mirrorfs/metadata.h"
#include "mirrorfs/types.h"

namespace mirrorfs {

struct Location {
  ObjectId parent;
  std::string name;
  bool operator==(const Location&) const = default;
};

}  // namespace mirrorfs

template <>
struct std::hash<mirrorfs::Location> {
  std::size_t operator()(const mirrorfs::Location& at) const noexcept {
    return std::hash<mirrorfs::ObjectId>()(at.parent) ^ (std::hash<std::string>()(at.name) * 31);
  }
};

namespace mirrorfs {

/// A byte buffer owned by the operation that carries it.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::span<const std::byte> bytes);  ///< copies
  Payload(std::unique_ptr<std::byte[]> bytes, std::size_t size)
      : bytes_(std::move(bytes)), size_(size) {}
  [[nodiscard]] std::span<const std::byte> view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

/// `data` was written at `offset`. For O_APPEND writes: the offset where it really landed.
struct Write {
  ObjectId object;
  std::optional<Location> where;
  std::uint64_t offset = 0;
  Payload data;
  Metadata after;
};

/// The size was set (truncate, ftruncate, O_TRUNC); the new size is after.size.
struct Truncate {
  ObjectId object;
  std::optional<Location> where;
  Metadata after;
};

/// fallocate(2) with these FALLOC_FL_* flags.
struct Allocate {
  ObjectId object;
  std::optional<Location> where;
  int flags = 0;
  ByteRange range;
  Metadata after;
};

/// Mode, owner or times changed. The engine sets those named by `changed` to the values in `after`.
/// A change of owner or group always names mode too: chown clears set-id bits.
struct SetAttributes {
  enum Changed : unsigned { kMode = 1, kOwner = 2, kTimes = 4 };
  ObjectId object;
  std::optional<Location> where;
  unsigned changed = 0;
  Metadata after;
};

struct SetXattr {
  ObjectId object;
  std::optional<Location> where;
  std::string name;
  Payload value;
  Metadata after;  ///< an ACL changes the mode
};

struct RemoveXattr {
  ObjectId object;
  std::optional<Location> where;
  std::string name;
  Metadata after;
};

/// A regular file, FIFO, socket or device was created empty, with the mode, owner and rdev in
/// `after`.
struct CreateNode {
  ObjectId object;
  Location where;
  Metadata after;
  Metadata parent_after;
};

struct MakeDirectory {
  ObjectId object;
  Location where;
  Metadata after;
  Metadata parent_after;
};

struct MakeSymlink {
  ObjectId object;
  Location where;
  std::string target;
  Metadata after;
  Metadata parent_after;
};

/// `object`, known at `existing` (empty: it had no name, O_TMPFILE), got the further name `where`.
struct Link {
  ObjectId object;
  std::optional<Location> existing;
  Location where;
  Metadata after;
  Metadata parent_after;
};

struct Unlink {
  ObjectId object;
  Location where;
  bool last_link = false;              ///< nothing names the object any more
  std::optional<Location> other_name;  ///< another name that fs knows, if last_link is false
  Metadata parent_after;
};

struct RemoveDirectory {
  ObjectId object;
  Location where;
  Metadata parent_after;
};

/// renameat2(2). `replaced` is what stood at `to` (RENAME_EXCHANGE: what now stands at `from`).
struct Rename {
  ObjectId object;
  mode_t type = 0;  ///< S_IFMT bits of `object`
  Location from;
  Location to;
  unsigned flags = 0;  ///< RENAME_NOREPLACE, RENAME_EXCHANGE
  std::optional<ObjectId> replaced;
  mode_t replaced_type = 0;
  Metadata from_parent_after;
  Metadata to_parent_after;
  /// Of directories: XFS moves the times of one that gets another parent (its ".." is rewritten).
  std::optional<Metadata> object_after = {};
  std::optional<Metadata> exchanged_after = {};  ///< RENAME_EXCHANGE: of `replaced`
};

/// Changes nothing: tells where a directory stands, sent before the first change in it, under the
/// lock that orders renames of it. Every directory is learnt, made or the root before an operation
/// names it as a parent, and so is every directory above it.
struct LearnDirectory {
  ObjectId object;
  Location where;
};

/// A change was begun, and nobody could tell what became of it: what its footprint names has to be
/// compared. Recorded by an Intent that ends without a word; never by a handler.
struct Unknown {};

/// fsync, fdatasync, O_SYNC write, syncfs: nothing later may overtake it.
struct Barrier {};

using Operation = std::variant<Write, Truncate, Allocate, SetAttributes, SetXattr, RemoveXattr,
                               CreateNode, MakeDirectory, MakeSymlink, Link, Unlink,
                               RemoveDirectory, Rename, LearnDirectory, Barrier, Unknown>;

/// Bytes that an operation takes beside itself: payload, names, values.
[[nodiscard]] std::size_t heap_bytes(const Operation& operation);

}  // namespace mirrorfs
