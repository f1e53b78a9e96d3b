#include "workload.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

namespace mirrorfs::test {
namespace {

constexpr unsigned kFilesInDirectory = 40;
constexpr unsigned kNames = 12;

/// What a writer meets when another one was quicker, or chose the same name.
bool is_lost_race(int code) {
  switch (code) {
    case ENOENT:
    case EEXIST:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EINVAL:  // a directory into itself
    case EPERM:   // link of a directory
    case ELOOP:
    case ESTALE:
    case EBUSY:
    case ENODATA:             // no such attribute
    case ESPIPE:              // a FIFO where a file was expected
    case ENODEV:              // fallocate or mmap of a FIFO
    case EOPNOTSUPP:          // O_TMPFILE or fallocate here
    case ENXIO: return true;  // open of a FIFO without a reader
    default: return false;
  }
}

}  // namespace

void make_many_files(const Path& root, unsigned files) {
  const std::string bytes = pattern(40'000, 9);
  for (unsigned number = 0; number < files; ++number) {
    const unsigned directory = number / kFilesInDirectory;
    const Path place = root / ("group" + std::to_string(directory % 10)) /
                       ("set" + std::to_string(directory / 10));
    if (number % kFilesInDirectory == 0) std::filesystem::create_directories(place);
    const Path path = place / ("file" + std::to_string(number));
    if (number % 20 == 19) {
      make_link(place / ("file" + std::to_string(number - 1)), path);
    } else if (number % 20 == 7) {
      make_symlink("file" + std::to_string(number - 1), path);
    } else {
      write_file(path,
                 std::string_view(bytes).substr(0, number % 100 == 0 ? 40'000 : number % 700));
    }
  }
}

Path RandomWriter::some_directory() {
  Path path = root_;
  for (unsigned depth = below(4); depth > 0; --depth) {
    path /= "directory" + std::to_string(below(3));
  }
  return path;
}

std::string RandomWriter::some_name() { return "name" + std::to_string(below(kNames)); }

Path RandomWriter::some_path() { return some_directory() / some_name(); }

void RandomWriter::step() {
  try {
    attempt(below(32));
  } catch (const std::system_error& problem) {
    if (!is_lost_race(problem.code().value())) throw;
  }
}

void RandomWriter::attempt(unsigned choice) {
  if (choice < 9) return attempt_in_namespace(choice);
  if (choice < 24) return attempt_on_file(choice);
  attempt_rarer(choice);
}

void RandomWriter::attempt_in_namespace(unsigned choice) {
  switch (choice) {
    case 0:
    case 1: return std::filesystem::create_directories(some_directory()), void();
    case 2: return unlink_file(some_path());
    case 3: return rename_to(some_path(), some_path());
    case 4: return rename_to(some_directory(), some_directory());
    case 5: return make_link(some_path(), some_path());
    case 6: return make_symlink(some_name(), some_path());
    case 7: return rename_to(some_path(), some_path(), RENAME_EXCHANGE);
    default: return remove_directory(some_directory());
  }
}

void RandomWriter::attempt_on_file(unsigned choice) {
  const Path path = some_path();
  switch (choice) {
    case 9:
    case 10:
    case 11: return write_file(path, pattern(below(20'000), below(1000)));
    case 12:
    case 13: return append_to(path, pattern(below(3'000), below(1000)));
    case 14:
    case 15: return write_at(path, below(30'000), pattern(below(5'000), below(1000)));
    case 16: return truncate_file(path, below(20'000));
    case 17: return change_mode(path, 0600 | below(0100));
    case 18: return set_times(path, {1, 1}, {below(2'000'000'000), below(1'000'000'000)});
    case 19: return change_owner(path, below(3), below(3));
    case 20: return set_xattr(path, "user.some", pattern(below(100), below(100)));
    case 21: return remove_xattr(path, "user.some");
    case 22: return sync_file(path);
    default: return write_in_pieces(path);
  }
}

void RandomWriter::attempt_rarer(unsigned choice) {
  const Path path = some_path();
  switch (choice) {
    case 24: return write_through_mapping(path);
    case 25: return allocate(path, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    case 26: return allocate(path, below(2) == 0 ? 0 : FALLOC_FL_KEEP_SIZE);
    case 27: return make_unnamed_and_link(path);
    case 28: return make_node(path, S_IFIFO | 0600);
    case 29: return replace_safely(path);
    case 30: return change_mode(some_directory(), 0700 | below(0100));
    default: return write_after_unlink(path);
  }
}

/// Small writes through one descriptor, some of them synchronous.
void RandomWriter::write_in_pieces(const Path& path) {
  const int sync = below(4) == 0 ? O_DSYNC : 0;
  UniqueFd fd = open_file(path, O_RDWR | O_CREAT | sync | (below(2) == 0 ? O_APPEND : 0));
  for (unsigned piece = below(10); piece > 0; --piece) {
    write_all(fd.get(), pattern(below(300), below(1000)), path);
  }
  close_file(std::move(fd), path);
}

void RandomWriter::write_through_mapping(const Path& path) {
  UniqueFd fd = open_file(path, O_RDWR);
  constexpr std::size_t kLength = 16'384;
  if (::fallocate(fd.get(), 0, 0, kLength) != 0) throw_errno("fallocate", path);
  void* memory = ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) throw_errno("mmap", path);
  // Others may make the file shorter at any moment: process_vm_writev(2) fails where a store would
  // raise SIGBUS.
  std::string bytes = pattern(below(5000), below(1000));
  iovec from = {bytes.data(), bytes.size()};
  iovec to = {static_cast<char*>(memory) + below(10'000), bytes.size()};
  (void)::process_vm_writev(::getpid(), &from, 1, &to, 1, 0);
  ::munmap(memory, kLength);
  close_file(std::move(fd), path);
}

void RandomWriter::allocate(const Path& path, int mode) {
  UniqueFd fd = open_file(path, O_RDWR);
  const off_t offset = below(20'000);
  if (::fallocate(fd.get(), mode, offset, 1 + below(20'000)) != 0) throw_errno("fallocate", path);
  close_file(std::move(fd), path);
}

void RandomWriter::make_unnamed_and_link(const Path& path) {
  const UniqueFd fd = open_file(path.parent_path(), O_TMPFILE | O_RDWR);
  write_all(fd.get(), pattern(below(5000), below(1000)), path);
  const std::string name = "/proc/self/fd/" + std::to_string(fd.get());
  check(::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW), "linkat",
        path);
}

/// As editors and databases do.
void RandomWriter::replace_safely(const Path& path) {
  const Path fresh = path.string() + ".new" + std::to_string(::getpid());
  UniqueFd fd = open_file(fresh, O_WRONLY | O_CREAT | O_EXCL);
  write_all(fd.get(), pattern(below(9000), below(1000)), fresh);
  check(::fsync(fd.get()), "fsync", fresh);
  close_file(std::move(fd), fresh);
  try {
    rename_to(fresh, path);
  } catch (const std::system_error&) {
    unlink_file(fresh);
    throw;
  }
}

void RandomWriter::write_after_unlink(const Path& path) {
  UniqueFd fd = open_file(path, O_RDWR);
  unlink_file(path);
  write_all(fd.get(), pattern(below(3000), 1), path);
  if (below(2) == 0) write_file(path, "a new one in its place");
  write_all(fd.get(), "more", path);
  close_file(std::move(fd), path);
}

void write_for(RandomWriter& writer, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) writer.step();
}

}  // namespace mirrorfs::test
