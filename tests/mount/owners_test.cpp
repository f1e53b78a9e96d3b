// G2: what belongs to a file beside its content arrives at the replica: owners as the system gives
// them, set-id bits, capabilities, names of all sorts.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "operation_table.h"
#include "three_histories.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

void no_file(const Path&) {}

void a_file(const Path& d) { write_file(d / "file", pattern(300'000, 1)); }

void a_set_id_file(const Path& d) {
  a_file(d);
  change_mode(d / "file", 06777);
}

void as_stranger(const std::function<void()>& body) {
  ChildProcess child = ChildProcess::fork_off([&] {
    check(::setgid(4321), "setgid", {});
    check(::setuid(1234), "setuid", {});
    body();
  });
  if (child.wait(milliseconds(10'000)) != 0) throw std::runtime_error("the stranger's work failed");
}

void create_as_stranger(const Path& d) {
  as_stranger([&] {
    ::umask(027);
    write_file(d / "shared" / "file", "mine", 0666);
    make_directory(d / "shared" / "directory", 0777);
    make_symlink("mine", d / "shared" / "link");
  });
}

const std::vector<NamedScenario>& scenarios() {
  static const std::vector<NamedScenario> all = {
      {"WriteToSetIdFile", a_set_id_file,
       [](const Path& d) { append_to(d / "file", "as root, who may keep the bits"); }},
      {"AnotherUserWritesToSetIdFile", a_set_id_file,
       [](const Path& d) { as_stranger([&] { append_to(d / "file", "by a stranger"); }); }},
      {"AnotherUserTruncatesSetIdFile", a_set_id_file,
       [](const Path& d) { as_stranger([&] { truncate_file(d / "file", 10); }); }},
      {"AnotherUserCreatesInSharedDirectory",
       [](const Path& d) {
         make_directory(d / "shared");
         change_owner(d / "shared", 0, 999);
         change_mode(d / "shared", 03777);
       },
       create_as_stranger},
      {"FileCapabilities", a_file,
       [](const Path& d) {
         const char capability[] =
             "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00"
             "\x00\x00\x00\x00\x00\x00\x00";
         set_xattr(d / "file", "security.capability", {capability, 20});
       }},
      {"NamesOfAllSorts", no_file,
       [](const Path& d) {
         for (const std::string name : {"new\nline", "\xff\xfe not UTF-8", " ", "-rf", "a\\b\"c'd",
                                        "...", "\x01", ".mirrorfs"}) {
           write_file(d / name, name);
         }
         write_file(d / std::string(255, 'n'), "long");
         make_symlink(std::string(4095, 't'), d / "long target");
       }},
      {"ALongChainOfDirectories", no_file,
       [](const Path& d) {
         Path path = d;
         for (int depth = 0; depth < 60; ++depth) {
           path /= "directory" + std::to_string(depth);
           make_directory(path);
           write_file(path / "file", std::to_string(depth));
         }
         rename_to(d / "directory0" / "directory1", d / "moved");
       }},
      {"ManyFilesInOneDirectory", no_file,
       [](const Path& d) {
         for (int i = 0; i < 400; ++i) write_file(d / std::to_string(i), std::to_string(i));
         for (int i = 0; i < 400; i += 3) unlink_file(d / std::to_string(i));
       }},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(OwnersAndNames, ThreeHistories, on_two_filesystems(scenarios()),
                         name_of_scenario);

/// A reconcile may bring a directory's default ACL to the replica before what was made there
/// earlier is applied: here the test sets it.
TEST(DefaultAclAheadOfTime, G2_GivesNothingToObjectsThatInheritedNothing) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror(small_pair_on(Filesystem::kExt4));
  mirror.start();
  make_directory(mirror.mount("d"));
  mirror.wait();
  set_xattr(mirror.replica("d"), "system.posix_acl_default", some_acl(1000, 7));
  write_file(mirror.mount("d") / "file", "file");
  make_node(mirror.mount("d") / "fifo", S_IFIFO | 0651);
  make_directory(mirror.mount("d") / "directory");
  make_symlink("nowhere", mirror.mount("d") / "link");
  mirror.wait();
  for (const auto& line : differences(snapshot(mirror.source()), snapshot(mirror.replica()))) {
    EXPECT_EQ(line.substr(0, 3), "d: ") << line;
  }
  set_xattr(mirror.mount("d"), "system.posix_acl_default", some_acl(1000, 7));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// What an administrator does behind the mount's back, after files were made there: what the daemon
/// makes later still belongs to whom it belongs on the source.
TEST(Owners, G2_OfWhatIsMadeAfterTheReplicaWasGivenToAGroup) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror;
  write_file(mirror.source("before"), "copied by the baseline");
  mirror.start({"--queue-size=1M"});
  ASSERT_TRUE(mirror.identical());
  run_or_throw({"chgrp", "-R", "100", mirror.replica()});
  run_or_throw({"find", mirror.replica(), "-type", "d", "-exec", "chmod", "g+s", "{}", "+"});
  mirror.pause();
  make_directory(mirror.mount("folder"));
  for (int i = 0; i < 40; ++i) {  // more than the queue holds: what is over is reconciled
    write_file(mirror.mount("folder") / std::to_string(i), pattern(100'000, 1));
  }
  mirror.resume();
  EXPECT_EQ(mirror.ctl({"wait", mirror.mount(), "--timeout=60"}).exit_code, 0);
  for (int i = 0; i < 40; ++i) {
    struct stat status{};
    const Path path = mirror.replica("folder") / std::to_string(i);
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_gid, 0U) << path;
  }
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
