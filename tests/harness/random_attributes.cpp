// What a random writer does to attributes.
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "operation_table.h"
#include "workload.h"

namespace mirrorfs::test {

namespace {
constexpr const char* kXattrs[] = {"user.some", "user.other", "trusted.some", "security.some"};
}  // namespace

void RandomWriter::change_some_mode() {
  const mode_t set_id = below(5) == 0 ? below(8) << 9 : 0;
  change_mode(some_path(), set_id | 0600 | below(0100));
}

void RandomWriter::change_directory_mode() {
  const mode_t bits = below(5) == 0 ? below(8) << 9 : 0;
  change_mode(some_directory(), bits | 0700 | below(0100));
}

void RandomWriter::change_some_owner() {
  const Path path = below(3) == 0 ? some_directory() : some_path();
  change_owner(path, below(3), below(2) == 0 ? 1234 : below(3));
}

void RandomWriter::change_some_times() {
  const Path path = below(3) == 0 ? some_directory() : some_path();
  set_times(path, {1, 1}, {below(2'000'000'000), below(1'000'000'000)});
}

void RandomWriter::set_some_xattr() {
  const Path path = below(3) == 0 ? some_directory() : some_path();
  // All of them, and two ACLs, find room in the one block that ext4 has for them.
  set_xattr(path, kXattrs[below(std::size(kXattrs))], some_bytes(below(10) == 0 ? 800 : 100));
}

void RandomWriter::remove_some_xattr() {
  const Path path = below(3) == 0 ? some_directory() : some_path();
  remove_xattr(path, kXattrs[below(std::size(kXattrs))]);
}

void RandomWriter::set_some_acl() {
  const bool of_directory = below(2) == 0;
  const Path path = of_directory ? some_directory() : some_path();
  const char* const kind =
      of_directory && below(2) == 0 ? "system.posix_acl_default" : "system.posix_acl_access";
  if (below(4) == 0) return remove_xattr(path, kind);
  set_xattr(path, kind, some_acl(1000 + below(3), below(8)));
}

}  // namespace mirrorfs::test
