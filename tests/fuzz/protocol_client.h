// Requests of the FUSE protocol as functions, and the kernel's bookkeeping: which nodes were looked
// up how often, what is open.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fake_kernel.h"

namespace mirrorfs::testing {

struct KnownNode {
  std::uint64_t lookups = 0;
  std::uint64_t ino = 0;  ///< the number shown to applications
  std::uint32_t type = 0;
};

struct OpenedFile {
  std::uint64_t handle = 0, node = 0;
  std::uint32_t flags = 0;
  [[nodiscard]] bool readable() const { return (flags & O_ACCMODE) != O_WRONLY; }
  [[nodiscard]] bool writable() const { return (flags & O_ACCMODE) != O_RDONLY; }
};

/// One thread. Whatever is known or open at the end is given back by release_everything().
class ProtocolClient {
 public:
  explicit ProtocolClient(FakeKernel& kernel, Identity caller = {})
      : kernel_(kernel), caller_(caller) {}

  Answer lookup(std::uint64_t parent, std::string_view name);
  Answer make_directory(std::uint64_t parent, std::string_view name, std::uint32_t mode);
  Answer make_node(std::uint64_t parent, std::string_view name, std::uint32_t mode);
  Answer make_symlink(std::uint64_t parent, std::string_view name, std::string_view target);
  Answer make_link(std::uint64_t node, std::uint64_t parent, std::string_view name);
  Answer create(std::uint64_t parent, std::string_view name, std::uint32_t flags,
                std::uint32_t mode);
  Answer create_nameless(std::uint64_t parent, std::uint32_t flags, std::uint32_t mode);
  Answer unlink(std::uint64_t parent, std::string_view name);
  Answer remove_directory(std::uint64_t parent, std::string_view name);
  Answer rename(std::uint64_t from, std::string_view from_name, std::uint64_t to,
                std::string_view to_name, std::uint32_t flags = 0);

  Answer get_attributes(std::uint64_t node);
  Answer extended_attributes(std::uint64_t node);
  Answer set_attributes(std::uint64_t node, const fuse_setattr_in& wanted);
  Answer read_link(std::uint64_t node);
  Answer statistics(std::uint64_t node);

  Answer open(std::uint64_t node, std::uint32_t flags);
  Answer read(const OpenedFile& file, std::uint64_t offset, std::uint32_t size);
  Answer write(const OpenedFile& file, std::uint64_t offset, std::string_view data);
  Answer flush(const OpenedFile& file);
  Answer sync(const OpenedFile& file);
  Answer seek(const OpenedFile& file, std::uint64_t offset, std::uint32_t whence);
  Answer allocate(const OpenedFile& file, std::uint32_t mode, std::uint64_t offset,
                  std::uint64_t length);
  Answer copy_range(const OpenedFile& from, std::uint64_t from_offset, const OpenedFile& to,
                    std::uint64_t to_offset, std::uint64_t length);
  Answer release(const OpenedFile& file);  ///< `file` must not be of files(): a copy

  Answer open_directory(std::uint64_t node);
  Answer list(const OpenedFile& directory, std::uint64_t offset, std::uint32_t size);
  Answer list_plus(const OpenedFile& directory, std::uint64_t offset, std::uint32_t size);
  Answer sync_directory(const OpenedFile& directory);
  Answer release_directory(const OpenedFile& directory);

  Answer set_xattr(std::uint64_t node, std::string_view name, std::string_view value,
                   std::uint32_t flags = 0);
  Answer get_xattr(std::uint64_t node, std::string_view name, std::uint32_t room);
  Answer list_xattrs(std::uint64_t node, std::uint32_t room);
  Answer remove_xattr(std::uint64_t node, std::string_view name);

  void forget(std::uint64_t node, std::uint64_t lookups);
  void forget_many(const std::vector<std::uint64_t>& nodes);  ///< all lookups of each
  void release_everything();

  [[nodiscard]] const std::map<std::uint64_t, KnownNode>& known() const { return known_; }
  [[nodiscard]] const std::vector<OpenedFile>& files() const { return files_; }
  [[nodiscard]] const std::vector<OpenedFile>& directories() const { return directories_; }
  [[nodiscard]] FakeKernel& kernel() { return kernel_; }

 private:
  [[nodiscard]] Answer call(std::uint32_t opcode, std::uint64_t node, const Body& body = {});
  [[nodiscard]] Answer entry(Answer answer);
  [[nodiscard]] Answer created(Answer answer, std::uint32_t flags);
  void count(const fuse_entry_out& entry);
  void count_listed(const Answer& answer);

  FakeKernel& kernel_;
  Identity caller_;
  std::map<std::uint64_t, KnownNode> known_;
  std::vector<OpenedFile> files_, directories_;
};

}  // namespace mirrorfs::testing
