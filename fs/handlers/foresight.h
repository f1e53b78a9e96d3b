// The attributes of a file that is being written, and of a directory that is being filled, told
// without another look at the source.
#pragma once

#include <memory>

#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {

/// A look under the node's lock that a later change may go by; null for objects of which a change
/// cannot be foreseen.
[[nodiscard]] std::unique_ptr<SeenAttributes> remember(Filesystem& fs, const NodeRef& node,
                                                       const Metadata& seen);

/// Until the next change of the object, under whose lock the caller is; null is nothing.
void keep_seen(Filesystem& fs, const NodeRef& node, std::unique_ptr<SeenAttributes> seen);

/// Names in the directory change: what `seen` has besides its times, its size and its count of
/// links still holds.
void keep_but_for_names(Filesystem& fs, const NodeRef& directory,
                        std::unique_ptr<SeenAttributes> seen);

/// Whether what a write or a change of attributes leaves behind can be told from `seen`: of a
/// regular file with one name, or a directory, that has a known name and no set-id bits. Looks are
/// trusted as long as the kernel trusts them (--attr-timeout), so that changes made in the source
/// itself show as soon as ever. Under the node's lock.
[[nodiscard]] bool foresees(Filesystem& fs, const NodeRef& node, const SeenAttributes* seen);

/// Nothing security.capability-like stands there: known from a look that is still to be trusted.
[[nodiscard]] bool surely_has_no_capabilities(Filesystem& fs, const NodeRef& node);

/// What setattr asks for is exactly what the source will have.
[[nodiscard]] bool is_kept_as_asked(const Filesystem& fs, const Metadata& seen,
                                    const struct stat& wanted, int to_set);

/// Those attributes with what was asked for.
[[nodiscard]] Metadata with_changes(const Metadata& seen, const struct stat& wanted, int to_set);

/// Those attributes after a write of [offset, offset + count).
[[nodiscard]] Metadata with_write(const Metadata& seen, std::uint64_t offset, std::uint64_t count);

}  // namespace mirrorfs::fs
