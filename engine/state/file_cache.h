// Replica files that are being written, kept open between operations.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::state {

using FileHandle = std::shared_ptr<const UniqueFd>;

/// Source identity → the replica's file opened for writing; the least recently used is closed
/// first. A descriptor serves only operations that go through the name it was opened by: whatever
/// is reconciled under another name may be another file. Ring thread only.
class FileCache {
 public:
  using Clock = std::chrono::steady_clock;

  explicit FileCache(std::size_t most_open) : most_open_(most_open < 4 ? 4 : most_open) {}

  /// `where`: the name the operation goes through; none: any.
  [[nodiscard]] FileHandle find(const ObjectId& object, const std::optional<Location>& where);
  FileHandle put(const ObjectId& object, const Location& where, UniqueFd fd);
  /// The file was renamed on the replica too.
  void moved(const ObjectId& object, const Location& to);
  void erase(const ObjectId& object);
  /// Whatever was opened by this name: it is going to be reconciled.
  void erase_at(const Location& where);
  /// Files below a directory that was reconciled may be other files now.
  void erase_in(const ObjectId& parent);
  void close_unused_since(Clock::time_point time);
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    ObjectId object;
    Location where;
    FileHandle file;
    Clock::time_point used;
  };
  std::size_t most_open_;
  std::list<Slot> slots_;  ///< the last used first
  std::unordered_map<ObjectId, std::list<Slot>::iterator> index_;
};

}  // namespace mirrorfs::state
