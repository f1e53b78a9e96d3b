// G2: every way to change what a file holds arrives at the replica.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "three_histories.h"

namespace mirrorfs::test {
namespace {

constexpr std::size_t kSize = 300'000;

void big_file(const Path& d) { write_file(d / "file", pattern(kSize, 1)); }
void no_file(const Path&) {}

void write_through_open_descriptor(const Path& path, int flags,
                                   const std::function<void(int fd)>& body) {
  UniqueFd fd = open_file(path, flags, 0644);
  body(fd.get());
  close_file(std::move(fd), path);
}

void write_here(int fd, off_t offset, std::string_view bytes) {
  const auto written = check(::pwrite(fd, bytes.data(), bytes.size(), offset), "pwrite", {});
  if (static_cast<std::size_t>(written) != bytes.size()) throw std::runtime_error("short pwrite");
}

/// fallocate(2); a filesystem that cannot do this leaves the file as it was.
void allocate(const Path& path, int mode, off_t offset, off_t length) {
  write_through_open_descriptor(path, O_RDWR, [&](int fd) {
    if (::fallocate(fd, mode, offset, length) != 0 && errno != EOPNOTSUPP) {
      throw_errno("fallocate", path);
    }
  });
}

void map_and_write(const Path& d) {
  write_through_open_descriptor(d / "file", O_RDWR, [&](int fd) {
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) throw_errno("mmap", d / "file");
    std::memset(static_cast<char*>(memory) + 10'000, 'm', 50'000);
    ::munmap(memory, kSize);
  });
}

void map_and_write_after_close(const Path& d) {
  UniqueFd fd = open_file(d / "file", O_RDWR);
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) throw_errno("mmap", d / "file");
  close_file(std::move(fd), d / "file");
  std::memset(static_cast<char*>(memory) + 100'000, 'M', 8'000);
  check(::msync(memory, kSize, MS_SYNC), "msync", d / "file");
  ::munmap(memory, kSize);
}

/// Nobody has the kernel write it back but `wait`.
class Mapping {
 public:
  explicit Mapping(const Path& file) {
    UniqueFd fd = open_file(file, O_RDWR);
    memory_ = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (memory_ == MAP_FAILED) throw_errno("mmap", file);
    close_file(std::move(fd), file);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, kSize); }
  void fill(char with) const { std::memset(memory_, with, kSize); }

 private:
  void* memory_ = nullptr;
};

