// What the parts of the running engine share. Everything here belongs to the ring thread, but for
// the intake.
#pragma once

#include <atomic>
#include <string>

#include "engine/compare/reconcile.h"
#include "engine/ring/ring.h"
#include "engine/ring/sync.h"
#include "engine/state/directory_table.h"
#include "engine/state/file_cache.h"
#include "engine/state/link_names.h"
#include "engine/state/marks.h"
#include "engine/state/settling.h"
#include "engine/stream/apply.h"
#include "engine/stream/dependencies.h"
#include "engine/stream/intake.h"
#include "engine/stream/watermark.h"

namespace mirrorfs::live {

struct Totals {
  std::uint64_t operations = 0;
  std::uint64_t bytes_reconciled = 0;
  std::uint64_t errors = 0;
  std::string last_error;
};

struct LiveState {
  LiveState(ring::Ring& engine_ring, stream::Intake& operations, ObjectId root, int source_root,
            int replica_root, std::size_t most_open, objects::Rights process_rights)
      : ring(engine_ring),
        intake(operations),
        rights(process_rights),
        directories(engine_ring, root, source_root, replica_root, most_open),
        files(most_open / 2) {}

  ring::Ring& ring;
  stream::Intake& intake;
  const objects::Rights rights;
  state::DirectoryTable directories;
  state::FileCache files;
  state::LinkNames links;
  stream::Dependencies dependencies;
  stream::Watermark watermark;
  state::Settling settling;
  state::Marks marks;
  Totals totals;
  std::uint64_t reconciled = 0;  ///< entries and directories that got equal, ever
  bool catching_up = false;      ///< payloads were dropped; until no mark is left

  /// Wakes whoever waits for progress: operations applied, marks cleared.
  void progressed() {
    progress.set();
    progress.reset();
  }
  ring::Event progress;

  void count_error(const std::string& line) {
    ++totals.errors;
    totals.last_error = line;
  }
};

/// Claims held by something that is not an operation.
class Hold final : public stream::Ticket {
 public:
  explicit Hold(stream::Dependencies& dependencies) : dependencies_(dependencies) {}
  ~Hold() override { release(); }

  /// Takes its place behind everything that entered before; `co_await` returns when all is granted.
  auto acquire(const stream::ClaimSet& claims) {
    held_ = true;
    granted_.reset();
    dependencies_.enter(*this, claims);
    return granted_.wait();
  }
  void release() {
    if (!held_) return;
    held_ = false;
    dependencies_.leave(*this);
  }

 private:
  void granted() override { granted_.set(); }
  stream::Dependencies& dependencies_;
  ring::Event granted_;
  bool held_ = false;
};

}  // namespace mirrorfs::live
