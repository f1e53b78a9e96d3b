// Counts what one reconcile does into the status.
#pragma once

#include <map>

#include "engine/live/reconciler.h"

namespace mirrorfs::live {

class Reconciler::PassObserver final : public compare::Observer {
 public:
  PassObserver(BaselineProgress& progress, Totals& totals) : progress_(progress), totals_(totals) {}
  ~PassObserver() override {
    progress_.files_done += files_;
    progress_.bytes_done += bytes_;
  }
  PassObserver(const PassObserver&) = delete;
  PassObserver& operator=(const PassObserver&) = delete;

  /// The non-directories looked at, when asked to remember them.
  void remember_objects() { remembering_ = true; }
  [[nodiscard]] const std::vector<ObjectId>& seen_objects() const { return seen_; }
  /// Those of which the replica has what was read.
  struct ReconciledObject {
    std::string name;
    Metadata source;
  };
  [[nodiscard]] const std::vector<ReconciledObject>& reconciled_objects() const {
    return reconciled_;
  }
  /// Why the replica does not take an attribute of the object of this name; null: it took all.
  [[nodiscard]] const Error* refusal_of(std::string_view name) const {
    const auto found = refused_.find(name);
    return found == refused_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] bool names_were_split() const { return split_; }

  void seen(const Metadata& source) override {
    ++totals_.objects_looked_at;
    if (remembering_ && !source.is_directory()) seen_.push_back(source.id());
    if (!progress_.running) return;
    const std::uint64_t size = source.is_regular() ? source.size : 0;
    ++files_;
    bytes_ += size;
    ++progress_.files_total;
    progress_.bytes_total += size;
  }
  void refused(std::string_view name, const Error& error) override {
    refused_.emplace(name, error);
  }
  void names_are_split(const Metadata&) override { split_ = true; }
  void reconciled(std::string_view name, const Metadata& source) override {
    if (remembering_ && !source.is_directory()) reconciled_.push_back({std::string(name), source});
  }
  void copied(std::string_view, std::uint64_t bytes) override { totals_.bytes_reconciled += bytes; }

 private:
  BaselineProgress& progress_;
  Totals& totals_;
  std::uint64_t files_ = 0, bytes_ = 0;
  bool remembering_ = false;
  bool split_ = false;
  std::vector<ObjectId> seen_;
  std::vector<ReconciledObject> reconciled_;
  std::map<std::string, Error, std::less<>> refused_;
};

}  // namespace mirrorfs::live
