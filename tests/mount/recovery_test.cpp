// G1: what the killed daemon owed is compared at the next start, and nothing else.
// MIRRORFS_SCALE_ENTRIES=300000 for the whole size; the figures are printed.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <thread>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

using nlohmann::json;

unsigned entries_wanted() {
  const char* const given = std::getenv("MIRRORFS_SCALE_ENTRIES");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : 20'000;
}

constexpr unsigned kFilesInDirectory = 100;

Path file_of(unsigned number) {
  return fmt::format("d{}/f{}", number / kFilesInDirectory, number % kFilesInDirectory);
}

void make_tree(const Path& root, unsigned files) {
  for (unsigned number = 0; number < files; ++number) {
    const Path file = root / file_of(number);
    if (number % kFilesInDirectory == 0) make_directory(file.parent_path());
    write_file(file, fmt::format("file {:08}", number));
  }
}

class Recovery : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static json status_of(const MirrorMount& mirror) { return json::parse(mirror.status().json); }

  /// The daemon is killed with all that was changed since it was paused still owed, and started.
  static void kill_and_start(MirrorMount& mirror, const std::vector<std::string>& options = {}) {
    mirror.crash();
    mirror.start(options);
  }

  static void expect_recovered(const MirrorMount& mirror, unsigned most_objects) {
    ASSERT_TRUE(eventually([&] { return mirror.status().state == "in-sync"; }))
        << mirror.status().json;
    const json status = status_of(mirror);
    const json& recovery = status.at("recovery");
    EXPECT_FALSE(recovery.at("running").get<bool>());
    EXPECT_GT(recovery.at("marks").get<unsigned>(), 0U) << status;
    EXPECT_LE(recovery.at("objects").get<unsigned>(), most_objects) << status;
    EXPECT_EQ(status.at("baseline").at("files_done").get<unsigned>(), 0U) << status;
    EXPECT_EQ(status.at("marks").get<unsigned>(), 0U) << status;
  }
};

