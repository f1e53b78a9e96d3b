// What must hold for the replica to be right. Checked in every build.
#pragma once

namespace mirrorfs {

/// Logs what is broken and ends the process. The replica and the session record then stand as after
/// `kill -9`, which the next mount repairs; going on might spread the damage without a mark.
[[noreturn]] void invariant_broken(const char* what) noexcept;

/// `what` says what must hold.
inline void invariant(bool holds, const char* what) noexcept {
  if (!holds) [[unlikely]]
    invariant_broken(what);
}

}  // namespace mirrorfs
