// G8: what must not be mirrored is refused, with one line, exit code 2, and nothing changed.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "mirror_mount.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class Adoption : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

/// Every path below the directory, also the reserved ones, with all that is known of them.
Snapshot everything_in(const Path& directory) {
  Snapshot all = snapshot(directory.parent_path());
  std::erase_if(all, [](const auto& entry) { return entry.first == "."; });
  return all;
}

/// A directory for one refused start: base/place/{s,d,m}.
class RefusedStart {
 public:
  RefusedStart() {
    make_directory(place());
    for (const char* name : {"s", "d", "m", "s/below", "d/below", "m/below"}) {
      make_directory(place() / name);
    }
    remove_directory(place() / "d/below");
    write_file(place() / "s/file", "source");
    write_file(place() / "plain file", "");
    make_directory(base_.path() / "state");
  }

  [[nodiscard]] Path place() const { return base_.path() / "place"; }

  /// Runs in a mount namespace of its own, after this line of shell.
  void first_do(const std::string& line) {
    wrapper_ = {"unshare", "-m", "sh", "-ec", line + R"(; exec "$0" "$@")"};
  }

  [[nodiscard]] Finished try_with(std::vector<std::string> arguments) const {
    std::vector<std::string> words = wrapper_;
    words.insert(words.end(),
                 {MIRRORFS_PROGRAM, "--state-dir=" + (base_.path() / "state").string()});
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run(words, {.timeout = milliseconds(20'000), .directory = place()});
  }

  void expect_refused(const std::vector<std::string>& arguments, const std::string& hint) const {
    const Snapshot before = everything_in(place() / "s");
    const Finished finished = try_with(arguments);
    EXPECT_EQ(finished.exit_code, 2) << finished.out << finished.err;
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_TRUE(finished.err.ends_with("\n")) << finished.err;
    EXPECT_NE(finished.err.find(hint), std::string::npos)
        << "no «" << hint << "» in: " << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(differences(before, everything_in(place() / "s")), std::vector<std::string>());
    EXPECT_FALSE(mount_at(place() / "m")) << "something is mounted";
  }

 private:
  std::vector<std::string> wrapper_;
  TempDir base_;
};

struct BadStart {
  const char* name;
  std::vector<std::string> arguments;
  const char* hint;  ///< must be in the line
};

void PrintTo(const BadStart& start, std::ostream* stream) { *stream << start.name; }

class BadInput : public testing::TestWithParam<BadStart> {};

TEST_P(BadInput, IsRefusedAndNothingChanges) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const RefusedStart start;
  start.expect_refused(GetParam().arguments, GetParam().hint);
}

TEST_P(BadInput, IsRefusedInTheForegroundToo) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const RefusedStart start;
  std::vector<std::string> arguments = GetParam().arguments;
  arguments.insert(arguments.begin(), "-f");
  start.expect_refused(arguments, GetParam().hint);
}

INSTANTIATE_TEST_SUITE_P(
    G8, BadInput,
    testing::Values(
        BadStart{"NoSource", {"nowhere", "d", "m"}, "nowhere"},
        BadStart{"NoReplica", {"s", "nowhere", "m"}, "nowhere"},
        BadStart{"NoMountPoint", {"s", "d", "nowhere"}, "nowhere"},
        BadStart{"SourceIsAFile", {"plain file", "d", "m"}, "plain file"},
        BadStart{"ReplicaIsAFile", {"s", "plain file", "m"}, "plain file"},
        BadStart{"MountPointIsAFile", {"s", "d", "plain file"}, "plain file"},
        BadStart{"ReplicaInsideSource", {"s", "s/below", "m"}, "s/below"},
        BadStart{"SourceInsideReplica", {"m/below", "m", "d"}, "m/below"},
        BadStart{"SourceIsReplica", {"s", "s", "m"}, "same"},
        BadStart{"MountPointInsideSource", {"s", "d", "s/below"}, "s/below"},
        BadStart{"MountPointInsideReplica", {"s", "m", "m/below"}, "m/below"},
        BadStart{"MountPointIsReplica", {"s", "d", "d"}, "same"},
        BadStart{"SourceInsideMountPoint", {"m/below", "d", "m"}, "m"},
        BadStart{"ReplicaInsideMountPoint", {"s", "m/below", "m"}, "m"},
        BadStart{"NestedThroughALink", {"s", "s/../s/below", "m"}, "s"},
        BadStart{"UnknownOption", {"--no-such-option", "s", "d", "m"}, "no-such-option"},
        BadStart{"BadMode", {"--mode=fast", "s", "d", "m"}, "mode"},
        BadStart{"BadQueueSize", {"--queue-size=much", "s", "d", "m"}, "queue-size"},
        BadStart{"BadCheck", {"-o", "check=thorough", "s", "d", "m"}, "check"},
        BadStart{"BadDrainTimeout", {"--drain-timeout=-1", "s", "d", "m"}, "drain-timeout"},
        BadStart{"BadTransport", {"--transport=pigeon", "s", "d", "m"}, "transport"},
        BadStart{"StateInSource", {"--state-dir=s/new/state", "s", "d", "m"}, "--state-dir"},
        BadStart{"StateInReplica", {"--state-dir=d", "s", "d", "m"}, "--state-dir"},
        BadStart{"StateInMountPoint", {"--state-dir=m/below", "s", "d", "m"}, "--state-dir"},
        BadStart{"LogInSource", {"--log-file=s/log", "s", "d", "m"}, "s/log"},
        BadStart{"LogInReplica", {"--log-file=d/log", "s", "d", "m"}, "d/log"},
        BadStart{"LogInMountPoint", {"--log-file=m/../m/log", "s", "d", "m"}, "m/log"},
        BadStart{"TwoDirectories", {"s", "d"}, "MNT"},
        BadStart{"FourDirectories", {"s", "d", "m", "x"}, "x"},
        BadStart{"NonEmptyReplica", {"m", "s", "d"}, "--adopt"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Adoption, AMachineWithoutDeviceFilesIsToldWhatIsMissing) {
  RefusedStart start;
  start.first_do("mount -t tmpfs none /dev");
  start.expect_refused({"s", "d", "m"}, "/dev/null");
  start.first_do("mount -t tmpfs none dev; mknod dev/null c 1 3; mount --move dev /dev");
  make_directory(start.place() / "dev");
  start.expect_refused({"s", "d", "m"}, "/dev/fuse");
}

/// As kernel.io_uring_disabled=2, or a container's filter, does it: for this process only.
void forbid_io_uring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", {});
  check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp", {});
}

TEST_F(Adoption, AMachineWithoutIoUringIsToldSo) {
  ChildProcess child = ChildProcess::fork_off([] {
    const RefusedStart start;
    forbid_io_uring();
    start.expect_refused({"s", "d", "m"}, "io_uring_disabled");
    EXPECT_FALSE(is_there(start.place() / "d/.mirrorfs")) << "the replica was changed";
    if (HasFailure()) throw std::runtime_error("see above");
  });
  EXPECT_EQ(child.wait(milliseconds(30'000)), 0);
}

TEST_F(Adoption, ANonEmptyReplicaIsAcceptedWithAdopt) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "source");
  write_file(mirror.replica("other"), "goes away");
  mirror.start({"--adopt"});
  EXPECT_TRUE(mirror.identical());
  EXPECT_FALSE(is_there(mirror.replica("other")));
  mirror.stop();
}

TEST_F(Adoption, APairedReplicaNeedsNoAdopt) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "source");
  mirror.start();
  mirror.stop();
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Adoption, ASecondDaemonOnTheSameReplicaIsRefused) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "source");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  make_directory(mirror.base() / "second mount");
  const Snapshot before = snapshot(mirror.replica());
  for (const bool adopt : {false, true}) {
    std::vector<std::string> command = mirror.command();
    command.back() = (mirror.base() / "second mount").string();
    if (adopt) command.insert(command.begin() + 1, "--adopt");
    const Finished finished = run(command, {.timeout = milliseconds(20'000)});
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }
  EXPECT_EQ(differences(before, snapshot(mirror.replica())), std::vector<std::string>());
  write_file(mirror.mount("still"), "works");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Adoption, AnotherSourceForAPairedReplicaIsRefused) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "source");
  mirror.start();
  mirror.stop();
  make_directory(mirror.base() / "another");
  const Snapshot before = snapshot(mirror.replica());
  std::vector<std::string> command = mirror.command();
  command.at(command.size() - 3) = (mirror.base() / "another").string();
  // Empty, it is most likely a mount point: no advice may wipe the replica.
  const Finished empty = run(command, {.timeout = milliseconds(20'000)});
  EXPECT_EQ(empty.exit_code, 2) << empty.err;
  EXPECT_EQ(empty.err.find("--adopt"), std::string::npos) << empty.err;
  EXPECT_NE(empty.err.find("mounted?"), std::string::npos) << empty.err;
  write_file(mirror.base() / "another/file", "another");
  const Finished finished = run(command, {.timeout = milliseconds(20'000)});
  EXPECT_EQ(finished.exit_code, 2) << finished.err;
  EXPECT_NE(finished.err.find("--adopt"), std::string::npos) << finished.err;
  EXPECT_EQ(differences(before, snapshot(mirror.replica())), std::vector<std::string>());
}

TEST_F(Adoption, LostAndFoundDoesNotCountAsContent) {
  MirrorMount mirror;
  make_directory(mirror.replica("lost+found"), 0700);
  mirror.start();
  write_file(mirror.mount("file"), "content");
  mirror.wait();
  EXPECT_EQ(read_file(mirror.replica("file")), "content");
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