TEST_F(Recovery, G1_OfManyFilesOnlyThoseInFlightAreLookedAt) {
  const unsigned files = entries_wanted();
  MirrorMount mirror({.source_bytes = 4ULL << 30,
                      .replica_bytes = 4ULL << 30,
                      .patience = std::chrono::seconds(500)});
  make_tree(mirror.source(), files);
  mirror.start();
  mirror.wait();
  ASSERT_TRUE(eventually([&] { return status_of(mirror).at("journal_marks") == 0; }));
  mirror.pause();
  for (unsigned number = 0; number < 50; ++number) {
    const Path file = mirror.mount(file_of(number * (files / 50)));
    const struct stat before = stat_of(file);
    write_file(file, fmt::format("FILE {:08}", number));
    const timespec times[2] = {before.st_atim, before.st_mtim};  // size and time are as before
    check(::utimensat(AT_FDCWD, file.c_str(), times, 0), "utimensat", file);
  }
  mirror.crash();
  const auto began = std::chrono::steady_clock::now();
  mirror.start();
  ASSERT_NO_FATAL_FAILURE(expect_recovered(mirror, 50));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print("{} files, 50 in flight: in-sync {:.3f} s after the start of the daemon\n", files,
             took.count());
  EXPECT_EQ(status_of(mirror).at("recovery").at("marks"), 50);
  EXPECT_TRUE(mirror.trees_equal());
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Every kind of change of names, of which nothing was applied.
TEST_F(Recovery, G1_NamesThatWereChangedAreMadeGood) {
  MirrorMount mirror;
  make_tree(mirror.source(), 1000);
  make_directory(mirror.source("d1/sub"));
  write_file(mirror.source("d1/sub/file"), "in a subdirectory");
  mirror.start();
  mirror.wait();
  mirror.pause();
  rename_to(mirror.mount("d1/sub"), mirror.mount("d2/moved"));
  write_file(mirror.mount("d2/moved/file"), "changed after the move");
  write_file(mirror.mount("d2/moved/new"), "new");
  rename_to(mirror.mount("d3/f1"), mirror.mount("d4/f1"));
  std::filesystem::remove(mirror.mount("d3/f2"));
  make_directory(mirror.mount("made"));
  make_directory(mirror.mount("made/below"));
  write_file(mirror.mount("made/below/file"), "content");
  std::filesystem::remove_all(mirror.mount("d5"));
  rename_to(mirror.mount("d6"), mirror.mount("d7"), RENAME_EXCHANGE);
  change_mode(mirror.mount("d8"), 0700);
  change_mode(mirror.mount(), 0711);
  kill_and_start(mirror);
  ASSERT_NO_FATAL_FAILURE(expect_recovered(mirror, 400));  // what was moved is walked
  EXPECT_TRUE(mirror.trees_equal());
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Recovery, G1_KilledWhileItRecoversItBeginsAgain) {
  MirrorMount mirror;
  make_tree(mirror.source(), 1000);
  mirror.start();
  mirror.wait();
  mirror.pause();
  for (unsigned number = 0; number < 500; ++number) {
    write_file(mirror.mount(file_of(number)), "changed");
  }
  for (unsigned round = 0; round < 5; ++round) kill_and_start(mirror);
  ASSERT_NO_FATAL_FAILURE(expect_recovered(mirror, 500));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Everything that the journal has to be on the disk for, from several processes.
TEST_F(Recovery, G1_WithADurableJournalNothingIsLostEither) {
  MirrorMount mirror({.source = Filesystem::kExt4,
                      .replica = Filesystem::kExt4,
                      .options = {"--journal=durable"}});
  make_many_files(mirror.source("shared"), 100);
  for (unsigned round = 0; round < 4; ++round) {
    mirror.start();
    const unsigned marks = status_of(mirror).at("recovery").at("marks").get<unsigned>();
    mirror.wait();
    // An object that was left without a name may lie anywhere: then everything is marked.
    const unsigned compared = status_of(mirror).at("baseline").at("files_total").get<unsigned>();
    EXPECT_TRUE(round == 0 ? marks == 0 : marks > 0 || compared > 0) << "round " << round;
    Workers workers(3, [&](unsigned number) {
      RandomWriter writer(mirror.mount("shared"), round * 10 + number);
      try {
        for (;;) writer.step();
      } catch (const std::system_error&) {
        // The mount is gone.
      }
    });
    std::this_thread::sleep_for(milliseconds(700));
    mirror.crash();
    workers.kill();
  }
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.mount_shows_source());
  mirror.stop();
}

/// The first baseline was never finished: the marks alone are not enough.
TEST_F(Recovery, G1_KilledInTheFirstBaselineAllIsCompared) {
  MirrorMount mirror;
  make_tree(mirror.source(), 5000);
  mirror.start();
  mirror.pause();
  write_file(mirror.mount("d0/f0"), "changed");
  kill_and_start(mirror);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Another boot is what a changed boot id in the journal stands for: after a power cut a journal
/// that is not synced counts for nothing.
TEST_F(Recovery, G1_AfterAnotherBootBothTreesAreCompared) {
  MirrorMount mirror;
  make_tree(mirror.source(), 500);
  mirror.start();
  mirror.wait();
  mirror.pause();
  write_file(mirror.mount("d0/f0"), "changed");
  mirror.crash();
  // The replica lost what was never synced, as after a power cut.
  write_file(mirror.replica("d1/f1"), "lost content ..");
  for (const auto& file : std::filesystem::directory_iterator(mirror.state_directory())) {
    if (file.path().extension() == ".marks") std::filesystem::remove(file.path());
  }
  mirror.start();
  mirror.wait();
  EXPECT_GT(status_of(mirror).at("baseline").at("files_done").get<unsigned>(), 400U);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Recovery, G1_WhatWasChangedBehindTheMountAfterACleanStopIsFoundByItsChangeTime) {
  MirrorMount mirror;
  make_tree(mirror.source(), 100);
  mirror.start();
  mirror.wait();
  mirror.stop();
  const Path file = mirror.source(file_of(7));
  const struct stat before = stat_of(file);
  write_file(file, "FILE 00000007");
  const timespec times[2] = {before.st_atim, before.st_mtim};
  check(::utimensat(AT_FDCWD, file.c_str(), times, 0), "utimensat", file);
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Two state directories in turn: what the first says of a clean stop is not of the last session.
TEST_F(Recovery, G1_ACleanStopInAnotherStateDirectoryIsNotBelieved) {
  MirrorMount mirror;
  make_tree(mirror.source(), 100);
  mirror.start();
  mirror.wait();
  mirror.stop();
  const std::string other = "--state-dir=" + (mirror.base() / "other-state").string();
  mirror.start({other});
  mirror.wait();
  mirror.pause();
  write_file(mirror.mount(file_of(7)), "FILE 00000007");
  mirror.crash();
  mirror.start({"--check=none"});
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
