// G8: every command in docs/DISASTER.md, as it stands there, on the day that it is for.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "process.h"
#include "sandbox.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

/// The blocks of the document by the names in the comments above them.
std::map<std::string, std::string> blocks() {
  std::map<std::string, std::string> found;
  std::ifstream file(Path(MIRRORFS_SOURCE_TREE) / "docs/DISASTER.md");
  std::string name;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("<!-- test: ")) name = line.substr(11, line.find(" -->") - 11);
    if (line == "```") inside = false;
    if (inside) found[name] += line + "\n";
    if (line == "```sh") inside = true;
  }
  return found;
}

class Disaster : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    check(::mount("none", "/mnt", "tmpfs", 0, nullptr), "mount", "/mnt");
    // The control sockets are told apart by mount points, and all of these tests use the same.
    check(::mount("none", "/run", "tmpfs", 0, nullptr), "mount", "/run");
    for (const char* name : {"/mnt/disk1", "/mnt/disk2", "/mnt/disk3", "/mnt/app"}) {
      make_directory(name);
    }
    for (const char* name : {"1", "2", "3"})
      make_directory(Path("/mnt/disk") += std::string(name) + "/data");
    write_file("/mnt/disk1/data/report", "the report");
    write_file("/mnt/disk1/data/other", "other");
    ::setenv("MIRRORFS_STATE_DIR", "/mnt/state", 1);
    for (int sessions = 0; sessions < 2; ++sessions) {
      if (sessions > 0) unmount();
      mount_as_always();
      wait();
    }
  }
  void TearDown() override {
    ::unsetenv("MIRRORFS_STATE_DIR");
    ::umount2("/mnt/app", MNT_DETACH);
    static_cast<void>(
        eventually([] { return run({MIRRORCTL_PROGRAM, "status", "/mnt/app"}).exit_code != 0; }));
    unmount_all_below("/mnt");
    ::umount2("/run", MNT_DETACH);
  }

  /// Runs the block and expects 0.
  Finished follow(const std::string& name) {
    const auto all = blocks();
    if (!all.contains(name)) throw std::runtime_error("no block " + name);
    const Finished finished = shell(all.at(name));
    EXPECT_EQ(finished.exit_code, 0) << name << ": " << finished.out << finished.err;
    return finished;
  }
  static Finished shell(const std::string& text) {
    const std::string path = "PATH=" + Path(MIRRORFS_PROGRAM).parent_path().string() +
                             ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return run({"sh", "-ec", text}, {.environment = {path}});
  }
  static void mount_as_always() {
    const Finished mounted = shell("mirrorfs /mnt/disk1/data /mnt/disk2/data /mnt/app");
    if (mounted.exit_code != 0) throw std::runtime_error(mounted.err);
  }
  static void wait() { run_or_throw({MIRRORCTL_PROGRAM, "wait", "/mnt/app", "--timeout=30"}); }
  static ChildProcess daemon() {
    const Finished status = run({MIRRORCTL_PROGRAM, "status", "/mnt/app", "--json"});
    return ChildProcess::adopt(nlohmann::json::parse(status.out).at("pid").get<pid_t>());
  }
  static void unmount() {
    ChildProcess ends = daemon();
    run_or_throw({"umount", "/mnt/app"});
    EXPECT_EQ(ends.wait(milliseconds(30'000)), 0);
  }
  static void kill_daemon() {
    ChildProcess ends = daemon();
    ends.signal(SIGKILL);
    static_cast<void>(ends.wait(milliseconds(10'000)));
  }
  static std::string differences() { return compare_trees("/mnt/disk1/data", "/mnt/disk2/data"); }
  static std::size_t kept_on(const Path& tree) {
    std::size_t files = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(tree / ".mirrorfs/kept")) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }
};

TEST_F(Disaster, G8SourcesDiskDiesAndComesBack) {
  // What is as old as the session, by a clock of whole seconds, is kept too.
  unmount();
  std::this_thread::sleep_for(milliseconds(2500));
  mount_as_always();
  kill_daemon();  // its disk is gone: so is the mount, one way or the other
  follow("source-died");
  EXPECT_EQ(run({MIRRORFS_PROGRAM, "/mnt/disk1/data", "/mnt/disk2/data", "/mnt/app"}).exit_code, 2);
  follow("go-on-mirrored");
  write_file("/mnt/app/report", "written since");
  wait();
  EXPECT_EQ(read_file("/mnt/disk3/data/report"), "written since");
  unmount();
  write_file("/mnt/disk1/data/other", "never mirrored");
  follow("source-came-back");
  EXPECT_EQ(differences(), "");
  EXPECT_EQ(read_file("/mnt/disk1/data/report"), "written since");
  EXPECT_EQ(kept_on("/mnt/disk1/data"), 1U);
  follow("change-back");
  write_file("/mnt/app/last", "as before");
  wait();
  EXPECT_EQ(differences(), "");
  unmount();
}

TEST_F(Disaster, G8TheReplicaWasWrittenTo) {
  unmount();
  write_file("/mnt/disk2/data/report", "by hand");
  mount_as_always();
  wait();
  EXPECT_NE(follow("written-by-hand").out.find("report"), std::string::npos);
  EXPECT_EQ(differences(), "");
  unmount();
}

TEST_F(Disaster, G1TheMachineDies) {
  write_file("/mnt/app/report", "at the last moment");
  kill_daemon();
  ::umount2("/mnt/app", MNT_DETACH);
  follow("machine-died");
  EXPECT_EQ(differences(), "");
  unmount();
}

TEST_F(Disaster, G1TheDaemonIsKilled) {
  write_file("/mnt/app/report", "at the last moment");
  kill_daemon();
  follow("daemon-killed");
  EXPECT_EQ(differences(), "");
  EXPECT_EQ(read_file("/mnt/disk2/data/report"), "at the last moment");
  unmount();
}

TEST_F(Disaster, AFileIsDeletedWhilePaused) {
  run_or_throw({MIRRORCTL_PROGRAM, "pause", "/mnt/app"});
  unlink_file("/mnt/app/report");
  follow("file-deleted");
  wait();
  EXPECT_EQ(read_file("/mnt/disk1/data/report"), "the report");
  EXPECT_EQ(differences(), "");
  unmount();
}

TEST_F(Disaster, G8EverythingIsEncrypted) {
  ChildProcess ends = daemon();
  follow("being-encrypted");
  write_file("/mnt/app/report", "xxxxxxxxxx");
  follow("encrypted");
  EXPECT_EQ(read_file("/mnt/disk2/data/report"), "the report");
  follow("source-came-back");
  EXPECT_EQ(read_file("/mnt/disk1/data/report"), "the report");
  EXPECT_EQ(differences(), "");
  EXPECT_EQ(kept_on("/mnt/disk1/data"), 1U);
  unmount();
}

TEST_F(Disaster, G2TheReplicaIsProvedToBeGood) {
  EXPECT_NE(follow("prove").out.find("identical"), std::string::npos);
  unmount();
  EXPECT_NE(follow("prove-unmounted").out.find("identical"), std::string::npos);
  EXPECT_EQ(follow("prove-by-rsync").out, "");
  write_file("/mnt/disk2/data/report", "other text");
  const Finished found = shell(blocks().at("prove-unmounted"));
  EXPECT_EQ(found.exit_code, 1) << found.out;
  EXPECT_NE(shell(blocks().at("prove-by-rsync")).out, "");
}

TEST(DisasterDocument, EveryBlockHasItsDay) {
  const std::set<std::string> known = {
      "source-died",  "go-on-mirrored",  "source-came-back", "change-back",     "written-by-hand",
      "machine-died", "daemon-killed",   "file-deleted",     "being-encrypted", "encrypted",
      "prove",        "prove-unmounted", "prove-by-rsync"};
  for (const auto& [name, text] : blocks()) {
    EXPECT_TRUE(known.contains(name)) << name << " is run by no test";
  }
  EXPECT_EQ(blocks().size(), known.size());
}

}  // namespace
}  // namespace mirrorfs::test
