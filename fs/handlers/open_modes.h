// How the kernel has each inode open, and the files of the source that it uses by itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "fs/handlers/credentials.h"
#include "fs/io_policy/open_decision.h"
#include "fs/nodes/node.h"

namespace mirrorfs::fs {

/// What the kernel knows a file of the source by (FUSE_DEV_IOC_BACKING_OPEN). One for each inode,
/// shared by its opens.
struct BackingId {
  std::int32_t value = 0;
  [[nodiscard]] explicit operator bool() const { return value > 0; }
};

/// Counts the opens of each inode from the decision until RELEASE, so that what is believed to be
/// open is never less than what the kernel has open: it leaves a mode before it sends RELEASE, and
/// enters one after it got the reply. Safe from any thread; its locks are leaves, held for one
/// ioctl at most.
class OpenModes {
 public:
  /// What an open got.
  struct Way {
    OpenDecision decision;
    BackingId backing;  ///< unless it goes through the daemon
  };

  /// Before the first request: passthrough is possible. `device` is the connection's descriptor.
  void allow(int device) {
    device_ = device;
    allowed_ = true;
  }

  /// The source's file. The kernel writes to it as whoever announced it: blocks are taken, and
  /// quotas kept to, as by write_as(). Of an inode that is written so, that is the writer.
  struct File {
    int fd = -1;
    const Credentials& own;
    const Caller* writer = nullptr;  ///< none: it is opened to be read
  };

  /// Decides, with `facts` completed by what is open already. An open that this returned for is to
  /// be ended by leave().
  [[nodiscard]] Way enter(Node& node, OpenFacts facts, const File& file);
  void leave(const Node& node, DataPath path);

  [[nodiscard]] bool allowed() const { return allowed_; }
  /// Opens by passthrough so far, and those for which the kernel refused it.
  [[nodiscard]] std::uint64_t passed() const { return passed_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Opens {
    std::uint32_t cached = 0, passthrough = 0;
    BackingId backing;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, Opens> opens;  ///< by NodeId
  };
  static constexpr std::size_t kShards = 16;

  [[nodiscard]] Shard& shard_of(const Node& node) { return shards_[node.id().value % kShards]; }
  [[nodiscard]] BackingId open_backing(const File& file);
  void close_backing(BackingId id) const;

  std::array<Shard, kShards> shards_;
  int device_ = -1;  ///< set before the first request
  std::atomic<bool> allowed_ = false;
  std::atomic<std::uint64_t> passed_ = 0, refused_ = 0;
  std::atomic<int> last_refusal_ = 0;
};

}  // namespace mirrorfs::fs
