// gitignore's rules once more, for judging: shares nothing with the engine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mirrorfs::simulation {

/// Of what simulations draw: `*`, `?`, `[…]` without ranges, `**` alone between slashes.
class GitRules {
 public:
  GitRules() = default;
  explicit GitRules(const std::vector<std::string>& patterns);

  [[nodiscard]] bool any() const { return !rules_.empty(); }
  /// The path, or a directory above it.
  [[nodiscard]] bool excludes(const std::string& path, bool is_directory) const;

 private:
  struct Rule {
    bool negated = false;
    bool directories = false;
    std::vector<std::string> segments;  ///< of a path
    bool of_name = false;
  };
  [[nodiscard]] bool last_word(const std::string& path, bool is_directory) const;

  std::vector<Rule> rules_;
};

}  // namespace mirrorfs::simulation
