// Every kind of object a directory can hold, so that tests can try each operation on each of them.
#pragma once

#include <array>
#include <string>

#include "calls.h"

namespace mirrorfs::test {

enum class Kind {
  kEmptyFile,
  kSmallFile,
  kLargeFile,
  kLinkedFile,  ///< has a second name beside it, "other-name"
  kEmptyDirectory,
  kFullDirectory,
  kSymlink,
  kDanglingSymlink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice,
};

inline constexpr std::array kAllKinds = {
    Kind::kEmptyFile,      Kind::kSmallFile,     Kind::kLargeFile,       Kind::kLinkedFile,
    Kind::kEmptyDirectory, Kind::kFullDirectory, Kind::kSymlink,         Kind::kDanglingSymlink,
    Kind::kFifo,           Kind::kSocket,        Kind::kCharacterDevice, Kind::kBlockDevice};

[[nodiscard]] std::string to_string(Kind kind);  ///< fit for a test's name

[[nodiscard]] bool is_directory(Kind kind);
[[nodiscard]] bool is_symlink(Kind kind);
[[nodiscard]] bool is_regular(Kind kind);

/// Makes an object at `path`, whose directory exists.
void make_object(Kind kind, const Path& path);
/// Removes it (a directory with what make_object put into it).
void remove_object(Kind kind, const Path& path);

}  // namespace mirrorfs::test
