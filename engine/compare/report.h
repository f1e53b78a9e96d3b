// Gathers the reports of verify_trees() and sync_trees() from a walk.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "engine/compare/walk.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::compare {

/// Counts everything and keeps the first differences and failures in the order of their paths,
/// whatever order the walk met them in.
class ReportListener final : public WalkListener {
 public:
  using Progress = std::function<void(const BaselineProgress&)>;

  ReportListener(std::size_t most_differences, Progress on_progress)
      : most_(most_differences), on_progress_(std::move(on_progress)) {}

  void listed(std::size_t names) override;
  void seen(const Metadata& source) override;
  void replica_is_covered() override { mounts_inside_ = true; }
  void expected(std::int64_t bytes) override;
  void tick(std::uint64_t under_way) override;
  void reconciled(const Metadata& source) override;
  void walked(double share) override { progress_.share_walked += share; }
  void difference(std::string path, std::string_view what) override;
  void created() override { ++created_; }
  void removed() override { ++removed_; }
  void attributes_set() override { ++metadata_changed_; }
  void copied(std::uint64_t bytes) override;
  void failed(std::string path, const Error& error) override;
  void ring_used(const ring::Counters& counters) override;

  /// The last word on progress, then the reports; each empties what it takes.
  [[nodiscard]] VerifyReport verify_report();
  [[nodiscard]] SyncReport sync_report();

 private:
  using Lines = std::set<std::pair<std::string, std::string>>;
  void tell_progress();

  const std::size_t most_;
  const Progress on_progress_;
  BaselineProgress progress_{.running = true, .share_walked = 0};
  std::uint64_t under_way_ = 0;
  TreeTotals totals_;
  std::uint64_t differences_total_ = 0;
  Lines differences_, failures_;
  std::uint64_t files_copied_ = 0, bytes_copied_ = 0, created_ = 0, removed_ = 0;
  std::uint64_t metadata_changed_ = 0, flagged_ = 0;
  bool mounts_inside_ = false;
  RingUse ring_;
};

}  // namespace mirrorfs::compare
