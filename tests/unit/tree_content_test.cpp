// G2: content, holes, and the cheapest way to equal content.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "engine/copy/extents.h"
#include "mirrorfs/unique_fd.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class TreeContent : public TreeTest {};

std::string noise(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

class Sizes : public TreeTest, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(Sizes, G2CopiedAndFoundEqual) {
  const std::string content = noise(GetParam(), 1);
  write_file(source_ / "file", content);
  sync_and_expect_equal();
  EXPECT_EQ(read_file(replica_ / "file"), content);
}

INSTANTIATE_TEST_SUITE_P(Tree, Sizes,
                         ::testing::Values(0, 1, 4095, 4096, 131072, 131073, 1048576, 1048577,
                                           9 << 20));

TEST_F(TreeContent, SameSizeAndMtimeDifferOnlyInFullCheck) {
  write_file(source_ / "file", "abcd");
  write_file(replica_ / "file", "abXd");
  copy_mtime(source_ / "file", replica_ / "file");
  copy_mtime(source_, replica_);
  EXPECT_TRUE(verify().identical());
  const VerifyReport full = verify({.full = true});
  ASSERT_EQ(full.differences.size(), 1U);
  EXPECT_EQ(full.differences[0].path, "file");
  EXPECT_EQ(full.differences[0].what, "content");
  sync_and_expect_equal(Check::kFull);
}

TEST_F(TreeContent, ReplacedAsAWhole) {
  write_file(source_ / "file", "new content");
  write_file(replica_ / "file", "old");
  const UniqueFd reader(::open((replica_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
  sync_and_expect_equal();
  char old[8] = {};
  EXPECT_EQ(::pread(reader.get(), old, sizeof(old), 0), 3) << "an open reader keeps the old file";
}

TEST_F(TreeContent, RepairUpdatesALargeFileInPlaceWhereItDiffers) {
  std::string content = noise(12 << 20, 7);
  write_file(replica_ / "file", content);
  content[5 << 20] ^= 1;
  content.append(1000, 'x');
  write_file(source_ / "file", content);
  const ino_t before = status_of(replica_ / "file").st_ino;
  EXPECT_TRUE(verify({.repair = true}).failures.empty());
  EXPECT_EQ(status_of(replica_ / "file").st_ino, before);
  EXPECT_EQ(read_file(replica_ / "file"), content);
  expect_equal();
}

TEST_F(TreeContent, SyncReplacesALargeFileAsAWhole) {
  write_file(replica_ / "file", noise(12 << 20, 7));
  write_file(source_ / "file", noise(12 << 20, 8));
  const UniqueFd reader(::open((replica_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
  sync_and_expect_equal();
  std::string old(12 << 20, '\0');
  EXPECT_EQ(::pread(reader.get(), old.data(), old.size(), 0), 12 << 20);
  EXPECT_TRUE(old == noise(12 << 20, 7)) << "an open reader keeps the old file";
}

TEST_F(TreeContent, LargeFileShrinks) {
  write_file(replica_ / "file", noise(12 << 20, 7));
  write_file(source_ / "file", noise(9 << 20, 7));
  EXPECT_TRUE(verify({.repair = true}).failures.empty());
  sync_and_expect_equal(Check::kFull);
  EXPECT_EQ(read_file(replica_ / "file"), noise(9 << 20, 7));
}

TEST_F(TreeContent, HolesStayHoles) {
  const UniqueFd file(::open((source_ / "sparse").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::ftruncate(file.get(), off_t{1} << 40), 0);
  ASSERT_EQ(::pwrite(file.get(), "middle", 6, off_t{1} << 39), 6);
  ASSERT_EQ(::pwrite(file.get(), "end", 3, (off_t{1} << 40) - 3), 3);
  sync_and_expect_equal();
  EXPECT_EQ(status_of(replica_ / "sparse").st_size, off_t{1} << 40);
  EXPECT_LE(status_of(replica_ / "sparse").st_blocks, status_of(source_ / "sparse").st_blocks + 16);
  const UniqueFd copy(::open((replica_ / "sparse").c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[6] = {};
  EXPECT_EQ(::pread(copy.get(), bytes, 6, off_t{1} << 39), 6);
  EXPECT_EQ(std::string(bytes, 6), "middle");
}

TEST_F(TreeContent, HolePunchedWhereTheReplicaHasOldData) {
  write_file(replica_ / "file", noise(10 << 20, 3));
  const UniqueFd file(::open((source_ / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::ftruncate(file.get(), 10 << 20), 0);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 8 << 20), 1);
  EXPECT_TRUE(verify({.full = true, .repair = true}).failures.empty());
  sync_and_expect_equal(Check::kFull);
  EXPECT_LE(status_of(replica_ / "file").st_blocks, 64);
}

TEST_F(TreeContent, HolesOfSmallFilesStayHoles) {
  const UniqueFd file(::open((source_ / "sparse").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::ftruncate(file.get(), 100 << 10), 0);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 64 << 10), 1);
  ::usleep(50'000);  // no longer a file that may be changing
  sync_and_expect_equal();
  EXPECT_LE(status_of(replica_ / "sparse").st_blocks, status_of(source_ / "sparse").st_blocks);
}

TEST_F(TreeContent, EqualObjectsAreNotWritten) {
  write_file(source_ / "file", "same");
  sync_and_expect_equal();
  const struct stat before = status_of(replica_ / "file");
  ::usleep(20'000);
  EXPECT_EQ(sync(checking(Check::kFull)).files_copied, 0U);
  const struct stat after = status_of(replica_ / "file");
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

TEST_F(TreeContent, AFileThatDoesNotFitFailsAlone) {
  write_file(source_ / "big", std::string(3 << 20, 'b'));
  write_file(source_ / "small", "small");
  write_file(replica_ / "big", "old content");
  as_ordinary_user([this]() -> std::string {
    // EFBIG instead of the signal's death: setrlimit(2).
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "setrlimit";
    const SyncReport report = sync();
    if (report.failures.size() != 1) return "expected one failure";
    if (report.failures[0].path != "big") return "wrong failure: " + report.failures[0].path;
    if (read_file(replica_ / "small") != "small") return "the rest was not copied";
    if (fs::exists(replica_ / kReservedName)) return "a leftover in staging";
    return "";
  });
  EXPECT_EQ(read_file(replica_ / "big"), "old content") << "nothing half-written";
}

TEST(TreeExtents, UnitedMergesTouchingRanges) {
  const copy::Extents a{{0, 10}, {20, 10}};
  const copy::Extents b{{10, 5}, {25, 10}, {50, 1}};
  EXPECT_EQ(copy::united(a, b), (copy::Extents{{0, 15}, {20, 15}, {50, 1}}));
}

TEST(TreeExtents, WithoutCutsInTheMiddleAndAcross) {
  const copy::Extents a{{0, 100}, {200, 100}};
  const copy::Extents b{{10, 10}, {50, 200}};
  EXPECT_EQ(copy::without(a, b), (copy::Extents{{0, 10}, {20, 30}, {250, 50}}));
  EXPECT_EQ(copy::without(a, {}), a);
  EXPECT_EQ(copy::without(a, {{0, 1000}}), copy::Extents{});
}

TEST(TreeExtents, PiecesCoverEverything) {
  EXPECT_EQ(copy::in_pieces({{5, 10}, {100, 4}}, 4),
            (copy::Extents{{5, 4}, {9, 4}, {13, 2}, {100, 4}}));
}

TEST(Extents, OfADeviceThatTookTheNameThereIsAnEnd) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto extents = copy::data_extents(null.get(), {0, 100});
  ASSERT_FALSE(extents);
  EXPECT_EQ(extents.error().code, ESTALE);
}

}  // namespace
}  // namespace mirrorfs::testing
