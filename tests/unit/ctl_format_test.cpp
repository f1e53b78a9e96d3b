// What mirrorctl prints.
#include "fs/ctl/format.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "fs/ctl/terminal.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

TEST(HumanBytes, HasFourDigitsAtMost) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024.0 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(3.4 * 1024 * 1024 * 1024), "3.4 GiB");
}

TEST(HumanDuration, HasTwoUnitsAtMost) {
  EXPECT_EQ(human_duration(0), "0.0 s");
  EXPECT_EQ(human_duration(0.42), "0.4 s");
  EXPECT_EQ(human_duration(12), "12 s");
  EXPECT_EQ(human_duration(59.6), "1 min 0 s");
  EXPECT_EQ(human_duration(200), "3 min 20 s");
  EXPECT_EQ(human_duration(5 * 3600 + 7 * 60 + 5), "5 h 7 min");
  EXPECT_EQ(human_duration(2 * 86400 + 3 * 3600), "2 d 3 h");
}

TEST(HumanCount, IsGrouped) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1,000");
  EXPECT_EQ(human_count(1234567), "1,234,567");
}

TEST(CutLines, KeepsEachWithinTheWidth) {
  EXPECT_EQ(cut_lines("short\nexactly ten\n", 11), "short\nexactly ten\n");
  EXPECT_EQ(cut_lines("short\nexactly ten\nend", 10), "short\nexactly t…\nend");
  EXPECT_EQ(cut_lines("äöüäöü", 6), "äöüäöü");
  EXPECT_EQ(cut_lines("äöüäöü", 4), "äöü…");
  EXPECT_EQ(cut_lines("", 4), "");
}

TEST(CutLines, DoesNotCountColorsAndEndsThem) {
  const std::string state = "/m: " + colored("in-sync", Color::kGreen);
  EXPECT_EQ(cut_lines(state, 11), state);
  EXPECT_EQ(cut_lines(state, 7), "/m: \x1b[32min…\x1b[0m");
  EXPECT_EQ(cut_lines(state + ", and more", 13), "/m: \x1b[32min-sync\x1b[0m,…");
  EXPECT_EQ(cut_lines("\x1b[3", 10), "\x1b[3") << "no end";
}

TEST(Printable, ShowsControlCharactersAsCodes) {
  EXPECT_EQ(printable("plain ä"), "plain ä");
  EXPECT_EQ(printable("a\nb\x1b[2J\\"), "a\\x0ab\\x1b[2J\\x5c");
}

json sample() {
  return {{"state", "baseline"},
          {"lag_seconds", 1.5},
          {"queued_ops", 1200},
          {"queued_bytes", 3 << 20},
          {"completed_seq", 10},
          {"applied_seq", 9},
          {"durable_seq", 8},
          {"marks", 3},
          {"errors_total", 2},
          {"last_error", "write 'x': No space left on device"},
          {"bytes_replicated_total", 1 << 30},
          {"ops_replicated_total", 5000},
          {"baseline",
           {{"running", true},
            {"files_done", 1204},
            {"files_total", 25000},
            {"bytes_done", 1 << 20},
            {"bytes_total", 1 << 30}}},
          {"failed", {{{"path", "dir/big"}, {"cause", "No space left on device"}}}},
          {"mode", "async"},
          {"io", "through"},
          {"transport", "dev"},
          {"source", "/s"},
          {"replica", "/d"},
          {"mount", "/m"},
          {"pid", 123},
          {"stopping", false},
          {"uptime_seconds", 60.0}};
}

TEST(HumanStatus, SaysEverythingThatMatters) {
  const std::string text = human_status(sample(), Rates{12, 2048});
  for (const char* const part :
       {"/m: baseline", "/s", "/d", "mode async, io through, transport dev", "1.5 s",
        "1,200 operations, 3.0 MiB", "5,000 operations, 1.0 GiB", "12 operations/s, 2.0 KiB/s",
        "1,204 of 25,000 files, 1.0 MiB of 1.0 GiB", "3 objects may differ",
        "No space left on device", "'dir/big'", "pid 123, up 1 min 0 s"}) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in:\n" << text;
  }
}

TEST(HumanStatus, ColorsTheStateIfAsked) {
  json status = sample();
  const auto first_line = [&](bool colors) {
    const std::string text = human_status(status, std::nullopt, colors);
    return text.substr(0, text.find('\n'));
  };
  status["state"] = "in-sync";
  EXPECT_EQ(first_line(false).find('\x1b'), std::string::npos);
  EXPECT_NE(first_line(true).find("\x1b[32min-sync\x1b[0m"), std::string::npos);
  status["state"] = "degraded";
  EXPECT_NE(first_line(true).find("\x1b[31mdegraded\x1b[0m"), std::string::npos);
  status["state"] = "catching-up";
  EXPECT_NE(first_line(true).find("\x1b[33mcatching-up\x1b[0m"), std::string::npos);
}

