// What mirrorctl prints for people.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "fs/ctl/live_verify.h"
#include "mirrorfs/printable.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::ctl {

/// "0 B", "1023 B", "1.0 KiB", "3.4 GiB".
[[nodiscard]] std::string human_bytes(double bytes);

/// "0.4 s", "12 s", "3 min 20 s", "5 h 7 min", "2 d 3 h".
[[nodiscard]] std::string human_duration(double seconds);

/// 1234567 → "1,234,567".
[[nodiscard]] std::string human_count(std::uint64_t count);

/// Replication per second between two statuses of one daemon.
struct Rates {
  double operations = 0;
  double bytes = 0;
};
[[nodiscard]] std::optional<Rates> rates_between(const nlohmann::json& earlier,
                                                 const nlohmann::json& later);

/// The block for one mount, as `status` got it. Keys that are missing are left out. `colors`: the
/// state has one.
[[nodiscard]] std::string human_status(const nlohmann::json& status,
                                       const std::optional<Rates>& rates, bool colors = false);

[[nodiscard]] std::string human_verify(const VerifyReport& report, bool repaired);
/// The same of a mount, with what was repaired.
[[nodiscard]] std::string human_live_verify(const LiveReport& report, bool repair);
/// What a dry run would do, and with `stats` the counts.
[[nodiscard]] std::string human_sync(const SyncReport& report, bool dry_run, bool stats);
/// For standard error: a line for each object that failed, and what is not mirrored.
[[nodiscard]] std::string sync_failures(const SyncReport& report);

[[nodiscard]] nlohmann::json verify_json(const VerifyReport& report);
[[nodiscard]] nlohmann::json live_verify_json(const LiveReport& report);
[[nodiscard]] nlohmann::json sync_json(const SyncReport& report);

}  // namespace mirrorfs::ctl
