#include "fs/common/quantity.h"

#include <gtest/gtest.h>

#include "fs/daemon/mount_options.h"

namespace mirrorfs {
namespace {

TEST(ParseSize, TakesPowersOf1024InEitherCase) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("64K"), 65536U);
  EXPECT_EQ(parse_size("64k"), 65536U);
  EXPECT_EQ(parse_size("256M"), 256ULL << 20);
  EXPECT_EQ(parse_size("3G"), 3ULL << 30);
}

TEST(ParseSize, TakesTheLargestThatFitsAndNothingLarger) {
  EXPECT_EQ(parse_size("18446744073709551615"), ~0ULL);
  EXPECT_EQ(parse_size("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_size("17179869183G"), 17179869183ULL << 30);
  EXPECT_EQ(parse_size("17179869184G"), std::nullopt);
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* const text :
       {"", "K", "-1", "+1", " 1", "1 ", "1.5M", "0x10", "1KB", "1T", "M1"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(ParsePeriod, TakesOneUnitFromASecondToAYear) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_period("45"), 45s);
  EXPECT_EQ(parse_period("45s"), 45s);
  EXPECT_EQ(parse_period("90m"), 90min);
  EXPECT_EQ(parse_period("12h"), 12h);
  EXPECT_EQ(parse_period("7d"), 168h);
  EXPECT_EQ(parse_period("2w"), 336h);
  EXPECT_EQ(parse_period("366d"), 8784h);
  for (const char* const text : {"", "0", "0d", "-1", "d", "1.5h", "1h30m", "367d", "1y", "7 d"}) {
    EXPECT_EQ(parse_period(text), std::nullopt) << text;
  }
}

TEST(ParsePeriod, IsToldAsItWasGiven) {
  for (const char* const text : {"45s", "90m", "12h", "7d"}) {
    EXPECT_EQ(period_text(parse_period(text).value()), text);
  }
  EXPECT_EQ(period_text(parse_period("2w").value()), "14d");
}

TEST(ParseSeconds, TakesFractionsButNothingNegativeOrEndless) {
  EXPECT_EQ(parse_seconds("0"), 0.0);
  EXPECT_EQ(parse_seconds("1.5"), 1.5);
  for (const char* const text : {"", "-1", "-0", "inf", "nan", "1s", "1e3"}) {
    EXPECT_EQ(parse_seconds(text), std::nullopt) << text;
  }
}

TEST(ParseCount, StopsAtTheMost) {
  EXPECT_EQ(parse_count("1024", 1024), 1024U);
  EXPECT_EQ(parse_count("1025", 1024), std::nullopt);
}

TEST(OptionList, EscapesSurviveSplitting) {
  EXPECT_EQ(split_option_list("a,b=c\\,d,e\\\\"), (std::vector<std::string>{"a", "b=c,d", "e\\"}));
  for (const char* const option : {"plain", "fsname=a,b", "fsname=\\,\\", "\\"}) {
    EXPECT_EQ(split_option_list(escape_option(option)), std::vector<std::string>{option});
  }
}

TEST(MountOptions, AreSortedByWhoReadsThem) {
  EXPECT_EQ(classify_mount_option("allow_other"), MountOptionKind::kPassedOn);
  EXPECT_EQ(classify_mount_option("fsname=x"), MountOptionKind::kPassedOn);
  EXPECT_EQ(classify_mount_option("max_read=4096"), MountOptionKind::kRefused);
  EXPECT_EQ(classify_mount_option("relatime"), MountOptionKind::kDropped);
  EXPECT_EQ(classify_mount_option("x-systemd.requires=a.mount"), MountOptionKind::kDropped);
  EXPECT_EQ(classify_mount_option("user=anna"), MountOptionKind::kDropped);
  EXPECT_EQ(classify_mount_option("allow_others"), MountOptionKind::kUnknown);
  EXPECT_EQ(classify_mount_option("ro=1"), MountOptionKind::kUnknown);
}

TEST(MountOptions, ThatCannotBeDoneAreRefusedWithTheReason) {
  for (const char* const option :
       {"auto_unmount", "max_read=4096", "strictatime", "norelatime", "lazytime", "quiet"}) {
    EXPECT_EQ(classify_mount_option(option), MountOptionKind::kRefused) << option;
    EXPECT_FALSE(why_refused(option).empty()) << option;
  }
  EXPECT_TRUE(why_refused("ro").empty());
}

}  // namespace
}  // namespace mirrorfs
