// Whether the replica has an object as the source has it, while applications write to it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/compare/context.h"
#include "engine/copy/context.h"
#include "engine/live/live_state.h"
#include "mirrorfs/examine.h"

namespace mirrorfs::live {

class Reconciler;

/// Compares without claims, and changes nothing: a difference counts when everything that had begun
/// is applied, nothing is marked or still to be set, and another look after that finds it again
/// while the source has not changed in between. Ring thread only.
class Examiner {
 public:
  using Clock = ring::Clock;

  Examiner(LiveState& state, Reconciler& reconciler) : state_(state), reconciler_(reconciler) {
    limits_.pieces.cancel_by(&stopped_);
  }
  /// Comparisons end early from now on.
  void stop() { stopped_ = true; }

  struct Options {
    bool full = false;
    bool repair = false;
    std::chrono::milliseconds between{20};  ///< two looks, at least
    Clock::time_point deadline;
  };
  [[nodiscard]] ring::Task<Examined> examine(std::string path, Options options);

  /// A directory on both sides, opened name by name from the roots.
  struct Directory {
    std::vector<Location> steps;  ///< the entries on the way, from the root
    ObjectId id;
    state::DirHandle source, replica;
  };
  /// ENOENT and the like: it is not there, or no directory.
  [[nodiscard]] ring::Task<Result<Directory>> open(std::vector<std::string> names);

  /// What is known to stand between source and replica.
  enum class Owed : std::uint8_t {
    kNothing,
    kMoving,  ///< operations, times or a reconcile: it will be settled soon
    kKnown,   ///< the replica cannot take something for now
  };
  [[nodiscard]] Owed owed(const Directory& directory, const std::string& name,
                          const Metadata* source) const;

  struct Look {
    std::string what;  ///< differs; empty: nothing
    std::optional<Error> failure;
    std::optional<Metadata> source;
  };
  /// One comparison; an empty name: the directory itself.
  [[nodiscard]] ring::Task<Look> look(const Directory& directory, std::string name, bool full);

  /// Everything that had begun when it was called has ended. False: not by then.
  [[nodiscard]] ring::Task<bool> settle(Clock::time_point deadline);

  /// Operations are not applied: what is queued stays queued.
  std::function<bool()> paused;

 private:
  class Remarks;
  struct Place {
    Directory directory;
    std::string name;
  };
  struct Round {
    std::optional<Metadata> shown;  ///< the source's object, or what the replica has instead
    Owed owed = Owed::kNothing;
    Look seen;
    bool stood_still = true;  ///< the source, while it was compared
  };
  [[nodiscard]] compare::Context reading(compare::Observer& observer, copy::HardlinkMap& links);
  [[nodiscard]] ring::Task<Result<Place>> reach(std::string path);
  [[nodiscard]] ring::Task<Result<Round>> round(std::string path, bool full);
  [[nodiscard]] ring::Task<bool> still_shows(const Place& place, const Look& look);
  [[nodiscard]] ring::Task<void> look_at_directory(const Directory& parent, std::string name,
                                                   Look& look);
  [[nodiscard]] ring::Task<void> look_at_links(const Directory& directory, const std::string& name,
                                               Look& look);
  [[nodiscard]] ring::Task<void> compare_attributes(const Directory& directory, Look& look);
  [[nodiscard]] ring::Task<void> mark(std::string path, Clock::time_point deadline);
  [[nodiscard]] bool mark_unplaced(const Directory& directory);
  void request(const Location& entry);
  [[nodiscard]] ring::Task<void> mend_root();

  LiveState& state_;
  Reconciler& reconciler_;
  copy::Limits limits_;
  std::atomic<bool> stopped_ = false;
};

/// "a/b" as its components; empty and "." are left out.
[[nodiscard]] std::vector<std::string> components_of(std::string_view path);

}  // namespace mirrorfs::live
