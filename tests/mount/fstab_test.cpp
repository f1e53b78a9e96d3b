// mount(8) and fstab: both forms of the line. The helper is put into /sbin in this test's own mount
// namespace only; the machine's stays as it is.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "mirror_mount.h"
#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

/// /usr/sbin as it is, with the helper and the built mirrorfs.
class InstalledHelper {
 public:
  explicit InstalledHelper(const Path& base) : shown_(base / "sbin"), real_(base / "sbin-real") {
    make_directory(shown_);
    make_directory(real_);
    bind("/usr/sbin", real_);
    for (const auto& entry : std::filesystem::directory_iterator(real_)) {
      make_symlink((real_ / entry.path().filename()).string(), shown_ / entry.path().filename());
    }
    std::error_code ignored;
    std::filesystem::remove(shown_ / "mount.mirrorfs", ignored);
    // The helper takes the daemon installed beside it; mount.fuse3 takes what is on mount's own
    // path.
    const Path installed = base / "installed";
    std::filesystem::create_directories(installed / "sbin");
    std::filesystem::create_directories(installed / "bin");
    std::filesystem::copy(Path(MIRRORFS_SOURCE_TREE) / "mount-scripts/mount.mirrorfs",
                          installed / "sbin/mount.mirrorfs");
    make_symlink(MIRRORFS_PROGRAM, installed / "bin/mirrorfs");
    make_symlink((installed / "sbin/mount.mirrorfs").string(), shown_ / "mount.mirrorfs");
    make_symlink(MIRRORFS_PROGRAM, shown_ / "mirrorfs");
    bind(shown_, "/usr/sbin");
  }
  InstalledHelper(const InstalledHelper&) = delete;
  InstalledHelper& operator=(const InstalledHelper&) = delete;
  ~InstalledHelper() { ::umount2("/usr/sbin", MNT_DETACH); }

 private:
  static void bind(const Path& from, const Path& to) {
    check(::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr), "bind mount", to);
  }

  Path shown_, real_;
};

struct Line {
  const char* name;
  const char* type;
  const char* replica;
  const char* options;  ///< with %s for the replica
};

class Fstab : public testing::TestWithParam<Line> {};

TEST_P(Fstab, MountsAndMirrors) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const TempDir base;
  const InstalledHelper helper(base.path());
  const Line& line = GetParam();
  for (const char* name : {"s", "m", "state"}) make_directory(base.path() / name);
  const Path replica = base.path() / line.replica;
  make_directory(replica);
  write_file(base.path() / "s" / "file", "content");
  const Path fstab = base.path() / "fstab";
  std::string escaped;
  for (const char byte : replica.string()) {
    escaped += byte == ' ' ? "\\040" : std::string(1, byte);
  }
  std::ofstream(fstab) << (base.path() / "s").string() << " " << (base.path() / "m").string() << " "
                       << line.type << " " << line.options << ",dst=" << escaped
                       << ",state-dir=" << (base.path() / "state").string()
                       << ",log-file=" << (base.path() / "log").string() << " 0 0\n";
  const std::string mount_point = (base.path() / "m").string();
  for (const char* const boot : {"first", "second"}) {
    SCOPED_TRACE(boot);
    // Without the helper umount does not wait for the daemon, which still has its locks then.
    Finished mounted;
    EXPECT_TRUE(eventually([&] {
      mounted = run({"mount", "-T", fstab.string(), mount_point});
      return mounted.err.find("is in use by another mirrorfs") == std::string::npos;
    }));
    ASSERT_EQ(mounted.exit_code, 0) << mounted.out << mounted.err;
    write_file(base.path() / "m" / boot, "new");
    EXPECT_EQ(run({MIRRORCTL_PROGRAM, "wait", mount_point, "--timeout=30"}).exit_code, 0);
    EXPECT_EQ(run({MIRRORCTL_PROGRAM, "verify", "--full", mount_point}).exit_code, 0);
    const std::string status = run({MIRRORCTL_PROGRAM, "status", mount_point, "--json"}).out;
    EXPECT_NE(status.find("\"fsync\""), std::string::npos) << status;
    EXPECT_EQ(compare_trees(base.path() / "s", replica), "");
    const Finished unmounted = run({"umount", mount_point});
    EXPECT_EQ(unmounted.exit_code, 0) << unmounted.err;
    EXPECT_TRUE(eventually(
        [&] { return run({MIRRORCTL_PROGRAM, "status", mount_point, "--json"}).exit_code != 0; }));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Lines, Fstab,
    testing::Values(Line{"Helper", "mirrorfs", "d", "mode=fsync,nofail,noatime"},
                    Line{"HelperWithUsualOptions", "mirrorfs", "d",
                         "defaults,rw,nosuid,nodev,_netdev,x-systemd.requires=/srv,mode=fsync"},
                    Line{"HelperAndASpaceInThePath", "mirrorfs", "the replica", "mode=fsync"},
                    Line{"HelperThatKeepsAdopt", "mirrorfs", "d", "adopt,mode=fsync"},
                    Line{"HelperWithPatterns", "mirrorfs", "d",
                         "mode=fsync,exclude=*.o,exclude=build/,exclude=a\\,b"},
                    Line{"FuseForm", "fuse.mirrorfs", "d", "mode=fsync"}),
    [](const auto& test) { return test.param.name; });

TEST(FstabFailure, ABadLineMountsNothingAndFails) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const TempDir base;
  const InstalledHelper helper(base.path());
  for (const char* name : {"s", "d", "m"}) make_directory(base.path() / name);
  for (const std::string options : {"mode=fsync", "dst=/nowhere/at/all", "dst=DST,mode=odd"}) {
    std::ofstream(base.path() / "fstab")
        << (base.path() / "s").string() << " " << (base.path() / "m").string() << " mirrorfs "
        << options << " 0 0\n";
    const Finished finished =
        run({"mount", "-T", (base.path() / "fstab").string(), (base.path() / "m").string()});
    EXPECT_NE(finished.exit_code, 0) << options;
    EXPECT_NE(finished.err, "") << options;
    EXPECT_FALSE(mount_at(base.path() / "m")) << options;
  }
}

TEST(MountHelper, TakesItsOptionsAnywhere) {
  const MirrorPair pair;
  const std::string helper = MIRRORFS_SOURCE_TREE "/mount-scripts/mount.mirrorfs ";
  const std::string expected = pair.shell(helper + "/a /b -v -f -o dst=/c,mode=fsync").out;
  EXPECT_NE(expected.find("mode=fsync -- /a /c /b"), std::string::npos) << expected;
  for (const char* words : {"-o dst=/c,mode=fsync -vf /a /b", "/a -vf -o dst=/c,mode=fsync /b",
                            "-v /a -o dst=/c /b -f -o mode=fsync"}) {
    const Finished finished = pair.shell(helper + words);
    EXPECT_EQ(finished.exit_code, 0) << words << finished.err;
    EXPECT_EQ(finished.out, expected) << words;
  }
  for (const char* words : {"-o dst=/c /a", "/a /b /d -o dst=/c", "-o dst=/c"}) {
    EXPECT_EQ(pair.shell(helper + words).exit_code, 1) << words;
  }
}

}  // namespace
}  // namespace mirrorfs::test
