// What reaches the log: one line for each call, whatever names are in it, in a file that logrotate
// may rename.
#include "mirrorfs/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "mirrorfs/error.h"
#include "mirrorfs/printable.h"
#include "mirrorfs/repeat_limit.h"
#include "mirrorfs/unique_fd.h"
#include "temporary_directory.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;
using testing::TemporaryDirectory;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Printable, ShowsTextAsItIsAndTheRestByteByByte) {
  EXPECT_EQ(printable("plain ä € 𝄞"), "plain ä € 𝄞");
  EXPECT_EQ(printable("a\nb\x1b[2J\\\x7f"), "a\\x0ab\\x1b[2J\\x5c\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3") << "not UTF-8";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "an overlong form";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xc2\x85"), "\\xc2\\x85") << "NEL, which ends a line for some";
  EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8") << "a line separator";
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            "\\xe2\\x80\\xaegpj")
      << "written backwards";
}

TEST(Printable, IsUtf8ForWhateverComes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second), '\xe2'};
      ASSERT_TRUE(is_utf8(printable(text))) << first << ", " << second;
    }
  }
}

class LogFile : public ::testing::Test {
 protected:
  void TearDown() override { ASSERT_TRUE(configure_log({})); }
  void log_to(const std::string& name) {
    file_ = directory_.path() / name;
    ASSERT_TRUE(configure_log({.target = LogTarget::kFile, .file = file_.string()}));
  }
  TemporaryDirectory directory_;
  std::filesystem::path file_;
};

TEST_F(LogFile, ANameCannotForgeALine) {
  log_to("log");
  log_warn("cannot take '{}'", "x\n2026-01-01 00:00:00.000 [1] info: state: in-sync");
  log_line(LogLevel::kInfo, "a\rb");
  const std::string log = content_of(file_);
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
  EXPECT_NE(log.find("'x\\x0a2026-01-01"), std::string::npos) << log;
  EXPECT_EQ(log.find('\r'), std::string::npos) << log;
}

TEST_F(LogFile, IsOpenedAnewUnderItsName) {
  log_to("log");
  log_info("before");
  std::filesystem::rename(file_, directory_.path() / "log.1");
  log_info("to the renamed one");
  EXPECT_TRUE(reopen_log_file());
  log_info("after");
  EXPECT_NE(content_of(directory_.path() / "log.1").find("to the renamed one"), std::string::npos);
  EXPECT_EQ(content_of(directory_.path() / "log.1").find("after"), std::string::npos);
  EXPECT_NE(content_of(file_).find("after"), std::string::npos);
}

TEST_F(LogFile, StaysTheOldOneWhereTheNewCannotBeOpened) {
  log_to("log");
  std::filesystem::rename(file_, directory_.path() / "log.1");
  std::filesystem::create_directory(file_);
  EXPECT_FALSE(reopen_log_file());
  log_info("still here");
  EXPECT_NE(content_of(directory_.path() / "log.1").find("still here"), std::string::npos);
}

TEST_F(LogFile, TakesAnotherLevelAtOnce) {
  log_to("log");
  log_debug("too much");
  set_log_level(LogLevel::kDebug);
  log_debug("asked for");
  EXPECT_EQ(content_of(file_).find("too much"), std::string::npos);
  EXPECT_NE(content_of(file_).find("asked for"), std::string::npos);
}

TEST_F(LogFile, HasOneOfManyLinesOfAKind) {
  log_to("log");
  for (int i = 0; i < 260; ++i) {
    log_repeating(LogLevel::kWarn, "a full disk", "file" + std::to_string(i));
  }
  log_repeating(LogLevel::kWarn, "something else", "another");
  const std::string log = content_of(file_);
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
  EXPECT_NE(log.find("file0"), std::string::npos);
  EXPECT_NE(log.find("another"), std::string::npos);
}

/// Standard error as the journal has it, while this lives.
class StandardErrorIsTheJournal {
 public:
  explicit StandardErrorIsTheJournal(const std::filesystem::path& file)
      : kept_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    const UniqueFd target(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::dup2(target.get(), STDERR_FILENO);
    struct stat status{};
    ::fstat(STDERR_FILENO, &status);
    ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", status.st_dev, status.st_ino).c_str(), 1);
  }
  ~StandardErrorIsTheJournal() {
    ::dup2(kept_.get(), STDERR_FILENO);
    ::unsetenv("JOURNAL_STREAM");
  }
  StandardErrorIsTheJournal(const StandardErrorIsTheJournal&) = delete;
  StandardErrorIsTheJournal& operator=(const StandardErrorIsTheJournal&) = delete;

 private:
  UniqueFd kept_;
};

TEST_F(LogFile, TellsTheJournalPriorities) {
  file_ = directory_.path() / "journal";
  {
    const StandardErrorIsTheJournal journal(file_);
    ASSERT_TRUE(configure_log({.level = LogLevel::kDebug, .file = {}}));
    log_error("one");
    log_warn("two");
    log_info("three");
    log_debug("four");
  }
  EXPECT_EQ(content_of(file_), "<3>one\n<4>two\n<6>three\n<7>four\n");
}

TEST(RepeatLimit, CountsWhatItLeavesOut) {
  RepeatLimit limit(2, 60s);
  const auto start = RepeatLimit::Clock::now();
  EXPECT_EQ(limit.admit("a", start), 0U);
  EXPECT_EQ(limit.admit("a", start + 1s), 0U);
  EXPECT_EQ(limit.admit("a", start + 2s), std::nullopt);
  EXPECT_EQ(limit.admit("b", start + 2s), 0U);
  EXPECT_EQ(limit.admit("a", start + 59s), std::nullopt);
  EXPECT_EQ(limit.admit("a", start + 60s), 2U);
  EXPECT_EQ(limit.admit("a", start + 61s), 0U);
  EXPECT_EQ(limit.admit("a", start + 62s), std::nullopt);
}

TEST(RepeatLimit, ForgetsKindsRatherThanGrowWithoutEnd) {
  RepeatLimit limit(1, 60s);
  const auto start = RepeatLimit::Clock::now();
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(limit.admit(std::to_string(i), start), 0U);
  }
}

TEST(ErrorMessage, SaysWhatAnAttributeThatIsTooLargeReallyIs) {
  EXPECT_EQ(
      (Error{ENOSPC, "setxattr", "user.x"}).message(),
      "setxattr 'user.x': too large an attribute for this filesystem, or it is full (No space "
      "left on device)");
  EXPECT_EQ((Error{E2BIG, "fsetxattr", "user.x"}).message(),
            "fsetxattr 'user.x': too large an attribute (Argument list too long)");
  EXPECT_EQ((Error{ENOSPC, "write", "x"}).message(), "write 'x': No space left on device");
}

TEST(ErrorMessage, SaysWhatCanBeDoneAboutAnOwnersRight) {
  const std::string message = (Error{EPERM, "fchmod", {}}).message();
  EXPECT_TRUE(message.starts_with("fchmod: Operation not permitted (")) << message;
  const char* const advice = ::geteuid() == 0 ? "lsattr" : "run as root";
  EXPECT_NE(message.find(advice), std::string::npos) << message;
  EXPECT_EQ((Error{EPERM, "mknodat", "x"}).message(), "mknodat 'x': Operation not permitted");
}

}  // namespace
}  // namespace mirrorfs
