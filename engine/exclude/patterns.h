// What is excluded from the mirror: --exclude and --exclude-from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/exclude/glob.h"

namespace mirrorfs::exclude {

/// Patterns in the order in which they were given, by the rules of gitignore(5): of those that
/// match a path the last one decides, and what is below an excluded directory is excluded whatever
/// matches it. Paths are relative to the root, without a slash at either end. Immutable but for
/// add(), and so safe from any thread.
class Patterns {
 public:
  /// One pattern as it is: neither a comment nor trailing spaces are cut off. False: it is empty.
  bool add(std::string_view pattern);
  /// The lines of a file: without comments, empty lines and trailing spaces.
  void add_lines(std::string_view text);

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  /// Each as it was given.
  [[nodiscard]] std::vector<std::string> list() const;

  /// The path itself, whatever is above it.
  [[nodiscard]] bool matches(std::string_view path, bool is_directory) const;
  /// It, or a directory above it.
  [[nodiscard]] bool excludes(std::string_view path, bool is_directory) const;
  /// Whether a path is excluded may depend on more than its name, so a directory that moves may
  /// change what is excluded below it.
  [[nodiscard]] bool any_of_places() const;
  /// Of which some path below the directory might be matched.
  [[nodiscard]] bool any_of_places_below(std::string_view directory) const;
  /// Whether a path is excluded may depend on its type.
  [[nodiscard]] bool any_of_types() const;

  /// Why a pattern can match nothing; empty: it can match something.
  [[nodiscard]] static std::string_view fault_of(std::string_view pattern);

 private:
  struct Pattern {
    std::string text;     ///< as it was given
    std::string literal;  ///< what the path, or the name, begins with
    Glob rest;            ///< what follows
    bool negated = false;
    bool directories_only = false;
    bool of_name = false;     ///< else of the path
    bool is_literal = false;  ///< there is no rest
    [[nodiscard]] bool matches(std::string_view path, std::string_view name) const;
    [[nodiscard]] bool may_match_below(std::string_view directory) const;
  };

  std::vector<Pattern> patterns_;
};

/// The lines of a file of patterns, in order, without trailing spaces; what is a comment is empty.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace mirrorfs::exclude
