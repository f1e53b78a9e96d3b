// Data written through the mount: the source holds it and the engine gets exactly the ranges.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

using Data = Mounted;

/// What a file holds after these operations.
std::string replay(std::vector<Operation> operations) {
  std::string content;
  for (const Operation& operation : operations) {
    if (const auto* const write = std::get_if<Write>(&operation)) {
      const std::string bytes = text(write->data);
      if (content.size() < write->offset + bytes.size()) {
        content.resize(write->offset + bytes.size());
      }
      content.replace(write->offset, bytes.size(), bytes);
    } else if (const auto* const cut = std::get_if<Truncate>(&operation)) {
      content.resize(cut->after.size);
    }
  }
  return content;
}

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761U) >> 13);
  return bytes;
}

TEST_F(Data, WriteIsRecordedWithRangePlaceAndMetadata) {
  make_file("file");
  const UniqueFd fd = open("file", O_WRONLY);
  (void)take();
  ASSERT_EQ(::pwrite(fd.get(), "hello", 5, 1000), 5);
  const auto write = take_one<Write>();
  EXPECT_EQ(write.object, id("file"));
  EXPECT_EQ(write.where, at_root("file"));
  EXPECT_EQ(write.offset, 1000U);
  EXPECT_EQ(text(write.data), "hello");
  EXPECT_EQ(write.after.size, 1005U);
  EXPECT_TRUE(same_time(write.after.mtime, look("file").mtime));
}

TEST_F(Data, LargeWriteArrivesWholeInPieces) {
  const std::string content = pattern((3U << 20) + 12345);
  make_file("file", content);
  EXPECT_EQ(replay(take()), content);
  EXPECT_EQ(read_file(source("file")), content);
  EXPECT_EQ(read_file(mount("file")), content);
}

TEST_F(Data, DirectWritesOfAnyAlignmentOfMemoryArrive) {
  const std::string content = pattern(64 * 1024);
  const UniqueFd fd = open("file", O_WRONLY | O_CREAT | O_DIRECT);
  ASSERT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  EXPECT_EQ(replay(take()), content);
}

// What is open for writing anywhere cannot be executed (ETXTBSY, execve(2)).
TEST_F(Data, ProgramThatWasWrittenCanBeExecutedOnTheSource) {
  const std::string program = read_file("/bin/true");
  {
    const UniqueFd fd = open("true", O_WRONLY | O_CREAT, 0700);
    const auto size = static_cast<ssize_t>(program.size());
    ASSERT_EQ(::write(fd.get(), program.data(), program.size()), size);
    ASSERT_EQ(::fchmod(fd.get(), 0755), 0);
  }
  int status = -1;
  for (int attempt = 0; attempt < 500 && status != 0; ++attempt) {  // the release comes after close
    status = std::system(source("true").c_str());
    if (status != 0) ::usleep(10'000);
  }
  EXPECT_EQ(status, 0);
}

TEST_F(Data, AppendersDoNotOverwriteEachOther) {
  const UniqueFd one = open("log", O_WRONLY | O_CREAT | O_APPEND);
  const UniqueFd two = open("log", O_WRONLY | O_APPEND);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(::write(one.get(), "one.", 4), 4);
    ASSERT_EQ(::write(two.get(), "two.", 4), 4);
  }
  EXPECT_EQ(look("log").size, 160U);
  EXPECT_EQ(replay(take()), read_file(source("log")));
}

TEST_F(Data, OpeningWithTruncationIsRecorded) {
  make_file("file", "content");
  (void)take();
  (void)open("file", O_WRONLY | O_TRUNC);
  const auto cut = take_one<Truncate>();
  EXPECT_EQ(cut.where, at_root("file"));
  EXPECT_EQ(cut.after.size, 0U);
  EXPECT_EQ(look("file").size, 0U);
}

TEST_F(Data, TruncateByNameAndByDescriptor) {
  make_file("file", "content");
  (void)take();
  ASSERT_EQ(::truncate(mount("file").c_str(), 3), 0);
  EXPECT_EQ(take_only<Truncate>().at(0).after.size, 3U);
  const UniqueFd fd = open("file", O_WRONLY);
  ASSERT_EQ(::ftruncate(fd.get(), 5000), 0);
  EXPECT_EQ(take_only<Truncate>().at(0).after.size, 5000U);
  EXPECT_EQ(look("file").size, 5000U);
}

TEST_F(Data, SynchronousWriteIsFollowedByABarrierThatIsSettled) {
  const UniqueFd fd = open("file", O_WRONLY | O_CREAT | O_DSYNC);
  (void)take();
  const int before = replicator_.barriers_settled();
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  const auto operations = take();
  ASSERT_GE(operations.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Write>(operations[0]));
  EXPECT_TRUE(std::holds_alternative<Barrier>(operations[1]));
  EXPECT_GT(replicator_.barriers_settled(), before);
}

TEST_F(Data, SyncCallsAreBarriers) {
  const UniqueFd fd = open("file", O_WRONLY | O_CREAT);
  (void)take();
  ASSERT_EQ(::fsync(fd.get()), 0);
  (void)take_one<Barrier>();
  ASSERT_EQ(::fdatasync(fd.get()), 0);
  (void)take_one<Barrier>();
  const UniqueFd folder = open(".", O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::fsync(folder.get()), 0);
  (void)take_one<Barrier>();
  EXPECT_EQ(replicator_.barriers_settled(), 3);
  replicator_.fail_settling_with(EIO);
  EXPECT_EQ(error_of(::fsync(fd.get())), EIO);
}

