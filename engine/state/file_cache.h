// Replica files that are being written, kept open between operations.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "engine/ring/sync.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::state {

using FileHandle = std::shared_ptr<const UniqueFd>;

/// Source identity → the replica's file opened for writing; the least recently used leaves first.
/// A descriptor serves only operations that go through the name it was opened by: whatever is
/// reconciled under another name may be another file. Ring thread only.
///
/// A file that left is closed by somebody else (live/file_closer.h), as soon as nobody uses its
/// handle: close(2) may wait, and may report that what was written is lost.
class FileCache {
 public:
  using Clock = std::chrono::steady_clock;

  struct OpenFile {
    ObjectId object;
    std::optional<Location> where;  ///< follows renames until the file is closed; none: it is gone
    UniqueFd fd;
    FileHandle handle;  ///< to `fd`; the cache's own, gone when the file has left
    Clock::time_point used;
    bool unused = false;             ///< no handle is left
    std::uint64_t close_number = 0;  ///< counts what next_unused() has given; 0: it has not
  };

  explicit FileCache(std::size_t most_open);
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;
  ~FileCache();

  /// `where`: the name the operation goes through; none: any.
  [[nodiscard]] FileHandle find(const ObjectId& object, const std::optional<Location>& where);
  FileHandle put(const ObjectId& object, const Location& where, UniqueFd fd);
  /// The file was renamed on the replica too.
  void moved(const ObjectId& object, const Location& to);
  /// It has lost this name; `other`: one that is left, if one is known.
  void lost_name(const ObjectId& object, const Location& name,
                 const std::optional<Location>& other);
  void erase(const ObjectId& object);
  /// Whatever was opened by this name: it is going to be reconciled.
  void erase_at(const Location& where);
  /// Files below a directory that was reconciled may be other files now.
  void erase_in(const ObjectId& parent);
  void close_unused_since(Clock::time_point time);
  [[nodiscard]] std::size_t size() const { return cached_.size(); }

  /// A file to be closed, once each; null: none. It stays where it is until closed() is called.
  [[nodiscard]] OpenFile* next_unused();
  void closed(const OpenFile* file);
  /// How many closes were begun so far, and whether one of the first `number` is under way still.
  [[nodiscard]] std::uint64_t closes_begun() const { return closes_begun_; }
  [[nodiscard]] bool any_closing_of(std::uint64_t number) const;
  /// Files that left and are not closed yet: what was written to them may still turn out to be
  /// lost.
  [[nodiscard]] std::size_t leaving() const { return leaving_->files.size(); }
  /// Set when a file may be there for next_unused().
  [[nodiscard]] ring::Event& unused() { return leaving_->unused; }

 private:
  using Files = std::list<OpenFile>;
  /// Shared with the handles, which may outlive the cache.
  struct Leaving {
    Files files;
    ring::Event unused;
  };

  void leave(Files::iterator file);

  std::size_t most_open_;
  std::uint64_t closes_begun_ = 0;
  Files cached_;  ///< the last used first
  std::shared_ptr<Leaving> leaving_;
  std::unordered_map<ObjectId, Files::iterator> index_;  ///< of those cached
};

}  // namespace mirrorfs::state
