// One object on its way from the source to the replica, and the ways to write it there.
//
// Nothing here compares: the caller has decided what is to be written. All of it runs on the ring
// thread, and a failure leaves nothing half-written under a real name. An attribute that the
// replica refuses is no failure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/copy/context.h"
#include "engine/copy/staging.h"
#include "engine/objects/attributes.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::copy {

/// One side of a directory that an object has its name in; the descriptors stay the caller's.
struct Place {
  int source;   ///< directory descriptor
  int replica;  ///< directory descriptor
  bool hidden;  ///< the replica's is not in its place yet, and nobody sees it
};

/// The references outlive every task that is given the transfer.
struct Transfer {
  const Context& tools;
  Place place;
  const std::string& name;
  Metadata source;                  ///< renewed when the object changes while it is copied
  std::optional<Metadata> replica;  ///< absent: nothing stands there (any more)
  objects::Refusal refused;         ///< set: all else was done

  /// In the replica.
  [[nodiscard]] Target target() const { return {place.replica, name.c_str(), place.hidden}; }
};

/// What was written.
struct Written {
  std::uint64_t bytes = 0;
  bool published = false;  ///< a new object took the name
};

/// Absent: the source object is gone, or another one has its name now. Look again.
using WrittenOrVanished = std::optional<Written>;

/// Builds a file in staging and gives it its name.
[[nodiscard]] ring::Task<Result<WrittenOrVanished>> publish_file(Transfer& transfer);
/// Writes what differs into the replica's file; publishes a new one where that cannot be opened.
[[nodiscard]] ring::Task<Result<WrittenOrVanished>> update_file(Transfer& transfer);
/// Builds a symlink to `link`, or a FIFO, socket or device, and gives it its name.
[[nodiscard]] ring::Task<Result<void>> publish_small(Transfer& transfer, const std::string& link,
                                                     const objects::Xattrs& xattrs);
/// Makes the name a further link to `from_name` in the replica directory `from`.
[[nodiscard]] ring::Task<Result<void>> publish_link(Transfer& transfer, int from,
                                                    const char* from_name);
/// Sets `which` on the replica's object, whatever its type.
[[nodiscard]] ring::Task<Result<void>> update_attributes(Transfer& transfer,
                                                         objects::AttributeSet which,
                                                         const objects::Xattrs& wanted,
                                                         const objects::Xattrs& present);

/// Owner, xattrs, mode and times from the open source file to the one made just now.
[[nodiscard]] Result<void> copy_attributes(Transfer& transfer, int from, const Staged& to);

}  // namespace mirrorfs::copy