TEST_F(Data, AllocationIsRecordedWithItsFlags) {
  const UniqueFd fd = open("file", O_RDWR | O_CREAT);
  (void)take();
  ASSERT_EQ(::fallocate(fd.get(), 0, 0, 1 << 20), 0);
  EXPECT_EQ(take_one<Allocate>().after.size, 1U << 20);
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  ASSERT_EQ(::fallocate(fd.get(), kPunch, 4096, 8192), 0);
  const auto punched = take_one<Allocate>();
  EXPECT_EQ(punched.flags, kPunch);
  EXPECT_EQ(punched.range, (ByteRange{.offset = 4096, .length = 8192}));
  EXPECT_EQ(punched.where, at_root("file"));
}

TEST_F(Data, HolesAreFound) {
  const UniqueFd fd = open("file", O_RDWR | O_CREAT);
  ASSERT_EQ(::ftruncate(fd.get(), 4 << 20), 0);
  ASSERT_EQ(::pwrite(fd.get(), "x", 1, 2 << 20), 1);
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_DATA), 2 << 20);
  EXPECT_EQ(::lseek(fd.get(), 2 << 20, SEEK_HOLE), (2 << 20) + 4096);
  EXPECT_EQ(error_of(::lseek(fd.get(), 4 << 20, SEEK_DATA)), ENXIO);
}

TEST_F(Data, CopiedRangeIsRecordedAsWrites) {
  const std::string content = pattern(3 << 20);
  make_file("from", content);
  const UniqueFd from = open("from", O_RDONLY), to = open("to", O_WRONLY | O_CREAT);
  (void)take();
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count =
        ::copy_file_range(from.get(), nullptr, to.get(), nullptr, content.size() - done, 0);
    ASSERT_GT(count, 0);
    done += static_cast<std::size_t>(count);
  }
  auto writes = take();
  EXPECT_EQ(replay(std::move(writes)), content);
  EXPECT_EQ(read_file(source("to")), content);
}

TEST_F(Data, OpenUnlinkedFileStaysReadableAndWritable) {
  make_file("file", "before");
  const UniqueFd fd = open("file", O_RDWR);
  ASSERT_EQ(::unlink(mount("file").c_str()), 0);
  (void)take();
  ASSERT_EQ(::pwrite(fd.get(), "after!", 6, 0), 6);
  EXPECT_EQ(take_one<Write>().where, std::nullopt);
  char content[6];
  ASSERT_EQ(::pread(fd.get(), content, 6, 0), 6);
  EXPECT_EQ(std::string(content, 6), "after!");
  struct stat shown{};
  ASSERT_EQ(::fstat(fd.get(), &shown), 0);
  EXPECT_EQ(shown.st_nlink, 0U);
  EXPECT_EQ(::fchmod(fd.get(), 0600), 0);
}

TEST_F(Data, SharedMappingArrivesAtMsync) {
  make_file("file", std::string(8192, 'a'));
  const UniqueFd fd = open("file", O_RDWR);
  void* const map = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  (void)take();
  std::memset(map, 'b', 100);
  ASSERT_EQ(::msync(map, 8192, MS_SYNC), 0);
  ::munmap(map, 8192);
  const auto writes = take_only<Write>();
  ASSERT_FALSE(writes.empty());
  EXPECT_EQ(writes[0].where, at_root("file"));
  EXPECT_EQ(read_file(source("file")), std::string(100, 'b') + std::string(8092, 'a'));
}

// Mutant: no file that is open for writing is flushed.
TEST_F(Data, SharedMappingArrivesAtClose) {
  make_file("file", std::string(4096, 'a'));
  UniqueFd fd = open("file", O_RDWR);
  void* const map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  (void)take();
  std::memset(map, 'b', 100);
  fd.reset();
  EXPECT_EQ(read_file(source("file")), std::string(100, 'b') + std::string(3996, 'a'));
  EXPECT_FALSE(take_only<Write>().empty());
  ::munmap(map, 4096);
}

TEST_F(Data, NamelessFileIsHeardOfWhenItIsLinked) {
  const UniqueFd fd = open(".", O_TMPFILE | O_RDWR, 0640);
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
  EXPECT_EQ(take_one<Write>().where, std::nullopt);
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  ASSERT_EQ(::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, mount("named").c_str(), AT_SYMLINK_FOLLOW),
            0);
  const auto link = take_one<Link>();
  EXPECT_EQ(link.existing, std::nullopt);
  EXPECT_EQ(link.where, at_root("named"));
  EXPECT_EQ(link.object, id("named"));
  ASSERT_EQ(::write(fd.get(), "y", 1), 1);
  EXPECT_EQ(take_one<Write>().where, at_root("named"));
}

TEST_F(Data, WritePastTheLimitOfTheCallerFailsThereOnly) {
  const int error = as_user({.uid = 0, .gid = 0, .groups = {}}, [this] {
    const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const int fd = ::open(mount("file").c_str(), O_WRONLY | O_CREAT, 0600);
    if (::pwrite(fd, "12345678", 8, 996) != 4) return 2;
    return error_of(::pwrite(fd, "x", 1, 1000));
  });
  EXPECT_EQ(error, EFBIG);
  EXPECT_EQ(look("file").size, 1000U);
}

TEST_F(Data, WritesByManyThreadsReplayToTheSource) {
  const UniqueFd fd = open("file", O_RDWR | O_CREAT);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&fd, writer] {
      const std::string bytes(3000, static_cast<char>('a' + writer));
      for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), i * 700 * (writer + 1) % 50'000),
                  3000);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(replay(take()), read_file(source("file")));
}

}  // namespace
}  // namespace mirrorfs::testing
