// What is excluded in this session, and what was before.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/exclude/patterns.h"

namespace mirrorfs::exclude {

/// Immutable but for all_compared().
class Exclusion {
 public:
  Exclusion() = default;
  /// Both as PairRecord has them.
  Exclusion(const std::vector<std::string>& patterns,
            const std::vector<std::vector<std::string>>& before);

  /// Nothing is excluded.
  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  [[nodiscard]] const Patterns& patterns() const { return patterns_; }
  /// Somebody has to know the paths of what is compared.
  [[nodiscard]] bool needs_paths() const { return !patterns_.empty() || !before_.empty(); }

  /// The entry is left alone: the patterns exclude it as one of the sides has it. An absent side
  /// has no type. For entries of a directory that is not excluded.
  [[nodiscard]] bool leaves_alone(std::string_view path, std::optional<bool> directory_in_source,
                                  std::optional<bool> directory_in_replica) const;

  /// Nobody followed the file when patterns were other ones: its size and times say nothing of its
  /// content.
  [[nodiscard]] bool hides_content(std::string_view path) const;
  /// From now on the replica is as these patterns want it.
  void all_compared() { before_.clear(); }

 private:
  Patterns patterns_;
  std::vector<Patterns> before_;  ///< whose replica was not compared in full since
};

/// "directory/name"; the root's path is empty.
[[nodiscard]] std::string joined(std::string_view directory, std::string_view name);

}  // namespace mirrorfs::exclude
