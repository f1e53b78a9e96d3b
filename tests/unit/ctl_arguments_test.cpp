// The command line of mirrorctl.
#include "fs/ctl/arguments.h"

#include <gtest/gtest.h>

#include <sstream>

namespace mirrorfs::ctl {
namespace {

using Command = Arguments::Command;

std::expected<Arguments, std::string> parse(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return parse_arguments(words);
}

struct GoodCase {
  const char* line;
  bool (*holds)(const Arguments&);
};

class GoodCtlArguments : public testing::TestWithParam<GoodCase> {};

TEST_P(GoodCtlArguments, AreUnderstood) {
  const auto arguments = parse(GetParam().line);
  ASSERT_TRUE(arguments) << arguments.error();
  EXPECT_TRUE(GetParam().holds(*arguments)) << GetParam().line;
}

using A = const Arguments&;

INSTANTIATE_TEST_SUITE_P(
    CommandLine, GoodCtlArguments,
    testing::Values(
        GoodCase{"status", [](A a) { return a.command == Command::kStatus && a.paths.empty(); }},
        GoodCase{"status m --json", [](A a) { return a.json && !a.watch && a.paths[0] == "m"; }},
        GoodCase{"status --watch m", [](A a) { return a.watch && a.paths[0] == "m"; }},
        GoodCase{"wait m", [](A a) { return a.command == Command::kWait && !a.timeout; }},
        GoodCase{"wait m --timeout=2.5", [](A a) { return a.timeout == 2.5; }},
        GoodCase{"wait m a /m/b --timeout=1",
                 [](A a) { return a.paths.size() == 3 && a.paths[2] == "/m/b"; }},
        GoodCase{"wait --timeout 0 m", [](A a) { return a.timeout == 0.0 && a.paths[0] == "m"; }},
        GoodCase{"verify m",
                 [](A a) { return a.command == Command::kVerify && a.paths.size() == 1; }},
        GoodCase{"verify --full s d --json --repair",
                 [](A a) { return a.full && a.json && a.repair && a.paths.size() == 2; }},
        GoodCase{"sync s d",
                 [](A a) { return a.command == Command::kSync && !a.full && !a.adopt; }},
        GoodCase{"sync s d --check=full --dry-run --progress --stats --adopt",
                 [](A a) { return a.full && a.dry_run && a.progress && a.stats && a.adopt; }},
        GoodCase{"sync s d --exclude=*.o --exclude build/",
                 [](A a) { return a.exclude == std::vector<std::string>{"*.o", "build/"}; }},
        GoodCase{"sync s d", [](A a) { return !a.exclude; }},
        GoodCase{"sync s d --check=quick", [](A a) { return !a.full; }},
        GoodCase{"set m mode=fsync queue-size=1G",
                 [](A a) { return a.paths.size() == 1 && a.settings.size() == 2; }},
        GoodCase{"set m -- a=-b", [](A a) { return a.settings[0] == "a=-b"; }},
        GoodCase{"verify - d", [](A a) { return a.paths[0] == "-" && a.paths[1] == "d"; }},
        GoodCase{"verify -h", [](A a) { return a.command == Command::kHelp; }},
        GoodCase{"pause m", [](A a) { return a.command == Command::kPause; }},
        GoodCase{"resume m", [](A a) { return a.command == Command::kResume; }},
        GoodCase{"status -- --json", [](A a) { return !a.json && a.paths[0] == "--json"; }},
        GoodCase{"--help", [](A a) { return a.command == Command::kHelp; }},
        GoodCase{"wait --help", [](A a) { return a.command == Command::kHelp; }},
        GoodCase{"-V", [](A a) { return a.command == Command::kVersion; }}));

struct BadCase {
  const char* line;
  std::vector<const char*> message_has;
};

class BadCtlArguments : public testing::TestWithParam<BadCase> {};

TEST_P(BadCtlArguments, AreRefusedInOneLineThatNamesThem) {
  const auto arguments = parse(GetParam().line);
  ASSERT_FALSE(arguments) << GetParam().line;
  EXPECT_EQ(arguments.error().find('\n'), std::string::npos);
  for (const char* const part : GetParam().message_has) {
    EXPECT_NE(arguments.error().find(part), std::string::npos)
        << "'" << part << "' is not in: " << arguments.error();
  }
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, BadCtlArguments,
    testing::Values(BadCase{"", {"no command", "status"}}, BadCase{"frob", {"'frob'", "verify"}},
                    BadCase{"wait", {"MNT missing", "usage"}},
                    BadCase{"wait m --timeout", {"--timeout needs a value"}},
                    BadCase{"wait m --timeout=soon", {"--timeout=soon", "seconds"}},
                    BadCase{"wait m --timeout=-1", {"--timeout=-1"}},
                    BadCase{"wait m --json", {"--json", "unknown option", "usage"}},
                    BadCase{"wait m --time=1", {"--time", "unknown option"}},
                    BadCase{"wait m --timeout=", {"--timeout"}},
                    BadCase{"set m", {"OPTION=VALUE missing"}},
                    BadCase{"pause --positional=m", {"--positional", "unknown option"}},
                    BadCase{"sync --positional s --positional d", {"--positional", "unknown"}},
                    BadCase{"status a b", {"'b'", "too many"}},
                    BadCase{"status --json=yes", {"--json takes no value"}},
                    BadCase{"status -x", {"-x", "unknown option"}},
                    BadCase{"verify", {"MNT missing"}}, BadCase{"verify a b c", {"'c'"}},
                    BadCase{"sync", {"SRC and DST missing"}}, BadCase{"sync s", {"DST missing"}},
                    BadCase{"sync s d --check=deep", {"--check=deep", "quick or full"}},
                    BadCase{"sync s d --json --progress", {"--json", "--progress"}},
                    BadCase{"pause", {"MNT missing"}}, BadCase{"resume m --all", {"--all"}}));

}  // namespace
}  // namespace mirrorfs::ctl
