// The mounts that are there, and those that should be.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mirrorfs::ctl {

enum class Presence {
  kServed,     ///< its daemon answers, and the caller sees the mount
  kDraining,   ///< unmounted, and the daemon applies what is queued
  kDetached,   ///< its daemon answers, but there is no mount any more (umount -l)
  kElsewhere,  ///< its daemon answers, but the mount is in another mount namespace
  kHung,       ///< its daemon does not answer
  kDead,       ///< its daemon is gone
  kAbsent,     ///< not mounted, though it should be
};
[[nodiscard]] std::string_view to_string(Presence presence);  ///< "served", "draining", …

struct MountReport {
  std::string mount;  ///< of a pair whose mount point is not known: its replica
  Presence presence = Presence::kServed;
  std::string detail;     ///< one line, unless kServed
  nlohmann::json status;  ///< of a daemon that answers: as by `status --json`
};

/// One mount point, as the user wrote it. Answers within a few seconds whatever hangs.
[[nodiscard]] MountReport report_of(const std::filesystem::path& mount);

/// All that the caller may ask; besides those that a daemon served until it died, that fstab(5)
/// wants, and pairs whose last session has not ended though no daemon is there. In the order of
/// their mount points.
[[nodiscard]] std::vector<MountReport> expected_mounts();

}  // namespace mirrorfs::ctl
