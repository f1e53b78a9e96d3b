// Telling the engine of a change, under the locks under which it is made.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "fs/handlers/change_locks.h"
#include "fs/handlers/filesystem.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::fs {

/// What a request has to wait for before it is answered: nothing when nothing was recorded.
struct Settlement {
  std::optional<SequenceNumber> number;
  Await what = Await::kOperation;
  std::shared_ptr<const Footprint> covered;
};

/// The operations of one request. Made under the locks, right before the source is changed, and
/// declared after them, so that whatever way the handler is left, they are held until it is gone:
/// unless it was told how things ended, it has what the footprint names compared.
class Recording {
 public:
  Recording(Filesystem& fs, Admission admission, Footprint footprint)
      : fs_(fs), intent_(fs.replicator.begin(std::move(admission), std::move(footprint))) {
    settlement_.covered = intent_.footprint();
  }

  void record(Operation operation) { settlement_.number = intent_.record(std::move(operation)); }

  /// What a write, truncate or chown did to set-id bits and file capabilities. `fd` is of the
  /// object, `capabilities` what it had before.
  void record_privileges(const NodeRef& node, int fd, const Metadata& after,
                         FileCapabilities before);

  /// A write failed that wrote nothing: the file's times have moved all the same, and set-id bits
  /// and capabilities may be gone (file_modified() comes first, Linux fs/inode.c).
  void record_failed_write(const NodeRef& node, int fd, FileCapabilities before);

  /// When a barrier follows the operation in one request: the same locks or none.
  void record_barrier() {
    record(Barrier{});
    settlement_.what = Await::kBarrier;
  }

  /// Nothing on the source is different.
  void nothing_changed() { intent_.nothing_changed(); }
  /// The source refused. After an error of its device nobody knows what it did.
  void refused(int code) {
    if (code != EIO) nothing_changed();
  }

  /// All that changed was recorded. What is left is to wait for, without the locks.
  [[nodiscard]] Settlement complete() {
    intent_.complete();
    return std::move(settlement_);
  }

 private:
  Filesystem& fs_;
  Intent intent_;
  Settlement settlement_;
};

/// Whether a regular file has capabilities to lose; asked of the source once per node. Under the
/// node's lock.
[[nodiscard]] FileCapabilities capabilities_before(Filesystem& fs, const NodeRef& node, int fd);

/// A change that was made, with what it came to.
template <class Value>
struct Changed {
  Value value;
  Settlement settlement;
};

/// Answers by `reply(request, settled)`: now, or when what the mode demands has happened.
template <class Reply>
void answer(FuseRequest& request, Filesystem& fs, Settlement settlement, Reply reply) {
  if (!settlement.number || !fs.replicator.must_wait(settlement.what)) {
    return reply(request, Result<void>{});
  }
  fs.suspended.until_settled(std::move(request), *settlement.number, settlement.what,
                             std::move(settlement.covered), std::move(reply));
}

/// The same for requests that are answered with success or an error.
void answer_result(FuseRequest& request, Filesystem& fs, Settlement settlement);

/// fsync and what else is a barrier: nothing later overtakes what completed before. Of what is
/// still to be compared, `node` is waited for. Takes node locks.
void pass_barrier(FuseRequest& request, Filesystem& fs, Admission admission, const NodeRef& node);

}  // namespace mirrorfs::fs
