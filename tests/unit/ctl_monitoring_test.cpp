// What mirrorctl check makes of a mount, and the text for Prometheus.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "fs/control/fstab.h"
#include "fs/control/names_json.h"
#include "fs/ctl/health.h"
#include "fs/ctl/metrics.h"
#include "temporary_directory.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

MountReport served(const std::string& state, double lag, const std::string& mount = "/m") {
  return {.mount = mount,
          .presence = Presence::kServed,
          .detail = {},
          .status = {{"state", state}, {"lag_seconds", lag}, {"cause", "the cause"}}};
}

MountReport missing(Presence presence) {
  return {.mount = "/gone", .presence = presence, .detail = "the detail", .status = json()};
}

TEST(Health, IsGoodOnlyWhereTheReplicaHasEverythingOfLate) {
  EXPECT_EQ(health_of(served("in-sync", 0), 60).code, 0);
  EXPECT_EQ(health_of(served("lagging", 59), 60).code, 0);
  EXPECT_EQ(health_of(served("lagging", 61), 60).code, 1);
  EXPECT_EQ(health_of(served("catching-up", 61), 60).code, 1);
  EXPECT_EQ(health_of(served("in-sync", 61), 60).code, 1);
  for (const char* state : {"baseline", "degraded", "paused", "a state of later"}) {
    EXPECT_EQ(health_of(served(state, 0), 60).code, 1) << state;
  }
  EXPECT_EQ(health_of(missing(Presence::kDraining), 60).code, 1);
  for (const Presence presence : {Presence::kDetached, Presence::kElsewhere, Presence::kHung,
                                  Presence::kDead, Presence::kAbsent}) {
    EXPECT_EQ(health_of(missing(presence), 60).code, 2) << to_string(presence);
  }
}

TEST(Health, OfAllIsTheWorstInOneLine) {
  EXPECT_EQ(health_of_all({}, 60).code, 2) << "nothing at all is not good";
  const std::vector<MountReport> good = {served("in-sync", 0, "/a"), served("in-sync", 0, "/b")};
  EXPECT_EQ(health_of_all(good, 60).code, 0);
  EXPECT_EQ(health_of_all(good, 60).why, "OK: all 2 mirrors are good");
  const std::vector<MountReport> mixed = {served("in-sync", 0, "/a"), served("degraded", 5, "/b\n"),
                                          missing(Presence::kDead)};
  const Health health = health_of_all(mixed, 60);
  EXPECT_EQ(health.code, 2);
  EXPECT_EQ(health.why,
            "CRITICAL: '/gone' dead: the detail; '/b\\x0a' degraded: the cause (lag 5.0 s); "
            "1 of 3 mirrors are good");
}

TEST(NamesInJson, ThatAreNotUtf8ComeInBase64Too) {
  json object;
  control::put_name(object, "path", "plain");
  EXPECT_EQ(object, json({{"path", "plain"}}));
  const std::string bytes("\xff\x00\xfe", 3);
  object = json();
  control::put_name(object, "path", bytes);
  EXPECT_EQ(object, json({{"path", "\\xff\\x00\\xfe"}, {"path_base64", "/wD+"}}));
  EXPECT_EQ(control::name_from(object, "path"), bytes);
  EXPECT_EQ(control::base64(""), "");
  EXPECT_EQ(control::base64("f"), "Zg==");
  EXPECT_EQ(control::base64("fo"), "Zm8=");
  EXPECT_EQ(control::base64("foobar"), "Zm9vYmFy");
}

