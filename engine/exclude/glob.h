// Wildcards as gitignore(5) has them.
#pragma once

#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

namespace mirrorfs::exclude {

/// `?`, `*`, `[…]` with ranges, negation and classes such as `[:alpha:]`, `\` before any character
/// and, in a path, `**`. Matches byte by byte, in time proportional to text and pattern together,
/// whatever they are. Immutable.
class Glob {
 public:
  enum class Kind : bool {
    kName,  ///< of one name: everything matches anything
    kPath,  ///< `*`, `?` and `[…]` do not match a slash; `**` between slashes or ends does
  };
  Glob() = default;
  Glob(std::string_view pattern, Kind kind);

  /// All of the text.
  [[nodiscard]] bool matches(std::string_view text) const;
  /// Some text that begins so and goes on.
  [[nodiscard]] bool may_match_beyond(std::string_view beginning) const;
  /// A bracket without an end, an unknown class, or a backslash before nothing.
  [[nodiscard]] bool is_malformed() const { return never_; }

 private:
  using Bytes = std::bitset<256>;
  /// One of `bytes`; any number of them; or (`optional`) the steps up to `next` may be left out.
  struct Step {
    enum class What : unsigned char { kOne, kAnyNumber, kOptional } what;
    Bytes bytes;
    std::size_t next = 0;
  };
  class Reader;

  void add(Step::What what, const Bytes& bytes, std::size_t next = 0);
  void enter(std::vector<bool>& states, std::size_t step) const;
  /// The steps that may be next behind the text.
  [[nodiscard]] std::vector<bool> states_after(std::string_view text) const;

  std::vector<Step> steps_;
  bool never_ = false;  ///< what is malformed matches nothing
};

/// How many bytes at the beginning of a pattern stand for themselves.
[[nodiscard]] std::size_t literal_length(std::string_view pattern);

}  // namespace mirrorfs::exclude
