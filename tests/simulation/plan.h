// What one seed stands for: drawn before anything runs, so that parts of it can be taken away.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/mirror.h"

namespace mirrorfs::simulation {

enum class SessionEnd {
  kCleanStop,   ///< after all was found to be equal
  kSuddenStop,  ///< as soon as the applications are done, whatever is wrong then
  kCrash,
};

struct SessionPlan {
  Check check = Check::kQuick;
  Mode mode = Mode::kAsync;
  Overflow overflow = Overflow::kCatchUp;
  OnReplicaError on_error = OnReplicaError::kDegrade;
  std::uint64_t queue_size = 1 << 20;
  bool wait_for_baseline = true;  ///< before the applications begin
  unsigned operations = 0;        ///< of all applications together
  SessionEnd end = SessionEnd::kCleanStop;
  bool new_boot = false;       ///< before it: the marks of the last session do not count
  bool foreign_edits = false;  ///< after it, before the next
  std::chrono::seconds scrub{0};
  std::uint64_t rate_limit = 0;
  unsigned crash_after = 0;               ///< of these operations; then at some step soon
  std::vector<std::string> exclude = {};  ///< patterns
};

/// How often things go wrong, in cases of 10,000.
struct FaultPlan {
  unsigned replica_calls = 0;
  unsigned short_transfers = 0;
  unsigned looks = 0;         ///< at the source after a change
  unsigned hangs = 0;         ///< of turns, for some time
  unsigned pauses = 0;        ///< of turns
  unsigned write_backs = 0;   ///< of syncs of the replica
  unsigned allocations = 0;   ///< of records
  unsigned kills = 0;         ///< of requests that wait
  unsigned closes = 0;        ///< of files of the replica that were written
  unsigned examinations = 0;  ///< of turns
  unsigned damages = 0;       ///< of turns: by others, to the replica
  unsigned path_waits = 0;    ///< of turns
  unsigned most = 0;          ///< replica calls that fail, in all
};

/// How often applications do what.
enum class Work : std::uint8_t {
  kCreate,
  kMakeDirectory,
  kMakeOther,
  kWrite,
  kCutContent,
  kAttributes,
  kXattrs,
  kUnlink,
  kRemoveDirectory,
  kLink,
  kRename,
  kExchange,
  kNameless,
  kFsync,
  kLedger,  ///< see ledger.h
};
inline constexpr std::size_t kKindsOfWork = 15;

inline constexpr std::uint64_t kNumbersPerSession = 1000;
inline constexpr std::uint64_t kInitialNumbers = 100'000;

struct Plan {
  std::uint64_t seed = 0;
  std::uint64_t schedule = 0;  ///< the order of everything, for the same operations
  unsigned actors = 2;
  unsigned initial_objects = 10;
  bool linked_names = false;       ///< some of the initial files have several
  bool several_answers = true;     ///< now and then more than one request is answered in a turn
  unsigned forgets = 0;            ///< in cases of 100 operations
  unsigned names = 5;              ///< in each directory
  unsigned depth = 3;              ///< of a path, at most
  unsigned application_share = 8;  ///< of 16 steps; the others are the engine's
  std::array<unsigned, kKindsOfWork> weights{};
  std::vector<SessionPlan> sessions;
  FaultPlan faults;
  /// Left out: operations (kNumbersPerSession * session + number in it) and initial objects
  /// (kInitialNumbers + number).
  std::set<std::uint64_t> masked;
};

/// Text that changes a plan: «faults=0,actors=1,sessions=1,operations=12,mask=3+7+8».
[[nodiscard]] Plan draw_plan(std::uint64_t seed);
[[nodiscard]] std::expected<void, std::string> change_plan(Plan& plan, std::string_view options);
[[nodiscard]] std::string describe(const Plan& plan);

}  // namespace mirrorfs::simulation
