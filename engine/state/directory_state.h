// The states of a directory, and which may follow which.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mirrorfs::state {

/// What is known of the replica's copy of one source directory.
enum class DirectoryState : std::uint8_t {
  kUnplaced,  ///< it has no known place on the replica
  kUnwalked,  ///< in its place, but its entries may differ: a walk is to come
  kWalking,   ///< a walk is reading and repairing it
  kKnown,     ///< its entries are as the operations applied so far left them, but for marked ones
  kDamaged,  ///< could not be walked: its entry in the parent is marked, and its reconcile walks it
};

inline constexpr std::size_t kDirectoryStates = 5;

/// Who causes a change of state:
///
///   from \ to   Unplaced          Unwalked                     Walking      Known       Damaged
///   (absent)    -                 met by a walk or an entry    -            mkdir, told -
///   Unplaced    -                 placed anywhere              -            -           -
///   Unwalked    replica given up  -                            walk begins  -           -
///   Walking     replica given up  met elsewhere, marked anew   -            walk ends   walk fails
///   Known       replica given up  met elsewhere, marked anew   -            -           no copy
///   Damaged     replica given up  its entry is reconciled      -            -           -
///
/// A directory is forgotten (absent) from any state: rmdir, replaced by a rename, or with a
/// directory above it whose replica is given up. «Told» is a LearnDirectory of a session that
/// trusts the replica of the last one.
[[nodiscard]] constexpr bool may_follow(DirectoryState from, DirectoryState to) {
  constexpr std::array<std::array<bool, kDirectoryStates>, kDirectoryStates> kAllowed = {{
      {true, true, false, false, false},
      {true, true, true, false, false},
      {true, true, false, true, true},
      {true, true, false, false, true},
      {true, true, false, false, false},
  }};
  return kAllowed[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

[[nodiscard]] constexpr std::string_view to_string(DirectoryState state) {
  constexpr std::array<std::string_view, kDirectoryStates> kNames = {"unplaced", "unwalked",
                                                                     "walking", "known", "damaged"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace mirrorfs::state
