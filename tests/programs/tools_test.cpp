// Everyday tools at work in the mount.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "program_mount.h"

namespace mirrorfs::test {
namespace {

class Tools : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_WITHOUT_PROGRAMS("git", "rsync", "sqlite3");
    work_ = std::make_unique<ProgramMount>(GetParam());
  }

  std::string in_mount(const std::vector<std::string>& command) const {
    return work_->run(command);
  }
  MirrorMount& mirror() { return work_->mirror(); }
  void expect_mirrored() { work_->expect_mirrored(); }

  std::unique_ptr<ProgramMount> work_;
};

TEST_P(Tools, CopyMoveAndRemoveATree) {
  in_mount({"cp", "-a", "/usr/include/linux", "/usr/include/c++", "."});
  in_mount({"mv", "linux/netfilter", "moved"});
  in_mount({"sh", "-c", "mv c++/* ."});
  in_mount({"rm", "-rf", "linux/usb", "moved/ipset"});
  in_mount({"cp", "-a", "linux", "copy"});
  expect_mirrored();
}

TEST_P(Tools, Git) {
  in_mount({"cp", "-a", "/usr/include/linux", "."});
  in_mount({"git", "init", "-q"});
  in_mount({"git", "add", "."});
  in_mount({"git", "commit", "-q", "-m", "first"});
  in_mount({"git", "mv", "linux/fuse.h", "fuse.h"});
  in_mount({"git", "commit", "-q", "-m", "second"});
  in_mount({"git", "checkout", "-q", "-b", "other", "HEAD~1"});
  in_mount({"git", "gc", "-q"});
  EXPECT_EQ(in_mount({"git", "status", "--porcelain"}), "");
  EXPECT_TRUE(mirror().identical());
  EXPECT_EQ(
      run({"git", "-c", "safe.directory=*", "-C", mirror().replica().string(), "fsck", "--full"})
          .exit_code,
      0);
  expect_mirrored();
}

TEST_P(Tools, Sqlite) {
  for (const char* journal : {"DELETE", "WAL", "PERSIST"}) {
    const std::string script =
        std::string("PRAGMA journal_mode=") + journal +
        "; CREATE TABLE t(n INTEGER PRIMARY KEY, b BLOB);"
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)"
        " INSERT INTO t SELECT n, randomblob(n) FROM c;"
        "UPDATE t SET b = randomblob(100) WHERE n % 3 = 0; DELETE FROM t WHERE n % 5 = 0; VACUUM;";
    in_mount({"sqlite3", std::string("db-") + journal, script});
  }
  EXPECT_TRUE(mirror().identical());
  for (const char* journal : {"DELETE", "WAL", "PERSIST"}) {
    const std::string name = std::string("db-") + journal;
    EXPECT_EQ(
        run({"sqlite3", "-readonly", mirror().mount(name).string(), "PRAGMA integrity_check"}).out,
        "ok\n");
  }
  expect_mirrored();
}

TEST_P(Tools, TarWithLinksAndDevices) {
  const Path packed = mirror().base() / "packed";
  make_directory(packed);
  for (int number = 0; number < 100; ++number) {
    const std::string name = std::to_string(number);
    write_file(packed / name, pattern(static_cast<std::size_t>(number) * 500, 1));
    if (number % 4 == 0) make_link(packed / name, packed / ("link" + name));
    if (number % 5 == 0) make_symlink(name, packed / ("symlink" + name));
  }
  make_node(packed / "null", S_IFCHR | 0666, 0x103);
  make_node(packed / "fifo", S_IFIFO | 0600);
  change_mode(packed / "7", 06755);
  set_xattr(packed / "8", "user.some", "value");
  const std::string archive = (mirror().base() / "archive.tar").string();
  run_or_throw({"tar", "--xattrs", "--acls", "-C", packed.string(), "-cf", archive, "."});
  in_mount({"tar", "--xattrs", "--acls", "-xpf", archive});
  expect_mirrored();
}

TEST_P(Tools, RsyncIntoTheMountTwice) {
  in_mount({"rsync", "-aHAX", "/usr/include/linux", "."});
  in_mount({"rsync", "-aHAX", "--delete", "/usr/include/linux/", "linux-again"});
  in_mount({"rsync", "-aHAX", "--delete", "--inplace", "--checksum",
            "/usr/include/linux/netfilter/", "linux-again"});
  expect_mirrored();
}

TEST_P(Tools, ShellRedirectionsAndTools) {
  in_mount(
      {"sh", "-c",
       "for i in $(seq 100); do echo line $i >> log; done; sed -i s/line/LINE/ log;"
       "sort -r log > sorted; tac log | tee copy > /dev/null; dd if=/dev/zero of=zeros bs=64k "
       "count=20 conv=fsync status=none; truncate -s 3M sparse; install -m 640 log installed;"
       "ln -sf log current; ln -sfn sorted current; split -l 10 log part; rm part*a; touch -d "
       "2001-02-03 log; gzip -k log; chmod -R g-r .; find . -name 'part*' -delete; sync -f ."});
  expect_mirrored();
}

INSTANTIATE_TEST_SUITE_P(G2, Tools, testing::Values(Filesystem::kTmpfs, Filesystem::kExt4),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
