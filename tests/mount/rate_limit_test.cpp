// --rate-limit on a real mount: the baseline keeps to it, `mirrorctl set` changes it, and what
// applications do meanwhile does not wait (G3, G6).
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "calls.h"
#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr std::size_t kFiles = 24;
constexpr std::size_t kFile = 256 << 10;

class RateLimit : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

bool arrives(const Path& file, const std::string& content) {
  return eventually([&] { return std::filesystem::exists(file) && read_file(file) == content; });
}

void fill(const MirrorMount& mirror) {
  make_directory(mirror.source("d"));
  for (std::size_t i = 0; i < kFiles; ++i) {
    write_file(mirror.source("d/file" + std::to_string(i)), std::string(kFile, 'x'));
  }
}

double seconds_of_baseline(const std::string& rate) {
  MirrorMount mirror({.options = {"--rate-limit=" + rate}});
  fill(mirror);
  const auto began = std::chrono::steady_clock::now();
  mirror.start();
  mirror.wait();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  return took.count();
}

TEST_F(RateLimit, AnEighthOfTheRateTakesMuchLonger) {
  const double fast = seconds_of_baseline("8M");
  const double slow = seconds_of_baseline("1M");
  EXPECT_GT(slow / fast, 2) << slow << " s and " << fast << " s for 6 MiB at 1 and 8 MiB/s";
}

TEST_F(RateLimit, IsToldAndChangedAndKeepsNobodyWaiting) {
  MirrorMount mirror({.options = {"--mode=fsync", "-o", "rate-limit=1K"}});
  fill(mirror);
  mirror.start();
  EXPECT_EQ(nlohmann::json::parse(mirror.status().json).at("rate_limit"), 1024);
  const std::string text = mirror.ctl({"status", mirror.mount()}).out;
  EXPECT_NE(text.find("1.0 KiB/s for the baseline"), std::string::npos) << text;
  write_file(mirror.mount("new"), "new");
  EXPECT_TRUE(arrives(mirror.replica("new"), "new"))
      << "what is live does not wait for the baseline";
  EXPECT_TRUE(mirror.status().baseline_running) << mirror.status().json;
  write_file(mirror.mount("d/new"), "new");
  EXPECT_TRUE(arrives(mirror.replica("d/new"), "new")) << "not even where the baseline is at work";
  const Finished set = mirror.ctl({"set", mirror.mount(), "rate-limit=off"});
  EXPECT_EQ(set.exit_code, 0) << set.err;
  EXPECT_NE(set.out.find("rate-limit=0"), std::string::npos) << set.out;
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(nlohmann::json::parse(mirror.status().json).at("rate_limit"), 0);
  mirror.stop();
}

TEST_F(RateLimit, AWaitForSomePathsDoesNotWaitForTheBaseline) {
  MirrorMount mirror({.options = {"--rate-limit=1K"}});
  fill(mirror);
  make_directory(mirror.source("e"));
  write_file(mirror.source("e/old"), "");
  mirror.start();
  const std::string mount = mirror.mount();
  const auto wait = [&](std::vector<std::string> paths, const std::string& seconds) {
    paths.insert(paths.begin(), {"wait", mount, "--timeout=" + seconds});
    return mirror.ctl(paths);
  };
  write_file(mirror.mount("e/n\xff"), "new");
  const Finished both = wait({"e/n\xff", mount + "/e/old"}, "30");
  EXPECT_EQ(both.exit_code, 0) << both.err;
  EXPECT_EQ(read_file(mirror.replica("e/n\xff")), "new");
  EXPECT_EQ(read_file(mirror.replica("e/old")), "");
  EXPECT_EQ(wait({"./e/"}, "30").exit_code, 0);
  EXPECT_TRUE(mirror.status().baseline_running) << mirror.status().json;
  EXPECT_EQ(wait({"d"}, "1").exit_code, 1);
  const Finished outside = wait({"/etc"}, "1");
  EXPECT_EQ(outside.exit_code, 2);
  EXPECT_NE(outside.err.find("'/etc' is not in"), std::string::npos) << outside.err;
  EXPECT_EQ(wait({"../x"}, "1").exit_code, 2);
  EXPECT_EQ(mirror.ctl({"set", mount, "rate-limit=off"}).exit_code, 0);
  EXPECT_EQ(wait({"d"}, "30").exit_code, 0);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
