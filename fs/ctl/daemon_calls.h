// What mirrorctl asks daemons, as plain calls.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fs/control/mapped_files.h"
#include "mirrorfs/examine.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ctl {

/// Errors are one line fit for the user.
template <class T>
using Answer = std::expected<T, std::string>;

struct Trees {
  UniqueFd source, replica;
  uid_t daemon_uid = 0;
};

[[nodiscard]] Answer<nlohmann::json> status_of(const std::filesystem::path& mount);
/// Changes options, NAME=VALUE; what is in force afterwards.
[[nodiscard]] Answer<nlohmann::json> set_options(const std::filesystem::path& mount,
                                                 const std::vector<std::string>& settings);
enum class Waited {
  kDone,
  kTimeout,
  kPaused,  ///< it would not end before mirrorctl resume
};
/// `paths` relative to the mount; none: everything.
[[nodiscard]] Answer<Waited> wait_until_durable(const std::filesystem::path& mount,
                                                const std::vector<std::string>& paths,
                                                std::optional<double> timeout_seconds);
/// What the daemon finds at these paths of its trees, one finding each.
[[nodiscard]] Answer<std::vector<Examined>> examine(const std::filesystem::path& mount,
                                                    const ExamineRequest& request);
[[nodiscard]] Answer<control::MappedFiles> mapped_files(const std::filesystem::path& mount);
/// The roots of source and replica, also where the mount hides the source.
[[nodiscard]] Answer<Trees> trees_of(const std::filesystem::path& mount);
/// False: paused, but what was under way has not ended yet.
[[nodiscard]] Answer<bool> pause(const std::filesystem::path& mount);
[[nodiscard]] Answer<void> resume(const std::filesystem::path& mount);

}  // namespace mirrorfs::ctl