TEST(Fstab, NamesTheMirrorsThatAreWantedAtBoot) {
  const testing::TemporaryDirectory directory;
  const auto path = directory.path() / "fstab";
  std::ofstream(path) << "# a comment\n"
                         "/a /mnt/a mirrorfs dst=/r/a,nofail 0 0\n"
                         "/b /mnt/b\\040b fuse.mirrorfs mode=fsync,dst=\"/r/b,c\" 0 0\n"
                         "/c /mnt/c mirrorfs noauto,dst=/r/c 0 0\n"
                         "/d /mnt/d mirrorfs dst=/r/d,x-systemd.automount 0 0\n"
                         "/e /mnt/e ext4 defaults 0 0\n";
  ::setenv("LIBMOUNT_FSTAB", path.c_str(), 1);
  const auto lines = control::mirrors_in_fstab();
  ::unsetenv("LIBMOUNT_FSTAB");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].mount_point, "/mnt/a");
  EXPECT_EQ(lines[0].replica, "/r/a");
  EXPECT_EQ(lines[1].mount_point, "/mnt/b b");
  EXPECT_EQ(lines[1].replica, "/r/b,c");
}

/// Prometheus' text format, strictly: each metric has HELP and TYPE once and before its samples,
/// and all of its samples together; no sample comes twice. Yields the samples.
std::map<std::string, double> parse_metrics(const std::string& text) {
  static const std::regex help(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+))");
  static const std::regex type(R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge))");
  static const std::regex sample(
      R"re((([a-zA-Z_:][a-zA-Z0-9_:]*)\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\}) (-?[0-9.]+(e[+-]?[0-9]+)?))re");
  std::map<std::string, double> samples;
  std::set<std::string> begun;
  std::string current, announced;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      EXPECT_TRUE(begun.insert(match[1]).second) << "twice: " << line;
      announced = match[1];
    } else if (std::regex_match(line, match, type)) {
      EXPECT_EQ(match[1], announced) << line;
      current = match[1];
      const bool counts = std::string(match[1]).ends_with("_total");
      EXPECT_EQ(match[2] == "counter", counts) << line;
    } else if (std::regex_match(line, match, sample)) {
      EXPECT_EQ(match[2], current) << "out of its group: " << line;
      EXPECT_TRUE(samples.emplace(match[1], std::stod(match[6])).second) << "twice: " << line;
    } else {
      ADD_FAILURE() << "not of the format: " << line;
    }
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return samples;
}

TEST(Metrics, AreOfTheFormatWhateverTheNames) {
  MountReport odd = served("degraded", 12.5, "/we\"ird\\\n\xff");
  odd.status["marks"] = 260;
  odd.status["baseline"] = {{"running", true}, {"files_done", 7}};
  odd.status["replica_free_bytes"] = json();
  odd.status["state_seconds"] = {{"degraded", 3.25}};
  odd.status["completed_seq"] = 12345678901234567ULL;
  odd.status["source"] = "/s";
  const auto samples = parse_metrics(metrics_text(std::vector{odd, missing(Presence::kDead)}));
  const std::string mount = R"(mount="/we\"ird\\x5c\\x0a\\xff")";
  EXPECT_EQ(samples.at("mirrorfs_up{" + mount + "}"), 1);
  EXPECT_EQ(samples.at("mirrorfs_up{mount=\"/gone\"}"), 0);
  EXPECT_EQ(samples.at("mirrorfs_presence{mount=\"/gone\",presence=\"dead\"}"), 1);
  EXPECT_EQ(samples.at("mirrorfs_lag_seconds{" + mount + "}"), 12.5);
  EXPECT_EQ(samples.at("mirrorfs_marks{" + mount + "}"), 260);
  EXPECT_EQ(samples.at("mirrorfs_baseline_running{" + mount + "}"), 1);
  EXPECT_EQ(samples.at("mirrorfs_baseline_files_done{" + mount + "}"), 7);
  EXPECT_EQ(samples.at("mirrorfs_state{" + mount + ",state=\"degraded\"}"), 1);
  EXPECT_EQ(samples.at("mirrorfs_state{" + mount + ",state=\"in-sync\"}"), 0);
  EXPECT_EQ(samples.at("mirrorfs_state_seconds_total{" + mount + ",state=\"degraded\"}"), 3.25);
  EXPECT_EQ(samples.count("mirrorfs_replica_free_bytes{" + mount + "}"), 0U)
      << "not known is not 0";
}

TEST(Metrics, OfNothingAreNone) { EXPECT_TRUE(parse_metrics(metrics_text({})).empty()); }

}  // namespace
}  // namespace mirrorfs::ctl
