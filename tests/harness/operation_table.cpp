#include "operation_table.h"

#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>

namespace mirrorfs::test {
namespace {

constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr const char* kDefaultAcl = "system.posix_acl_default";

Path beside(const Path& object, const char* name) { return object.parent_path() / name; }

void set_both_times(const Path& object, const timespec& accessed, const timespec& modified) {
  set_times(object, accessed, modified);
}

/// Opens for writing whatever it is; a FIFO without a reader says ENXIO instead of waiting.
UniqueFd open_to_write(const Path& object, int flags = 0) {
  return open_file(object, O_WRONLY | flags);
}

void allocate(const Path& object, int mode, off_t offset, off_t length) {
  const UniqueFd fd = open_to_write(object);
  check(::fallocate(fd.get(), mode, offset, length), "fallocate", object);
}

void write_mapped(int fd, const Path& object, std::size_t offset, std::string_view bytes) {
  struct stat status{};
  check(::fstat(fd, &status), "fstat", object);
  const std::size_t length = offset + bytes.size();
  if (static_cast<std::size_t>(status.st_size) < length) {
    check(::ftruncate(fd, static_cast<off_t>(length)), "ftruncate", object);
  }
  void* const memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw_errno("mmap", object);
  std::memcpy(static_cast<char*>(memory) + offset, bytes.data(), bytes.size());
  ::msync(memory, length, MS_SYNC);
  ::munmap(memory, length);
}

/// O_DIRECT wants memory, offset and length in whole blocks.
void write_direct(const Path& object) {
  const UniqueFd fd = open_to_write(object, O_DIRECT);
  constexpr std::size_t kBlock = 4096;
  const std::unique_ptr<void, void (*)(void*)> block(std::aligned_alloc(kBlock, kBlock), std::free);
  std::memset(block.get(), 'd', kBlock);
  check(::pwrite(fd.get(), block.get(), kBlock, kBlock), "pwrite", object);
}

void copy_between(const Path& from, const Path& to) {
  const UniqueFd in = open_file(from, O_RDONLY);
  const UniqueFd out = open_to_write(to);
  off_t from_offset = 1, to_offset = 100;
  check(::copy_file_range(in.get(), &from_offset, out.get(), &to_offset, 50, 0), "copy_file_range",
        to);
}

void link_unnamed(const Path& folder, const char* name) {
  const UniqueFd fd = open_file(folder, O_TMPFILE | O_RDWR);
  write_all(fd.get(), "unnamed", folder);
  const std::string itself = "/proc/self/fd/" + std::to_string(fd.get());
  check(::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, (folder / name).c_str(), AT_SYMLINK_FOLLOW),
        "linkat", folder);
}

std::vector<PathOperation> attribute_operations() {
  return {
      {"chmod", [](const Path& o) { change_mode(o, 0705); }},
      {"chmod to set-id bits", [](const Path& o) { change_mode(o, 07751); }},
      {"chown", [](const Path& o) { change_owner(o, 1234, 4321); }},
      {"chown of the owner alone", [](const Path& o) { change_owner(o, 77, gid_t(-1)); }},
      {"chown of the group alone", [](const Path& o) { change_owner(o, uid_t(-1), 88); }},
      {"chown to the same", [](const Path& o) { change_owner(o, uid_t(-1), gid_t(-1)); }},
      {"utimensat", [](const Path& o) { set_both_times(o, {1, 2}, {1'111'111'111, 987'654'321}); }},
      {"utimensat to before 1970", [](const Path& o) { set_both_times(o, {-5, 0}, {-99'999, 7}); }},
      {"utimensat to now",
       [](const Path& o) { set_both_times(o, {0, UTIME_NOW}, {0, UTIME_NOW}); }},
      {"utimensat of the access time",
       [](const Path& o) { set_both_times(o, {5, 5}, {0, UTIME_OMIT}); }},
      {"setxattr user", [](const Path& o) { set_xattr(o, "user.colour", "blue"); }},
      {"setxattr user, empty", [](const Path& o) { set_xattr(o, "user.nothing", ""); }},
      {"setxattr trusted", [](const Path& o) { set_xattr(o, "trusted.colour", "red"); }},
      {"setxattr security", [](const Path& o) { set_xattr(o, "security.colour", "grey"); }},
      {"removexattr",
       [](const Path& o) {
         set_xattr(o, "trusted.a", "1");
         set_xattr(o, "trusted.b", "2");
         remove_xattr(o, "trusted.a");
       }},
      {"removexattr of none", [](const Path& o) { remove_xattr(o, "trusted.never"); }},
      {"set an access ACL", [](const Path& o) { set_xattr(o, kAccessAcl, some_acl(1234, 6)); }},
      {"set a default ACL", [](const Path& o) { set_xattr(o, kDefaultAcl, some_acl(1234, 7)); }},
      {"remove the access ACL",
       [](const Path& o) {
         set_xattr(o, kAccessAcl, some_acl(1234, 6));
         remove_xattr(o, kAccessAcl);
       }},
  };
}

std::vector<PathOperation> data_operations() {
  return {
      {"open with O_TRUNC", [](const Path& o) { open_to_write(o, O_TRUNC); }},
      {"open with O_CREAT", [](const Path& o) { open_to_write(o, O_CREAT); }},
      {"open with O_CREAT and O_EXCL", [](const Path& o) { open_to_write(o, O_CREAT | O_EXCL); }},
      {"open with O_NOFOLLOW", [](const Path& o) { open_to_write(o, O_NOFOLLOW); }},
      {"open with O_DIRECTORY", [](const Path& o) { (void)open_file(o, O_DIRECTORY); }},
      {"write at the start", [](const Path& o) { write_all(open_to_write(o).get(), "a few", o); }},
      {"write at the end",
       [](const Path& o) { write_all(open_to_write(o, O_APPEND).get(), "the end", o); }},
      {"write far past the end",
       [](const Path& o) {
         const UniqueFd fd = open_to_write(o);
         check(::pwrite(fd.get(), "far", 3, 10'000'000), "pwrite", o);
       }},
      {"pwritev2 with RWF_APPEND",
       [](const Path& o) {
         const UniqueFd fd = open_to_write(o);
         const iovec piece{.iov_base = const_cast<char*>("piece"), .iov_len = 5};
         check(::pwritev2(fd.get(), &piece, 1, 0, RWF_APPEND), "pwritev2", o);
       }},
      {"write with O_DSYNC",
       [](const Path& o) { write_all(open_to_write(o, O_DSYNC).get(), "synchronous", o); }},
      {"write with O_DIRECT", write_direct},
      {"write through a mapping",
       [](const Path& o) {
         const UniqueFd fd = open_file(o, O_RDWR);
         write_mapped(fd.get(), o, 500, "mapped");
       }},
      {"truncate shorter", [](const Path& o) { truncate_file(o, 3); }},
      {"truncate longer", [](const Path& o) { truncate_file(o, 5'000'000); }},
      {"fallocate", [](const Path& o) { allocate(o, 0, 1000, 9000); }},
      {"fallocate, keeping the size",
       [](const Path& o) { allocate(o, FALLOC_FL_KEEP_SIZE, 0, 40'000); }},
      {"fallocate, punching a hole",
       [](const Path& o) { allocate(o, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 9000); }},
      {"fallocate, zeroing", [](const Path& o) { allocate(o, FALLOC_FL_ZERO_RANGE, 2, 9000); }},
      {"copy_file_range from it", [](const Path& o) { copy_between(o, beside(o, "sibling")); }},
      {"copy_file_range to it", [](const Path& o) { copy_between(beside(o, "sibling"), o); }},
      {"fsync", [](const Path& o) { check(::fsync(open_file(o, O_RDONLY).get()), "fsync", o); }},
  };
}

std::vector<PathOperation> operations_on_entries_below() {
  return {
      {"create below it", [](const Path& o) { write_file(o / "new", "content"); }},
      {"mkdir below it", [](const Path& o) { make_directory(o / "new"); }},
      {"mknod of a FIFO below it", [](const Path& o) { make_node(o / "new", S_IFIFO | 0600); }},
      {"mknod of a device below it",
       [](const Path& o) { make_node(o / "new", S_IFBLK | 0600, makedev(7, 251)); }},
      {"symlink below it", [](const Path& o) { make_symlink("anywhere", o / "new"); }},
      {"link below it", [](const Path& o) { make_link(beside(o, "sibling"), o / "new"); }},
      {"rename to below it", [](const Path& o) { rename_to(beside(o, "sibling"), o / "new"); }},
      {"O_TMPFILE and linkat below it", [](const Path& o) { link_unnamed(o, "new"); }},
  };
}

std::vector<PathOperation> operations_on_its_name() {
  return {
      {"unlink", [](const Path& o) { unlink_file(o); }},
      {"rmdir", [](const Path& o) { remove_directory(o); }},
      {"mkdir over it", [](const Path& o) { make_directory(o); }},
      {"mknod over it", [](const Path& o) { make_node(o, S_IFREG | 0600); }},
      {"symlink over it", [](const Path& o) { make_symlink("anywhere", o); }},
      {"link to it", [](const Path& o) { make_link(o, beside(o, "linked")); }},
      {"link to it elsewhere", [](const Path& o) { make_link(o, beside(o, "room") / "linked"); }},
      {"link over it", [](const Path& o) { make_link(beside(o, "sibling"), o); }},
      {"link, then unlink the first name",
       [](const Path& o) {
         make_link(o, beside(o, "room") / "linked");
         unlink_file(o);
       }},
      {"rename", [](const Path& o) { rename_to(o, beside(o, "renamed")); }},
      {"rename elsewhere", [](const Path& o) { rename_to(o, beside(o, "room") / "moved"); }},
      {"rename to itself", [](const Path& o) { rename_to(o, o); }},
      {"rename to below itself", [](const Path& o) { rename_to(o, o / "within"); }},
      {"rename over its own link",
       [](const Path& o) {
         make_link(o, beside(o, "linked"));
         rename_to(o, beside(o, "linked"));
       }},
      {"rename over a file", [](const Path& o) { rename_to(o, beside(o, "sibling")); }},
      {"rename over a symlink", [](const Path& o) { rename_to(o, beside(o, "pointer")); }},
      {"rename over an empty directory", [](const Path& o) { rename_to(o, beside(o, "room")); }},
      {"rename over a full directory", [](const Path& o) { rename_to(o, beside(o, "full")); }},
      {"rename a file over it", [](const Path& o) { rename_to(beside(o, "sibling"), o); }},
      {"rename a directory over it", [](const Path& o) { rename_to(beside(o, "full"), o); }},
      {"rename NOREPLACE",
       [](const Path& o) { rename_to(o, beside(o, "renamed"), RENAME_NOREPLACE); }},
      {"rename NOREPLACE over a file",
       [](const Path& o) { rename_to(o, beside(o, "sibling"), RENAME_NOREPLACE); }},
      {"exchange with a file",
       [](const Path& o) { rename_to(o, beside(o, "sibling"), RENAME_EXCHANGE); }},
      {"exchange with a directory",
       [](const Path& o) { rename_to(o, beside(o, "full"), RENAME_EXCHANGE); }},
      {"exchange with a symlink",
       [](const Path& o) { rename_to(o, beside(o, "pointer"), RENAME_EXCHANGE); }},
      {"exchange with nothing",
       [](const Path& o) { rename_to(o, beside(o, "nothing"), RENAME_EXCHANGE); }},
      {"remove it whole and put a directory in its place",
       [](const Path& o) {
         std::filesystem::remove_all(o);
         make_directory(o, 0711);
       }},
      {"remove it whole and put a file in its place",
       [](const Path& o) {
         std::filesystem::remove_all(o);
         write_file(o, "in its place");
       }},
  };
}

void rewrite_through_proc(int fd, const Path& folder) {
  const UniqueFd again = open_file("/proc/self/fd/" + std::to_string(fd), O_WRONLY | O_TRUNC);
  write_all(again.get(), "opened again", folder);
}

void give_a_name(int fd, const Path& folder) {
  const std::string itself = "/proc/self/fd/" + std::to_string(fd);
  check(::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, (folder / "given").c_str(), AT_SYMLINK_FOLLOW),
        "linkat", folder);
}

void copy_within(int fd, const Path& folder) {
  off_t from = 0, to = 20'000;
  check(::copy_file_range(fd, &from, fd, &to, 3000, 0), "copy_file_range", folder);
}

}  // namespace

std::string some_acl(unsigned user, unsigned permissions) {
  const posix_acl_xattr_header header{.a_version = POSIX_ACL_XATTR_VERSION};
  const auto undefined = static_cast<unsigned>(ACL_UNDEFINED_ID);
  const auto perm = static_cast<unsigned short>(permissions);
  const std::array<posix_acl_xattr_entry, 5> entries = {{{ACL_USER_OBJ, 7, undefined},
                                                         {ACL_USER, perm, user},
                                                         {ACL_GROUP_OBJ, 4, undefined},
                                                         {ACL_MASK, 7, undefined},
                                                         {ACL_OTHER, 1, undefined}}};
  std::string value(sizeof header + sizeof entries, '\0');
  std::memcpy(value.data(), &header, sizeof header);
  std::memcpy(value.data() + sizeof header, entries.data(), sizeof entries);
  return value;
}

void make_company(const Path& folder) {
  write_file(folder / "sibling", pattern(3000, 8));
  make_directory(folder / "room");
  make_directory(folder / "full");
  write_file(folder / "full" / "inside", "inside");
  make_symlink("sibling", folder / "pointer");
}

const std::vector<PathOperation>& path_operations() {
  static const std::vector<PathOperation> all = [] {
    std::vector<PathOperation> operations = attribute_operations();
    for (auto more : {data_operations(), operations_on_entries_below(), operations_on_its_name()}) {
      operations.insert(operations.end(), more.begin(), more.end());
    }
    return operations;
  }();
  return all;
}

const std::vector<DescriptorOperation>& descriptor_operations() {
  static const std::vector<DescriptorOperation> all = {
      {"write", [](int fd, const Path& p) { write_all(fd, "through the descriptor", p); }},
      {"pwrite past the end",
       [](int fd, const Path& p) { check(::pwrite(fd, "far", 3, 2'000'000), "pwrite", p); }},
      {"write through a mapping",
       [](int fd, const Path& p) { write_mapped(fd, p, 9000, "mapped"); }},
      {"ftruncate", [](int fd, const Path& p) { check(::ftruncate(fd, 7), "ftruncate", p); }},
      {"ftruncate longer",
       [](int fd, const Path& p) { check(::ftruncate(fd, 90'000), "ftruncate", p); }},
      {"fallocate",
       [](int fd, const Path& p) { check(::fallocate(fd, 0, 100, 90'000), "fallocate", p); }},
      {"punch a hole",
       [](int fd, const Path& p) {
         check(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 5000), "fallocate",
               p);
       }},
      {"copy_file_range", copy_within},
      {"fsync", [](int fd, const Path& p) { check(::fsync(fd), "fsync", p); }},
      {"fdatasync", [](int fd, const Path& p) { check(::fdatasync(fd), "fdatasync", p); }},
      {"fchmod", [](int fd, const Path& p) { check(::fchmod(fd, 04711), "fchmod", p); }},
      {"fchown", [](int fd, const Path& p) { check(::fchown(fd, 12, 34), "fchown", p); }},
      {"futimens",
       [](int fd, const Path& p) {
         const timespec times[2] = {{1, 1}, {1'222'333'444, 555}};
         check(::futimens(fd, times), "futimens", p);
       }},
      {"fsetxattr",
       [](int fd, const Path& p) {
         check(::fsetxattr(fd, "user.some", "value", 5, 0), "fsetxattr", p);
       }},
      {"fremovexattr",
       [](int fd, const Path& p) {
         check(::fsetxattr(fd, "user.some", "value", 5, 0), "fsetxattr", p);
         check(::fremovexattr(fd, "user.some"), "fremovexattr", p);
       }},
      {"set an access ACL",
       [](int fd, const Path& p) {
         const std::string acl = some_acl(55, 5);
         check(::fsetxattr(fd, kAccessAcl, acl.data(), acl.size(), 0), "fsetxattr", p);
       }},
      {"open again by its descriptor", rewrite_through_proc},
      {"linkat of the descriptor", give_a_name},
  };
  return all;
}

}  // namespace mirrorfs::test
