// Does to a source tree what the mount would do, and tells a Replicator of it: the engine under
// test without FUSE.
#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "mirrorfs/metadata.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::testing {

/// Paths are relative to the source's root. Each call returns false, and records nothing, when the
/// source refuses. One lock gives the order; any thread.
class SourceDriver {
 public:
  SourceDriver(std::filesystem::path source, Replicator& replicator);

  bool create(const std::string& path, mode_t mode = 0644);
  bool make_fifo(const std::string& path);
  bool mkdir(const std::string& path, mode_t mode = 0755);
  bool symlink(const std::string& target, const std::string& path);
  bool write(const std::string& path, std::uint64_t offset, std::string_view data);
  bool truncate(const std::string& path, std::uint64_t size);
  bool punch(const std::string& path, ByteRange range);
  bool chmod(const std::string& path, mode_t mode);
  bool chown(const std::string& path, uid_t uid, gid_t gid);
  bool set_mtime(const std::string& path, timespec mtime);
  /// Through a descriptor, of an object whose names the mount does not know.
  bool set_mtime_nameless(const std::string& path, timespec mtime);
  bool set_xattr(const std::string& path, const std::string& name, std::string_view value);
  bool remove_xattr(const std::string& path, const std::string& name);
  bool link(const std::string& existing, const std::string& path);
  bool unlink(const std::string& path);
  bool rmdir(const std::string& path);
  bool rename(const std::string& from, const std::string& to, unsigned flags = 0);
  SequenceNumber barrier();

  /// Called once, when the source shows the next change and the engine has not been told of it yet.
  void before_next_record(std::function<void()> action) { before_record_ = std::move(action); }
  /// As after the kernel has forgotten the nodes: each directory is told anew when it is met again.
  void forget_learnt() {
    const std::lock_guard lock(order_);
    learnt_.clear();
  }

 private:
  /// One change: its intent is begun under the lock, before the source is looked at or changed. A
  /// test that fails half-way leaves an Unknown.
  class Turn {
   public:
    /// Of an object that is at `path`, or comes to be there, and maybe at `other`.
    Turn(SourceDriver& driver, const std::string& path, const std::string& other = {});
    ~Turn();
    SequenceNumber record(Operation operation);

   private:
    SourceDriver& driver_;
    std::lock_guard<std::mutex> lock_;
    Intent intent_;
  };

  bool set_mtime_at(const std::string& path, timespec mtime, bool named);
  [[nodiscard]] std::string full(const std::string& path) const;
  [[nodiscard]] std::optional<Metadata> look(const std::string& path) const;
  [[nodiscard]] Location locate(const std::string& path);
  void learn(const std::string& directory);
  [[nodiscard]] Footprint footprint_of(const std::string& path, const std::string& other);

  std::filesystem::path source_;
  Replicator& replicator_;
  std::mutex order_;
  std::unordered_set<ObjectId> learnt_;  // guarded by order_
  std::function<void()> before_record_;
};

}  // namespace mirrorfs::testing
