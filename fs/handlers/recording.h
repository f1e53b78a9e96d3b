// Telling the engine of a change, under the locks under which it was made.
#pragma once

#include <optional>

#include "fs/handlers/filesystem.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::fs {

/// The operations of one request. Made before the locks are taken, because admission may wait;
/// records while they are held; settles after they were dropped. For the thread of the request.
class Recording {
 public:
  /// Waits for room for an operation that carries `payload` bytes.
  Recording(Filesystem& fs, std::size_t payload)
      : fs_(fs), admission_(fs.replicator.admit(payload)) {}

  /// The first operation uses the admission. Small ones that come with it (a mode that changed by a
  /// write, an inherited ACL) are few and go without.
  void record(Operation operation) {
    last_ = fs_.replicator.record(std::move(admission_), std::move(operation));
    admission_ = Admission();
  }

  /// What a write, truncate or chown did to set-id bits and file capabilities. `fd` is of the
  /// object, `capabilities` what it had before.
  void record_privileges(const NodeRef& node, int fd, const Metadata& after,
                         FileCapabilities before);

  /// A write failed that wrote nothing: the file's times have moved all the same, and set-id bits
  /// and capabilities may be gone (file_modified() comes first, Linux fs/inode.c).
  void record_failed_write(const NodeRef& node, int fd, FileCapabilities before);

  /// A change of content failed half-way, or what it did cannot be told.
  void record_unknown(const NodeRef& node, int fd, FileCapabilities before);

  /// When a barrier follows the operation in one request: the same locks or none.
  void record_barrier() {
    record(Barrier{});
    barrier_ = true;
  }

  /// Waits as the mode demands. Nothing when nothing was recorded.
  [[nodiscard]] Result<void> settle();

 private:
  Filesystem& fs_;
  Admission admission_;
  std::optional<SequenceNumber> last_;
  bool barrier_ = false;
};

/// Whether a regular file has capabilities to lose; asked of the source once per node. Under the
/// node's lock.
[[nodiscard]] FileCapabilities capabilities_before(Filesystem& fs, const NodeRef& node, int fd);

/// fsync and what else is a barrier: nothing later overtakes what completed before.
[[nodiscard]] Result<void> pass_barrier(Filesystem& fs);

}  // namespace mirrorfs::fs