TEST(Terminal, AFileIsNone) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  ASSERT_TRUE(file);
  EXPECT_FALSE(is_terminal(file.get()));
  EXPECT_FALSE(wants_colors(file.get()));
}

TEST(HumanStatus, LeavesOutWhatIsInOrder) {
  json status = sample();
  status["state"] = "in-sync";
  status["marks"] = status["errors_total"] = 0;
  status["failed"] = json::array();
  status["baseline"]["running"] = false;
  const std::string text = human_status(status, std::nullopt);
  for (const char* const part : {"baseline", "marks", "errors", "failed", "/s;"}) {
    EXPECT_EQ(text.find(part), std::string::npos) << "'" << part << "' is in:\n" << text;
  }
  EXPECT_NO_THROW((void)human_status(json::object(), std::nullopt));
}

TEST(Rates, AreTakenBetweenStatusesOfOneDaemon) {
  json earlier = sample();
  json later = sample();
  later["uptime_seconds"] = 62.0;
  later["ops_replicated_total"] = 5010;
  const auto rates = rates_between(earlier, later);
  ASSERT_TRUE(rates);
  EXPECT_DOUBLE_EQ(rates->operations, 5);
  EXPECT_DOUBLE_EQ(rates->bytes, 0);
  later["pid"] = 124;
  EXPECT_FALSE(rates_between(earlier, later));
}

TEST(VerifyFormat, ListsDifferencesAndCountsThoseNotListed) {
  VerifyReport report;
  report.differences = {{"a/b", "content"}, {"", "mode 0755 != 0700"}};
  report.differences_total = 12;
  report.failures = {{"c", "Permission denied"}};
  const std::string text = human_verify(report, false);
  for (const char* const part : {"a/b: content\n", ".: mode 0755 != 0700\n", "10 more",
                                 "c: failed: Permission denied", "12 differences, 1 failures"}) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in:\n" << text;
  }
  EXPECT_NE(human_verify(report, true).find("12 differences repaired"), std::string::npos);
  const json body = verify_json(report);
  EXPECT_EQ(body["identical"], false);
  EXPECT_EQ(body["differences_total"], 12);
  EXPECT_EQ(body["differences"][0]["path"], "a/b");
}

TEST(VerifyFormat, OfEqualTreesIsOneLine) {
  VerifyReport report;
  report.compared = {.objects = 3, .directories = 1, .files = 2, .bytes = 2048};
  EXPECT_EQ(human_verify(report, false),
            "identical: 3 objects (1 directories, 2 files with 2.0 KiB)\n");
}

SyncReport sample_sync() {
  SyncReport report;
  report.ring = {.enters = 10,
                 .operations = 1250,
                 .direct_calls = 1,
                 .offloads = 2,
                 .wakes = 3,
                 .retries = 4,
                 .by_opcode = {{"openat2", 1200}, {"statx", 50}}};
  return report;
}

TEST(SyncFormat, StatsSayWhatWasAskedOfTheKernel) {
  const std::string text = human_sync(sample_sync(), false, true);
  for (const char* const part : {"1,250 operations in 10 calls, 125.0 each", " openat2 1,200",
                                 " statx 50", "3 calls on helper threads"}) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in:\n" << text;
  }
  EXPECT_EQ(human_sync(sample_sync(), false, false), "");
}

TEST(SyncFormat, NamesEachObjectThatFailedWithItsCause) {
  SyncReport report;
  EXPECT_EQ(sync_failures(report), "");
  report.failures = {{"a/b", "open: Permission denied"}, {"c\n", "read: Input/output error"}};
  const std::string text = sync_failures(report);
  EXPECT_TRUE(
      text.starts_with("mirrorctl: sync: 'a/b': open: Permission denied\n"
                       "mirrorctl: sync: 'c\\x0a': read: Input/output error\n"
                       "mirrorctl: sync: 2 objects failed"))
      << text;
}

TEST(SyncFormat, JsonHasTheRingsCounters) {
  const json ring = sync_json(sample_sync())["ring"];
  const json expected = {
      {"enters", 10},
      {"operations", 1250},
      {"direct_calls", 1},
      {"offloads", 2},
      {"wakes", 3},
      {"retries", 4},
      {"by_opcode", {{"openat2", 1200}, {"statx", 50}}},
  };
  EXPECT_EQ(ring, expected);
}

}  // namespace
}  // namespace mirrorfs::ctl
