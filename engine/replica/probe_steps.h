// The steps of a probe. Each works in an empty folder, leaves nothing that matters there, and notes
// what it finds.
#pragma once

#include "engine/objects/rights.h"
#include "mirrorfs/capabilities.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::replica {

/// A new file, opened O_RDWR; not valid where it cannot be made.
[[nodiscard]] UniqueFd make_probe_file(int folder, const char* name);

/// Whether an error of a call (errno) says that the filesystem has no such thing, and not that
/// there is no room, or that this process may not.
[[nodiscard]] bool means_lacking(int error);

/// An ordinary time is stored as well as that form tells.
[[nodiscard]] bool keeps_times(int fd, const TimeForm& form);

void probe_names(int folder, Capabilities& found);
void probe_objects(int folder, const objects::Rights& rights, Capabilities& found);
void probe_content(int folder, Capabilities& found);
void probe_modes(int fd, Capabilities& found);
void probe_owners(int fd, const objects::Rights& rights, Capabilities& found);
void probe_xattrs(int fd, const objects::Rights& rights, Capabilities& found);
void probe_times(int fd, Capabilities& found);
/// After those of files.
void probe_symlink_attributes(int folder, const objects::Rights& rights, Capabilities& found);

}  // namespace mirrorfs::replica
