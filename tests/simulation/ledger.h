// Effects that are never undone, so that it can be told which of them the replica shows: the judge
// of order (G3) and of what a reply promises (G6).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "mirrorfs/types.h"

namespace mirrorfs::simulation {

/// An effect is known by the number of its operation. It is a file of its own in the root, or eight
/// bytes of its own in the file kName.
class Ledger {
 public:
  static constexpr const char* kName = "ledger";

  explicit Ledger(int replica_root) : replica_root_(replica_root) {}

  [[nodiscard]] static bool is_file(std::uint64_t effect) { return effect % 2 == 0; }
  [[nodiscard]] static std::string file_name(std::uint64_t effect);
  [[nodiscard]] static std::uint64_t offset(std::uint64_t effect);
  [[nodiscard]] static std::string tag(std::uint64_t effect);

  /// Sequence numbers begin anew.
  void begin_session();
  /// `promised`: it was recorded while nothing was to be reconciled, so that a barrier after it has
  /// to wait until it is durable.
  void recorded(std::uint64_t effect, SequenceNumber number, bool promised);
  void barrier(SequenceNumber number) { barriers_.insert(number); }
  /// The replica was synced: what it shows is durable.
  void synced();
  /// One of its files or directories was.
  void synced(int fd);

  /// What is wrong with the order on the replica now, if anything is.
  [[nodiscard]] std::optional<std::string> broken_order() const;
  /// The effect of this operation, if it has one, is missing.
  [[nodiscard]] std::optional<std::string> not_applied(SequenceNumber number) const;
  /// An effect that a barrier covers may be lost by a power cut. `file_only`: it covers the file
  /// kName and nothing else.
  [[nodiscard]] std::optional<std::string> not_durable(SequenceNumber number, bool file_only) const;

 private:
  [[nodiscard]] bool is_visible(std::uint64_t effect) const;

  const int replica_root_;
  std::map<SequenceNumber, std::uint64_t> effects_;
  std::set<SequenceNumber> barriers_;
  std::set<SequenceNumber> durable_, promised_;
};

}  // namespace mirrorfs::simulation