void unnamed_then_linked(const Path& d) {
  UniqueFd fd = open_file(d, O_TMPFILE | O_RDWR, 0640);
  write_all(fd.get(), pattern(70'000, 6), d);
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  check(::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, (d / "named").c_str(), AT_SYMLINK_FOLLOW),
        "linkat", d / "named");
  write_here(fd.get(), 10, "after it got its name");
}

void copy_range_within(const Path& d) {
  write_through_open_descriptor(d / "file", O_RDWR, [&](int fd) {
    off_t from = 1000, to = 200'000;
    check(::copy_file_range(fd, &from, fd, &to, 50'000, 0), "copy_file_range", d / "file");
  });
}

void copy_by_sendfile(const Path& d) {
  const UniqueFd in = open_file(d / "file", O_RDONLY);
  write_through_open_descriptor(d / "copy", O_WRONLY | O_CREAT, [&](int fd) {
    check(::sendfile(fd, in.get(), nullptr, kSize), "sendfile", d / "copy");
  });
}

void write_by_vectors(const Path& d) {
  std::array<std::string, 3> parts = {"one", pattern(9'000, 7), "three"};
  std::array<iovec, 3> vectors{};
  for (std::size_t i = 0; i < 3; ++i) vectors.at(i) = {parts.at(i).data(), parts.at(i).size()};
  write_through_open_descriptor(d / "file", O_WRONLY, [&](int fd) {
    check(::pwritev(fd, vectors.data(), 3, 12'345), "pwritev", d / "file");
  });
}

void write_around_page_cache(const Path& d) {
  write_through_open_descriptor(d / "file", O_RDWR | O_DIRECT, [&](int fd) {
    alignas(4096) static std::array<char, 8192> block;
    block.fill('d');
    check(::pwrite(fd, block.data(), block.size(), 4096), "pwrite", d / "file");
  });
}

const std::vector<NamedScenario>& scenarios() {
  static const std::vector<NamedScenario> all = {
      {"Overwrite", big_file,
       [](const Path& d) { write_at(d / "file", 70'000, pattern(9'999, 2)); }},
      {"OverwriteAllOfIt", big_file,
       [](const Path& d) { write_at(d / "file", 0, pattern(kSize, 3)); }},
      {"OneByteAtTheEnd", big_file, [](const Path& d) { write_at(d / "file", kSize - 1, "!"); }},
      {"Append", big_file, [](const Path& d) { append_to(d / "file", pattern(123'456, 2)); }},
      {"AppendByManyWrites", big_file,
       [](const Path& d) {
         write_through_open_descriptor(d / "file", O_WRONLY | O_APPEND, [&](int fd) {
           for (unsigned i = 0; i < 200; ++i) write_all(fd, pattern(1 + i * 7, i), d / "file");
         });
       }},
      {"WriteFarBehindTheEnd", big_file,
       [](const Path& d) { write_at(d / "file", 5'000'000, "far out"); }},
      {"TruncateShorter", big_file, [](const Path& d) { truncate_file(d / "file", 12'345); }},
      {"TruncateToNothing", big_file, [](const Path& d) { truncate_file(d / "file", 0); }},
      {"TruncateLonger", big_file, [](const Path& d) { truncate_file(d / "file", 4'000'000); }},
      {"TruncateShorterThenLonger", big_file,
       [](const Path& d) {
         truncate_file(d / "file", 5'001);
         truncate_file(d / "file", kSize);
       }},
      {"TruncateWhileOpen", big_file,
       [](const Path& d) {
         write_through_open_descriptor(d / "file", O_RDWR, [](int fd) {
           write_here(fd, 0, "start");
           check(::ftruncate(fd, 100), "ftruncate", {});
           write_here(fd, 200, "end");
         });
       }},
      {"OpenWithTruncation", big_file, [](const Path& d) { write_file(d / "file", "new"); }},
      {"Allocate", big_file, [](const Path& d) { allocate(d / "file", 0, 0, 900'000); }},
      {"AllocateKeepingTheSize", big_file,
       [](const Path& d) { allocate(d / "file", FALLOC_FL_KEEP_SIZE, 0, 900'000); }},
      {"PunchAHole", big_file,
       [](const Path& d) {
         allocate(d / "file", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10'000, 150'000);
       }},
      {"ZeroARange", big_file,
       [](const Path& d) { allocate(d / "file", FALLOC_FL_ZERO_RANGE, 250'000, 100'000); }},
      {"CollapseARange", big_file,
       [](const Path& d) { allocate(d / "file", FALLOC_FL_COLLAPSE_RANGE, 4096, 40'960); }},
      {"InsertARange", big_file,
       [](const Path& d) { allocate(d / "file", FALLOC_FL_INSERT_RANGE, 8192, 12'288); }},
      {"SharedMapping", big_file, map_and_write},
      {"SharedMappingAfterClose", big_file, map_and_write_after_close},
      {"UnnamedFileThatGetsAName", no_file, unnamed_then_linked},
      {"UnnamedFileThatNeverGetsAName", no_file,
       [](const Path& d) {
         write_through_open_descriptor(d, O_TMPFILE | O_RDWR,
                                       [&](int fd) { write_all(fd, "gone", d); });
       }},
      {"CopyFileRange", big_file, copy_range_within},
      {"Sendfile", big_file, copy_by_sendfile},
      {"VectoredWrite", big_file, write_by_vectors},
      {"DirectWrite", big_file, write_around_page_cache},
      {"SynchronousWrite", big_file,
       [](const Path& d) {
         write_through_open_descriptor(d / "file", O_WRONLY | O_SYNC,
                                       [](int fd) { write_here(fd, 3, "synchronous"); });
       }},
      {"WriteThenSync", big_file,
       [](const Path& d) {
         write_at(d / "file", 99, "then fsync");
         sync_file(d / "file");
       }},
      {"WriteWhileItIsRenamed", big_file,
       [](const Path& d) {
         write_through_open_descriptor(d / "file", O_RDWR, [&](int fd) {
           write_here(fd, 1, "before");
           rename_to(d / "file", d / "renamed");
           write_here(fd, 100, "after");
         });
       }},
      {"WriteWhileItsDirectoryIsRenamed",
       [](const Path& d) {
         make_directory(d / "a");
         make_directory(d / "b");
         write_file(d / "a" / "file", pattern(20'000, 1));
       },
       [](const Path& d) {
         write_through_open_descriptor(d / "a" / "file", O_RDWR, [&](int fd) {
           rename_to(d / "a", d / "b" / "c");
           write_here(fd, 100, "after");
           write_file(d / "b" / "c" / "new", "new");
         });
       }},
      {"WriteAfterItsNameIsGone", big_file,
       [](const Path& d) {
         write_through_open_descriptor(d / "file", O_RDWR, [&](int fd) {
           unlink_file(d / "file");
           write_here(fd, 100, "nobody sees this");
           write_file(d / "file", "another one");
         });
       }},
      {"WriteThroughTheOtherNameOfALinkedFile",
       [](const Path& d) {
         big_file(d);
         make_link(d / "file", d / "second");
       },
       [](const Path& d) {
         write_at(d / "second", 5, "through the second name");
         unlink_file(d / "file");
         append_to(d / "second", "once more");
       }},
      {"WriteThroughACopiedDescriptor", big_file,
       [](const Path& d) {
         UniqueFd fd = open_file(d / "file", O_WRONLY);
         const UniqueFd copy(check(::dup(fd.get()), "dup", {}));
         close_file(std::move(fd), d / "file");
         write_here(copy.get(), 77, "after the first close");
       }},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(EveryChangeOfContent, ThreeHistories, on_two_filesystems(scenarios()),
                         name_of_scenario);

/// One copy_file_range(2) to the start of a file's fourth mebibyte, of what does not end with a
/// block; how far it came.
ssize_t copy_to_far_behind(const Path& path, std::size_t size) {
  write_file(path, pattern(2 << 20, 4));
  const UniqueFd fd = open_file(path, O_RDWR);
  off_t from = 0, to = 3 << 20;
  return check(::copy_file_range(fd.get(), &from, fd.get(), &to, size, 0), "copy_file_range", path);
}

/// XFS and btrfs share whole blocks and leave the rest to another call.
TEST(CopyFileRange, G4_GoesAsFarAsOnTheSource) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  for (const Filesystem kind : {Filesystem::kXfs, Filesystem::kBtrfs, Filesystem::kExt4}) {
    SCOPED_TRACE(to_string(kind));
    MirrorMount mirror({.source = kind, .replica = kind});
    mirror.start();
    const Path bare = mirror.source().parent_path() / "bare";
    for (const std::size_t size : {6459UL, (1UL << 20) + 6459UL}) {
      EXPECT_EQ(copy_to_far_behind(mirror.mount("file"), size), copy_to_far_behind(bare, size));
      EXPECT_EQ(stat_of(mirror.mount("file")).st_size, stat_of(bare).st_size);
    }
    EXPECT_TRUE(mirror.identical());
    mirror.stop();
  }
}

/// Not written back by msync, munmap or close, and not old enough to be written back by itself.
TEST(MappedPages, G2_AreOnTheReplicaAfterAWait) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror;
  write_file(mirror.source("file"), std::string(kSize, '.'));
  mirror.start();
  const Mapping mapping(mirror.mount("file"));
  for (char with = 'a'; with <= 'j'; ++with) {
    mapping.fill(with);
    mirror.wait();
    EXPECT_EQ(read_file(mirror.source("file")), std::string(kSize, with));
    EXPECT_EQ(read_file(mirror.replica("file")), std::string(kSize, with));
  }
}

}  // namespace
}  // namespace mirrorfs::test
