// What --progress shows.
#include "fs/ctl/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ctl {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

constexpr BaselineProgress kHalf{.running = true,
                                 .files_done = 1000,
                                 .files_total = 2000,
                                 .bytes_done = 20 << 20,
                                 .bytes_total = 40 << 20};
constexpr BaselineProgress kEnd{.running = false,
                                .files_done = 2000,
                                .files_total = 2000,
                                .bytes_done = 40 << 20,
                                .bytes_total = 40 << 20};

TEST(Progress, TellsFilesBytesRateAndTimeLeft) {
  EXPECT_EQ(progress_line(kHalf, 10),
            "1,000 of 2,000 objects, 20.0 MiB of 40.0 MiB, 2.0 MiB/s, 10 s left");
  EXPECT_EQ(progress_line(kEnd, 20),
            "2,000 of 2,000 objects, 40.0 MiB of 40.0 MiB, 2.0 MiB/s, 20 s");
}

TEST(Progress, TimeLeftIsThatOfWhatIsFurtherBehind) {
  BaselineProgress one_large_file = kHalf;
  one_large_file.files_done = 1999;
  one_large_file.bytes_done = 10 << 20;
  EXPECT_NE(progress_line(one_large_file, 10).find("30 s left"), std::string::npos);
}

TEST(Progress, NothingIsKnownAtFirst) {
  EXPECT_EQ(progress_line({.running = true}, 0), "0 of 0 objects, 0 B of 0 B");
  EXPECT_EQ(progress_bar({.running = true}, 1, 200).substr(0, 33),
            "[------------------------]   0 % ");
}

TEST(Progress, BarFillsUp) {
  EXPECT_EQ(progress_bar(kHalf, 10, 200).substr(0, 33), "[############------------]  50 % ");
  EXPECT_EQ(progress_bar(kEnd, 10, 200).substr(0, 33), "[########################] 100 % ");
}

TEST(Progress, WhatTheWalkHasNotFoundYetIsNotDone) {
  BaselineProgress early = kHalf;
  early.files_done = 1900;
  early.bytes_done = early.bytes_total;
  early.share_walked = 0.2;
  EXPECT_EQ(progress_line(early, 10),
            "1,900 of 2,000+ objects, 40.0 MiB of 40.0 MiB+, 4.0 MiB/s, 40 s left");
  EXPECT_EQ(progress_bar(early, 10, 200).substr(0, 33), "[####--------------------]  20 % ");
}

TEST(Progress, BarIsNoWiderThanTheTerminal) {
  const std::string line = "1,000 of 2,000 objects, 20.0 MiB of 40.0 MiB, 2.0 MiB/s, 10 s left";
  const auto at = [](std::size_t width) { return progress_bar(kHalf, 10, width); };
  EXPECT_EQ(at(100), "[############------------]  50 %  " + line);
  EXPECT_EQ(at(99), "[#####-----]  50 %  " + line);
  EXPECT_EQ(at(80), " 50 %  " + line);
  EXPECT_EQ(at(60), " 50 %  1,000 of 2,000 objects, 10 s left");
  EXPECT_EQ(at(30), " 50 %  1,000 of 2,000 objects");
  EXPECT_EQ(at(20), " 50 %");
  for (std::size_t width = 0; width < 120; ++width) EXPECT_LE(at(width).size(), width);
}

TEST(Progress, PrintsPlainLinesWhereThereIsNoTerminal) {
  const File out(std::tmpfile(), &std::fclose);
  ProgressPrinter printer(out.get());
  printer.show(kHalf);  // too early for a line
  printer.show(kEnd);
  std::rewind(out.get());
  char text[256] = {};
  const std::size_t size = std::fread(text, 1, sizeof(text) - 1, out.get());
  const std::string lines(text, size);
  EXPECT_TRUE(lines.starts_with("2,000 of 2,000 objects")) << lines;
  EXPECT_EQ(lines.find('\n'), lines.size() - 1) << lines;
  EXPECT_EQ(lines.find('\x1b'), std::string::npos) << lines;
}

/// A terminal hands over piece by piece: reads until the line ends, or nothing has come for a
/// while.
std::string read_line(int fd) {
  std::string text;
  pollfd readable{fd, POLLIN, 0};
  while (!text.ends_with('\n') && ::poll(&readable, 1, 5000) == 1) {
    char piece[1024];
    const ssize_t size = ::read(fd, piece, sizeof(piece));
    if (size <= 0) break;
    text.append(piece, static_cast<std::size_t>(size));
  }
  return text;
}

TEST(Progress, RedrawsOneLineOnATerminal) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) {
    GTEST_SKIP() << "no pseudo terminal";
  }
  char name[64];
  ASSERT_EQ(::ptsname_r(master.get(), name, sizeof(name)), 0);
  const File out(std::fopen(name, "we"), &std::fclose);
  ASSERT_TRUE(out);
  ::setenv("TERM", "xterm", 1);
  winsize size{};
  size.ws_col = 40;
  ASSERT_EQ(::ioctl(master.get(), TIOCSWINSZ, &size), 0);
  ProgressPrinter printer(out.get());
  printer.show(kHalf);
  printer.show(kEnd);
  const std::string shown = read_line(master.get());
  EXPECT_TRUE(shown.starts_with("\r\x1b[K 50 %  1,000 of")) << shown;
  EXPECT_EQ(shown.find('\n'), shown.size() - 1) << shown;
  EXPECT_LE(shown.find('\r', 1), 4U + 39U) << shown;
}

}  // namespace
}  // namespace mirrorfs::ctl
