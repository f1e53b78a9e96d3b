// Files whose content changes without a request: what changed is captured when it matters.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fs/io_policy/open_decision.h"
#include "fs/nodes/node_table.h"
#include "mirrorfs/footprint.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::fs {

struct Filesystem;

/// Knows the files that are open in such a way, from before the kernel can use the handle until
/// RELEASE, and keeps each marked meanwhile (G1). What was written by write(2) is read from the
/// source and recorded as if it had come by requests: so it has its place in the stream (G3). It is
/// captured before anything else is done to the file or its names, before every barrier, at
/// RELEASE, for whoever waits, and some times a second. What is too much to be read at once, and
/// what was mapped, is compared by the engine.
///
/// The kernel holds the inode's lock for a write(2) and for each request that changes the file, so
/// that nothing changes unseen while such a request is handled.
///
/// A mapping outlives RELEASE: the kernel maps SRC's file, and lets go of its own
/// (backing_file_mmap(), Linux 6.9). So a file that could be mapped stays here, and marked, until
/// nobody has it open for writing any more, which a lease tells (fcntl(2)).
///
/// Safe from any thread. Takes node locks: called without any, except where it says so.
class Captures {
 public:
  /// Of how many files that are written a barrier may have to look at each.
  static constexpr std::size_t kMostWritten = 64;

  ~Captures() { end(); }

  /// There is room for one more file that is written unseen.
  [[nodiscard]] bool has_room() const { return written_ < kMostWritten; }

  /// A handle that may change the file unseen is about to be given out; `fd` can read it.
  void opened(Filesystem& fs, const NodeRef& node, const SharedFd& fd, Unseen how);
  /// It is gone. What it did is captured. Leaves the open mode that it was in, now or when nothing
  /// can be mapped any more.
  void released(Filesystem& fs, const NodeRef& node, Unseen how);

  /// What changed unseen is in the stream when this returns, or going to be compared: before a
  /// barrier of the file's own, and for whoever waits.
  void capture(Filesystem& fs, const NodeRef& node);
  void capture_all(Filesystem& fs);
  /// For barriers: of files that are only written. Of mappings no barrier knows anything.
  void capture_written(Filesystem& fs);

  /// Under the node's lock, around a change that is told: what came before is captured before; the
  /// change itself is not taken for an unseen one, and the mark stays where the file is. What the
  /// file is like before the change holds until then.
  [[nodiscard]] std::unique_ptr<SeenAttributes> before_change(Filesystem& fs, Node& node);
  void after_change(Filesystem& fs, Node& node);

  /// No more captures by itself.
  void end();

  /// How many files changed since they were captured.
  [[nodiscard]] std::size_t outdated(Filesystem& fs);

 private:
  struct UnseenFile {
    NodeRef node;
    // Guarded by the node's lock.
    std::uint32_t written = 0, mapped = 0;  ///< handles
    std::uint32_t lingering = 0;            ///< handles that are gone, but maybe not their mappings
    [[nodiscard]] bool may_be_mapped() const { return mapped + lingering > 0; }
    SharedFd fd;
    std::optional<Metadata> last;                 ///< as captured
    std::uint64_t read = 0;                       ///< bytes, by all captures
    std::chrono::steady_clock::time_point again;  ///< not compared before, unless it matters
    std::optional<Location> marked_at;
    std::shared_ptr<void> mark;
  };
  using FileRef = std::shared_ptr<UnseenFile>;
  enum class Why : std::uint8_t { kTimePassed, kMatters, kBarrier };

  [[nodiscard]] FileRef find(const Node& node) const;
  [[nodiscard]] std::vector<FileRef> all() const;
  static void mark(Filesystem& fs, UnseenFile& file);
  static void capture_held(Filesystem& fs, UnseenFile& file, Why why);
  [[nodiscard]] static bool may_read(const UnseenFile& file, const Metadata& now, Why why);
  static bool capture_writes(Filesystem& fs, UnseenFile& file, Why why);
  void start_watching(Filesystem& fs);
  void watch(Filesystem& fs);
  [[nodiscard]] bool look_at_all(Filesystem& fs);
  [[nodiscard]] bool settle(Filesystem& fs, UnseenFile& file);
  void forget_if_unused(UnseenFile& file);

  mutable std::mutex mutex_;                          // a leaf
  std::unordered_map<std::uint64_t, FileRef> files_;  ///< by NodeId
  std::atomic<std::size_t> written_ = 0;              ///< handles
  std::condition_variable wanted_;
  bool resting_ = false, ended_ = false;
  std::thread watcher_;
};

}  // namespace mirrorfs::fs
