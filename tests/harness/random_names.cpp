// What a random writer does to the namespace.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "workload.h"

namespace mirrorfs::test {

void RandomWriter::make_directories() {
  Path path = root_;
  for (const Path& part : some_directory().lexically_relative(root_)) {
    if (part == ".") continue;
    path /= part;
    // The mode is that of mkdir; create_directories(3) would do, but for names that race.
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) throw_errno("mkdir", path);
  }
}

void RandomWriter::remove_something() {
  if (below(3) == 0) return remove_directory(some_directory());
  unlink_file(some_path());
}

void RandomWriter::rename_something() { rename_to(some_path(), some_path()); }

void RandomWriter::rename_directory() { rename_to(some_directory(), some_directory()); }

void RandomWriter::exchange_something() {
  const Path from = below(3) == 0 ? some_directory() : some_path();
  rename_to(from, below(3) == 0 ? some_directory() : some_path(), RENAME_EXCHANGE);
}

void RandomWriter::rename_to_free_name() { rename_to(some_path(), some_path(), RENAME_NOREPLACE); }

void RandomWriter::link_something() { make_link(some_path(), some_path()); }

void RandomWriter::make_some_symlink() { make_symlink(some_name(), some_path()); }

/// Devices that do not exist: no driver has them.
void RandomWriter::make_special_node() {
  constexpr std::array<mode_t, 4> kTypes = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
  const mode_t type = kTypes.at(below(kTypes.size()));
  const bool device = type == S_IFCHR || type == S_IFBLK;
  make_node(some_path(), type | 0600 | below(0100), device ? makedev(240, below(100)) : 0);
}

void RandomWriter::remove_whole_directory() {
  const Path path = some_directory() / ("directory" + std::to_string(below(3)));
  std::error_code ignored;  // others may put something into it meanwhile
  std::filesystem::remove_all(path, ignored);
}

void RandomWriter::make_unnamed_and_link() {
  const Path path = some_path();
  const UniqueFd fd = open_file(path.parent_path(), O_TMPFILE | O_RDWR);
  write_all(fd.get(), some_bytes(5000), path);
  const std::string name = "/proc/self/fd/" + std::to_string(fd.get());
  check(::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW), "linkat",
        path);
  write_all(fd.get(), some_bytes(500), path);
}

/// As editors and databases do.
void RandomWriter::replace_safely() {
  const Path path = some_path();
  const Path fresh = path.string() + ".new" + std::to_string(::getpid());
  UniqueFd fd = open_file(fresh, O_WRONLY | O_CREAT | O_EXCL);
  write_all(fd.get(), some_bytes(9000), fresh);
  check(::fsync(fd.get()), "fsync", fresh);
  close_file(std::move(fd), fresh);
  try {
    rename_to(fresh, path);
  } catch (const std::system_error&) {
    unlink_file(fresh);
    throw;
  }
}

}  // namespace mirrorfs::test
