// The replica's disk below its page cache: what a failed write-back loses.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace mirrorfs::simulation {

/// Keeps what the disk would hold of each file. A write-back that fails reports so once; the pages
/// are clean then and keep their content only until the cache is dropped (fsync(2), «the kernel
/// may have dropped the pages»). Of files, not of names or attributes. A file is one page here.
class WriteBack {
 public:
  explicit WriteBack(int replica_root) : replica_root_(replica_root) {}

  /// Everything dirty reached the disk.
  void succeeded();
  /// What was dirty of this file did.
  void succeeded(int fd);
  /// Nothing dirty did, and it is not dirty any more.
  void failed();
  /// Something was written through this descriptor.
  void written(int fd);
  /// The cache is dropped: files show what the disk holds. How many changed.
  unsigned drop_cache();
  /// Of one file.
  void drop_cache(int fd);

 private:
  void show_disk(int fd, const struct stat& status);
  template <class Visit>
  void each_file(const Visit& visit) const;

  const int replica_root_;
  std::map<std::uint64_t, std::string> on_disk_;  ///< by inode
  std::set<std::uint64_t> lost_;                  ///< clean, though the disk holds something else
};

}  // namespace mirrorfs::simulation
