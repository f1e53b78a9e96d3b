// Which data path an open of a file uses: a pure function of what is known at the open.
#pragma once

#include <cstdint>

#include "mirrorfs/mirror.h"

namespace mirrorfs::fs {

enum class DataPath : std::uint8_t {
  kThroughDaemon,       ///< cached by the kernel, written through: the daemon sees every range
  kPassthrough,         ///< the kernel reads and writes the source's file itself
  kPassthroughDirectIo  ///< next to passthrough opens: the daemon sees ranges, mmap bypasses it
};

enum class IoOption : std::uint8_t { kAuto, kThrough };  ///< --io

enum class AccessMode : std::uint8_t { kReadOnly, kWriteOnly, kReadWrite };

/// How the inode is open already: all its opens must agree (Linux fs/fuse/iomode.c, 6.9).
enum class OpenedAs : std::uint8_t { kNotOpen, kCached, kPassthrough };

/// How content changes that no request tells of.
enum class Unseen : std::uint8_t {
  kNothing,
  kWrites,  ///< by write(2) on a passthrough handle; ctime tells that, and not while a request runs
  kMappings  ///< through a mapping of the source's file: nothing tells (mmap(2): takes O_RDWR)
};

struct OpenFacts {
  AccessMode access = AccessMode::kReadOnly;
  bool creates = false, truncates = false, appends = false, direct_io = false, synchronous = false;
  bool privileged = false;   ///< set-id bits or capabilities, which writes take away
  bool was_updated = false;  ///< opened for reading and writing since the kernel knows it
  OpenedAs opened_as = OpenedAs::kNotOpen;
  Mode mode = Mode::kAsync;
  IoOption io = IoOption::kAuto;
  bool passthrough_available = false;  ///< the kernel, our rights and the source's filesystem
  /// Any write moves the source's ctime, and few others are to be watched.
  bool writes_show = false;
  bool expects_large = false;  ///< of what is written as a whole: worth being captured
};

struct OpenDecision {
  DataPath path = DataPath::kThroughDaemon;
  Unseen unseen = Unseen::kNothing;
  bool operator==(const OpenDecision&) const = default;
};

/// Safe from any thread.
[[nodiscard]] OpenDecision decide_open(const OpenFacts& facts);

/// The access mode among open(2)'s flags.
[[nodiscard]] AccessMode access_mode(int open_flags);

}  // namespace mirrorfs::fs
