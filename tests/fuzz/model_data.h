// The calls of a sequence that move data or list something: as system calls return, with errno.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "calls.h"
#include "model_call.h"

namespace mirrorfs::test {

/// Size and a hash, for outcomes that people are to read.
[[nodiscard]] std::string digest(std::string_view bytes);

/// `flags` are those of the open file.
[[nodiscard]] long read_some(int fd, const Call& call, int flags, std::string& data);
[[nodiscard]] long write_some(int fd, const Call& call, int flags);
[[nodiscard]] long use_mapping(int fd, const Call& call, std::string& data);

/// `flags` are those of both open files.
[[nodiscard]] long copy_range(int from_fd, int to_fd, const Call& call, int flags);

/// Nothing happens for a directory: where its entries are is each filesystem's own affair.
[[nodiscard]] long seek(int fd, off_t offset, int whence);

/// Sorted: filesystems have an order of their own.
[[nodiscard]] long list(const Path& path, std::string& data);
[[nodiscard]] long list_xattrs(const Path& path, std::string& data);

}  // namespace mirrorfs::test
