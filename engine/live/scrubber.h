// The rolling comparison of both trees in the background.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "engine/journal/scrub_record.h"
#include "engine/live/examiner.h"
#include "engine/live/scrub_pace.h"
#include "mirrorfs/status.h"

namespace mirrorfs::live {

/// Walks the trees one object after the other, reads and compares all of it, and marks what differs
/// so that it is reconciled. Off without a period, and then it costs nothing. It rests while the
/// mirror is anything but well. Its memory is bounded, whatever the trees are like: some names of
/// each directory on the way. Ring thread only.
class Scrubber {
 public:
  struct Parts {
    int state_directory = -1;  ///< the caller's
    std::string pair_id;
    std::function<bool()> may_run;            ///< nothing is owed, and nothing is paused
    std::function<std::uint64_t()> expected;  ///< work of a pass, as far as the engine knows
  };
  Scrubber(LiveState& state, Examiner& examiner, Parts parts);

  void set_period(std::chrono::seconds period);
  /// Ends after stop().
  [[nodiscard]] ring::Task<void> run();
  void stop();
  [[nodiscard]] ScrubStatus status() const;

 private:
  using Clock = ring::Clock;
  /// A directory on the way to where the pass stands.
  struct Level {
    std::string name;
    std::vector<std::string> children;  ///< directories still to be visited; the next one is last
    std::string next;                   ///< where to list further ones from; empty: these are all
  };

  [[nodiscard]] bool wanted() const { return !stopped_ && pace_.period().count() > 0; }

  // When (scrubber.cpp).
  [[nodiscard]] ring::Task<void> rest();
  [[nodiscard]] ring::Task<void> one_pass();
  [[nodiscard]] bool is_due() const;
  void begin_pass();
  /// Waits until so much may be done. False: not any more.
  [[nodiscard]] ring::Task<bool> spend(std::uint64_t work);
  [[nodiscard]] ring::Task<void> save();
  [[nodiscard]] ring::Task<void> save_sometimes();
  [[nodiscard]] ring::Task<void> look_at_roots();

  // Where, and what (scrub_walk.cpp).
  [[nodiscard]] ring::Task<bool> walk();
  [[nodiscard]] ring::Task<bool> visit(std::vector<std::string> names);
  [[nodiscard]] ring::Task<bool> visit_entry(const Examiner::Directory& directory,
                                             const std::string& name);
  [[nodiscard]] ring::Task<Result<bool>> compare_content(const Examiner::Directory& directory,
                                                         std::string name, std::uint64_t size);
  [[nodiscard]] ring::Task<bool> descend();
  [[nodiscard]] ring::Task<void> list_children(std::string from);
  [[nodiscard]] ring::Task<void> confirm_all();
  [[nodiscard]] ring::Task<void> confirm(std::string path);
  [[nodiscard]] std::vector<std::string> way() const;
  void suspect(const Examiner::Directory& directory, const std::string& name);

  LiveState& state_;
  Examiner& examiner_;
  const Parts parts_;
  ScrubPace pace_;
  bool stopped_ = false;
  bool loaded_ = false;
  ring::Event changed_;  ///< the period, or stop()
  journal::ScrubRecord record_;
  Clock::time_point saved_, roots_looked_at_;
  std::vector<Level> levels_;
  std::vector<std::string> suspects_;  ///< paths that differed once
  std::uint64_t objects_ = 0, bytes_ = 0, differences_ = 0, passes_ = 0;  ///< since the start
};

}  // namespace mirrorfs::live
