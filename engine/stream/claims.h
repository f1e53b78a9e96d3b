// What an operation touches, as keys: operations that share nothing run in parallel.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mirrorfs/footprint.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::stream {

/// A 64-bit hash of (object) or (parent directory, name). Two things that collide wait for each
/// other without need, which is slower by a hair and never wrong.
using Key = std::uint64_t;

[[nodiscard]] Key object_key(const ObjectId& object);
[[nodiscard]] Key entry_key(const ObjectId& parent, std::string_view name);

struct Claim {
  Key key = 0;
  bool exclusive = false;
};

/// A set of claims in which each key stands once, with the strongest right asked for.
class ClaimSet {
 public:
  void shared(Key key) { add(key, false); }
  void exclusive(Key key) { add(key, true); }
  [[nodiscard]] const std::vector<Claim>& list() const { return claims_; }

 private:
  void add(Key key, bool exclusive);
  std::vector<Claim> claims_;
  std::unordered_map<Key, std::size_t> index_;  ///< into claims_, where they are many
};

/// The claims of an operation:
///  - its own object, exclusively: operations on one object are applied in sequence order;
///  - a directory that it uses as a parent, shared: children may change at the same time, but not
///    while the directory itself is made, moved, changed or removed;
///  - a directory entry that it changes, exclusively; one that it only goes through, shared.
[[nodiscard]] ClaimSet claims_of(const Operation& operation);
/// Of an operation of which nothing else is known.
[[nodiscard]] ClaimSet claims_of(const Footprint& footprint);

}  // namespace mirrorfs::stream
