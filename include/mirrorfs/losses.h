// What a replica's filesystem may be unable to hold, by the names that --tolerate takes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorfs {

enum class Loss : std::uint8_t {
  kOwner,
  kMode,
  kXattr,    ///< extended attributes of a namespace, or file capabilities
  kAcl,      ///< POSIX ACLs
  kTimes,    ///< in ns, or at all
  kLinks,    ///< several names of one object: each becomes a copy
  kSpecial,  ///< symlinks, FIFOs, sockets, devices: left out
};

inline constexpr std::array kAllLosses = {Loss::kOwner, Loss::kMode,  Loss::kXattr,  Loss::kAcl,
                                          Loss::kTimes, Loss::kLinks, Loss::kSpecial};

[[nodiscard]] std::string_view to_string(Loss loss);  ///< "owner", "mode", …

/// A set of them.
class Losses {
 public:
  constexpr Losses() = default;
  constexpr Losses(std::initializer_list<Loss> some) {
    for (const Loss loss : some) add(loss);
  }
  constexpr void add(Loss loss) { bits_ |= bit(loss); }
  [[nodiscard]] constexpr bool contains(Loss loss) const { return (bits_ & bit(loss)) != 0; }
  [[nodiscard]] constexpr bool none() const { return bits_ == 0; }
  [[nodiscard]] constexpr Losses without(const Losses& others) const {
    Losses rest;
    rest.bits_ = static_cast<std::uint8_t>(bits_ & ~others.bits_);
    return rest;
  }
  bool operator==(const Losses&) const = default;

  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::string text() const;  ///< "owner,mode"

 private:
  static constexpr std::uint8_t bit(Loss loss) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(loss));
  }
  std::uint8_t bits_ = 0;
};

/// "owner,mode"; nullopt where a name is unknown, or there is none.
[[nodiscard]] std::optional<Losses> parse_losses(std::string_view text);

}  // namespace mirrorfs
