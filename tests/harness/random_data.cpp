// What a random writer does to the content of files. Opens never wait: a FIFO may stand there.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "workload.h"

namespace mirrorfs::test {

void RandomWriter::write_whole() {
  const Path path = some_path();
  UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  write_all(fd.get(), some_bytes(20'000), path);
  close_file(std::move(fd), path);
}

void RandomWriter::append() {
  const Path path = some_path();
  UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
  write_all(fd.get(), some_bytes(3'000), path);
  close_file(std::move(fd), path);
}

/// Now and then far past the end, so that a hole comes to be.
void RandomWriter::write_somewhere() {
  const Path path = some_path();
  const UniqueFd fd = open_file(path, O_WRONLY);
  const off_t offset = below(10) == 0 ? below(1'000'000) : below(30'000);
  const std::string bytes = some_bytes(5'000);
  check(::pwrite(fd.get(), bytes.data(), bytes.size(), offset), "pwrite", path);
}

void RandomWriter::truncate() { truncate_file(some_path(), below(20'000)); }

/// Small writes through one descriptor, some of them synchronous.
void RandomWriter::write_in_pieces() {
  const Path path = some_path();
  const int sync = below(4) == 0 ? O_DSYNC : 0;
  const int append = below(2) == 0 ? O_APPEND : 0;
  UniqueFd fd = open_file(path, O_RDWR | O_CREAT | sync | append);
  for (unsigned piece = below(10); piece > 0; --piece) {
    write_all(fd.get(), some_bytes(300), path);
  }
  close_file(std::move(fd), path);
}

/// O_DIRECT wants memory, offset and length in whole blocks.
void RandomWriter::write_around_page_cache() {
  constexpr std::size_t kBlock = 4096;
  const Path path = some_path();
  UniqueFd fd = open_file(path, O_RDWR | O_DIRECT);
  const std::unique_ptr<void, void (*)(void*)> block(std::aligned_alloc(kBlock, 2 * kBlock),
                                                     std::free);
  const std::string bytes = pattern(2 * kBlock, below(1000));
  std::memcpy(block.get(), bytes.data(), bytes.size());
  const std::size_t size = kBlock * (1 + below(2));
  check(::pwrite(fd.get(), block.get(), size, static_cast<off_t>(kBlock) * below(8)), "pwrite",
        path);
  close_file(std::move(fd), path);
}

void RandomWriter::write_through_mapping() {
  const Path path = some_path();
  UniqueFd fd = open_file(path, O_RDWR);
  constexpr std::size_t kLength = 16'384;
  if (::fallocate(fd.get(), 0, 0, kLength) != 0) throw_errno("fallocate", path);
  void* memory = ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) throw_errno("mmap", path);
  if (below(2) == 0) close_file(std::move(fd), path);  // the mapping outlives the descriptor
  // Others may make the file shorter at any moment: process_vm_writev(2) fails where a store would
  // raise SIGBUS.
  std::string bytes = some_bytes(5000);
  const iovec from = {bytes.data(), bytes.size()};
  const iovec to = {static_cast<char*>(memory) + below(10'000), bytes.size()};
  (void)::process_vm_writev(::getpid(), &from, 1, &to, 1, 0);
  if (below(3) == 0) (void)::msync(memory, kLength, MS_SYNC);
  ::munmap(memory, kLength);
}

void RandomWriter::allocate() {
  constexpr std::array kModes = {0,
                                 FALLOC_FL_KEEP_SIZE,
                                 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 FALLOC_FL_ZERO_RANGE,
                                 FALLOC_FL_COLLAPSE_RANGE,
                                 FALLOC_FL_INSERT_RANGE};
  const Path path = some_path();
  const int mode = kModes.at(below(kModes.size()));
  const bool whole_blocks = mode == FALLOC_FL_COLLAPSE_RANGE || mode == FALLOC_FL_INSERT_RANGE;
  const off_t offset = whole_blocks ? 4096L * below(4) : below(20'000);
  const off_t length = whole_blocks ? 4096L * (1 + below(3)) : 1 + below(20'000);
  UniqueFd fd = open_file(path, O_RDWR);
  if (::fallocate(fd.get(), mode, offset, length) != 0) throw_errno("fallocate", path);
  close_file(std::move(fd), path);
}

void RandomWriter::copy_range() {
  const Path from = some_path(), to = some_path();
  const UniqueFd in = open_file(from, O_RDONLY);
  UniqueFd out = open_file(to, O_WRONLY);
  off_t from_offset = below(5'000), to_offset = below(20'000);
  check(::copy_file_range(in.get(), &from_offset, out.get(), &to_offset, below(10'000), 0),
        "copy_file_range", to);
  close_file(std::move(out), to);
}

void RandomWriter::write_after_unlink() {
  const Path path = some_path();
  UniqueFd fd = open_file(path, O_RDWR);
  unlink_file(path);
  write_all(fd.get(), some_bytes(3000), path);
  if (below(2) == 0) write_file(path, "a new one in its place");
  write_all(fd.get(), "more", path);
  close_file(std::move(fd), path);
}

void RandomWriter::write_deep_below_renamed_directory() {
  const Path top = root_ / ("directory" + std::to_string(below(3)));
  const Path path = top / ("directory" + std::to_string(below(3))) / some_name();
  UniqueFd fd = open_file(path, O_RDWR | O_CREAT);
  write_all(fd.get(), some_bytes(2000), path);
  rename_to(top, root_ / ("directory" + std::to_string(below(3))), RENAME_EXCHANGE);
  write_all(fd.get(), some_bytes(2000), path);
  check(::fchmod(fd.get(), 0600 | below(0100)), "fchmod", path);
  close_file(std::move(fd), path);
}

/// Files and directories.
void RandomWriter::sync() {
  const Path path = below(3) == 0 ? some_directory() : some_path();
  const UniqueFd fd = open_file(path, O_RDONLY);
  check(below(2) == 0 ? ::fsync(fd.get()) : ::fdatasync(fd.get()), "fsync", path);
}

}  // namespace mirrorfs::test
