// What somebody else has put on the replica under excluded names: it has to stay as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "git_rules.h"
#include "plan.h"
#include "random.h"

namespace mirrorfs::simulation {

class Strangers {
 public:
  explicit Strangers(int replica_root) : root_(replica_root) {}

  /// Puts some there. `with_parents`: also in directories that the replica lacks.
  std::vector<std::string> plant(const Plan& plan, const GitRules& rules, Random& random,
                                 bool with_parents);
  /// Those that the rules do not exclude where they are now, or that somebody has changed, are
  /// nothing special any more.
  void forget_others(const GitRules& rules);
  [[nodiscard]] bool any() const { return !all_.empty(); }
  /// One that is not as it was; nothing: all are.
  [[nodiscard]] std::optional<std::string> lost() const;
  /// Somebody removes directories of the replica that stand, for what is excluded in them, where
  /// the source has something else.
  std::vector<std::string> clear_the_way(int source_root, const GitRules& rules);

 private:
  struct Stranger {
    std::uint64_t inode;
    std::string content;
  };
  [[nodiscard]] bool is_as_it_was(const Stranger& stranger, const std::string& path) const;
  bool plant_one(const std::string& path, bool with_parents);

  const int root_;
  unsigned planted_ = 0;
  std::vector<Stranger> all_;
};

/// Whether a directory that one side alone has holds nothing but what is excluded and what leads to
/// it.
[[nodiscard]] bool holds_only_excluded(int root, const std::string& directory,
                                       const GitRules& rules);

}  // namespace mirrorfs::simulation
