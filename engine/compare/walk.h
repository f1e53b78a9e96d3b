// The offline walk over two whole trees: directories in parallel, each finished after its children.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/compare/pair_rules.h"
#include "engine/compare/reconcile.h"
#include "engine/compare/walk_node.h"
#include "engine/ring/ring.h"
#include "engine/ring/sync.h"

namespace mirrorfs::compare {

/// Receives the events of a whole walk; paths are relative to the roots.
class WalkListener {
 public:
  virtual ~WalkListener() = default;
  virtual void listed(std::size_t names) = 0;
  virtual void seen(const Metadata& source) = 0;
  /// Something is mounted on an object of the replica.
  virtual void replica_is_covered() {}
  virtual void expected(std::int64_t bytes) = 0;
  virtual void reconciled(const Metadata& source) = 0;
  /// All entries of a directory were reconciled: this share of the tree (see BaselineProgress).
  virtual void walked(double share) = 0;
  virtual void difference(std::string path, std::string_view what) = 0;
  virtual void created() = 0;
  virtual void removed() = 0;
  virtual void attributes_set() = 0;
  virtual void copied(std::uint64_t bytes) = 0;
  virtual void failed(std::string path, const Error& error) = 0;
  /// A few times a second; `under_way`: bytes written of files that are not yet reconciled.
  virtual void tick(std::uint64_t under_way) = 0;
  /// At the end.
  virtual void ring_used(const ring::Counters& counters) { (void)counters; }
};

/// The two roots of a walk, by descriptors that stay the caller's.
struct Roots {
  int source;
  int replica;
  std::optional<Metadata> source_seen = {};  ///< if the caller has looked at it already
};

/// Runs on the calling thread, with a ring of its own, until both trees were walked. The
/// descriptors stay the caller's. kReservedName in the roots is left alone. Fails as a whole only
/// when a root cannot be worked on, when there is no ring, or with ECANCELED once `interrupted` was
/// set: then what was begun is ended, and nothing else.
[[nodiscard]] Result<void> walk_trees(const Roots& roots, const Policy& policy,
                                      WalkListener& listener,
                                      const std::atomic<bool>* interrupted = nullptr,
                                      replica::Keeper* keeper = nullptr,
                                      const PairRules& rules = {});

}  // namespace mirrorfs::compare
