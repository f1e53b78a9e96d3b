// gitignore's rules, by a table and beside git itself.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <random>

#include "engine/exclude/patterns.h"
#include "mirrorfs/exclude.h"
#include "temporary_directory.h"

namespace mirrorfs {
namespace {

using exclude::Patterns;

struct Case {
  const char* patterns;  ///< lines of a file
  const char* path;      ///< with a slash at its end: a directory
  bool excluded;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << '\'' << one.path << "' by '" << one.patterns << '\'';
}

Patterns patterns_of(const std::string& lines) {
  Patterns patterns;
  patterns.add_lines(lines);
  return patterns;
}

bool excludes(const Patterns& patterns, std::string path) {
  const bool directory = path.ends_with('/');
  if (directory) path.pop_back();
  return patterns.excludes(path, directory);
}

const Case kCases[] = {
    {"*.o", "a.o", true},
    {"*.o", "d/e/a.o", true},
    {"*.o", "a.c", false},
    {"/a", "a", true},
    {"/a", "d/a", false},
    {"d/a", "d/a", true},
    {"d/a", "e/d/a", false},
    {"a/", "a", false},
    {"a/", "a/", true},
    {"a/", "d/a/b", true},
    {"**/a", "d/e/a", true},
    {"**/a", "a", true},
    {"d/**", "d/", false},
    {"d/**", "d/a", true},
    {"d/**/a", "d/a", true},
    {"d/**/a", "d/e/f/a", true},
    {"d/**/a", "da", false},
    {"d/*/a", "d/e/a", true},
    {"d/*/a", "d/e/f/a", false},
    {"d/*", "d/e/a", true},
    {"a**/b", "ax/y/b", true},
    {"x*a**/b", "xxa/y/b", false},
    {"*\n!a", "a", false},
    {"*\n!a", "b", true},
    {"d/\n!d/a", "d/a", true},
    {"d/*\n!d/a", "d/a", false},
    {"/*\n!/d\n/d/*\n!/d/a", "d/a", false},
    {"/*\n!/d\n/d/*\n!/d/a", "d/b", true},
    {"!a\na", "a", true},
    {"[ab]", "b", true},
    {"[!ab]", "b", false},
    {"[^ab]", "c", true},
    {"[a-c]x", "bx", true},
    {"[]a]", "]", true},
    {"[a-]", "-", true},
    {"[[:digit:]]", "7", true},
    {"[[:digit:]", "7", false},
    {"[[:nothing:]]", "7", false},
    {"[a", "[a", false},
    {"d[/]a", "d/a", false},
    {"d?a", "d/a", false},
    {"d/?", "d/a", true},
    {"\\#a", "#a", true},
    {"#a", "#a", false},
    {"\\!a", "!a", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a\\", "a\\", false},
    {"a   ", "a", true},
    {"a\\ ", "a ", true},
    {"a\\ ", "a", false},
    {"a b", "a b", true},
    {"a\r\nb", "a", true},
    {"\xef\xbb\xbf"
     "a",
     "a", true},
    {"\n\n", "a", false},
    {"/", "a/", false},
    {"!", "a", false},
    {"a//", "a/", false},
    {"\xff*", "\xff\xfe", true},
};

class Excluded : public ::testing::TestWithParam<Case> {};

TEST_P(Excluded, ByTheTable) {
  const Case& one = GetParam();
  EXPECT_EQ(excludes(patterns_of(one.patterns), one.path), one.excluded);
}

INSTANTIATE_TEST_SUITE_P(Table, Excluded, ::testing::ValuesIn(kCases));

TEST(Patterns, OnTheCommandLineAreTakenAsTheyAre) {
  Patterns patterns;
  EXPECT_TRUE(patterns.add("#a"));
  EXPECT_TRUE(patterns.add("b "));
  EXPECT_FALSE(patterns.add(""));
  EXPECT_FALSE(patterns.add("/"));
  EXPECT_TRUE(patterns.excludes("#a", false));
  EXPECT_TRUE(patterns.excludes("b ", false));
  EXPECT_FALSE(patterns.excludes("b", false));
  EXPECT_EQ(patterns.list(), (std::vector<std::string>{"#a", "b "}));
}

TEST(Patterns, TakeNoTimeForWhatBacktracks) {
  std::string stars, text(4000, 'a');
  for (int i = 0; i < 60; ++i) stars += "*a";
  Patterns patterns;
  ASSERT_TRUE(patterns.add(stars + "b"));
  EXPECT_FALSE(patterns.excludes(text, false));
  EXPECT_TRUE(patterns.excludes(text + "b", false));
}

TEST(Patterns, SayWhetherAMoveMatters) {
  EXPECT_FALSE(patterns_of("*.o\n!keep.o\na/").any_of_places());
  EXPECT_TRUE(patterns_of("*.o\n/a").any_of_places());
  EXPECT_TRUE(patterns_of("d/a").any_of_places());
}

TEST(Patterns, NeverExcludeTheRoot) { EXPECT_FALSE(patterns_of("*\n/*").excludes("", true)); }

TEST(Patterns, SayBelowWhichDirectoriesAMoveMatters) {
  const auto matters = [](const char* lines, const char* directory) {
    return patterns_of(lines).any_of_places_below(directory);
  };
  EXPECT_TRUE(matters("/a/b", "a"));
  EXPECT_FALSE(matters("/a/b", "b"));
  EXPECT_FALSE(matters("/a", "a"));
  EXPECT_TRUE(matters("/a/b/c", "a/b"));
  EXPECT_FALSE(matters("/a/b/c", "a/c"));
  EXPECT_FALSE(matters("/*.o", "a"));
  EXPECT_TRUE(matters("/*/x", "a"));
  EXPECT_FALSE(matters("/*/x", "a/b"));
  EXPECT_TRUE(matters("a/**/x", "a/b/c"));
  EXPECT_FALSE(matters("a/**/x", "b"));
  EXPECT_FALSE(matters("*.o\n**/x", "a"));
  EXPECT_TRUE(matters("a/**", "a"));
  EXPECT_TRUE(matters("!/a/b", "a"));
  EXPECT_FALSE(patterns_of("**/x").any_of_places());
  EXPECT_TRUE(patterns_of("**/x/y").any_of_places());
}

TEST(Patterns, OfAFileAreReadWithTheirLines) {
  const testing::TemporaryDirectory directory;
  const auto file = directory.path() / "patterns";
  std::ofstream(file) << "# objects\n\n*.o  \n!keep.o\r\nlast";
  const auto read = patterns_of_file(file);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, (std::vector<std::string>{"*.o", "!keep.o", "last"}));
  std::ofstream(file) << "*.o\n#\n[a\n";
  const auto bad = patterns_of_file(file);
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().starts_with(file.native() + ":3: '[a': ")) << bad.error();
  const auto none = patterns_of_file(directory.path());
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().find("cannot be read"), std::string::npos) << none.error();
}

/// A repository that is nothing but a .gitignore and a tree.
class BesideGit : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "git is missing";
    ASSERT_EQ(in_tree("git init -q . 2>&1"), 0);
  }
  [[nodiscard]] int in_tree(const std::string& command) const {
    const std::string line = fmt::format(
        "cd '{}' && export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null "
        "&& {}",
        directory_.path().native(), command);
    const int status = std::system(line.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void put(const std::string& path) {
    const bool directory = path.ends_with('/');
    const auto full = directory_.path() / path;
    std::filesystem::create_directories(directory ? full : full.parent_path());
    if (!directory) std::ofstream(full) << 'x';
    paths_[directory ? path.substr(0, path.size() - 1) : path] = directory;
  }
  /// Of every path.
  [[nodiscard]] std::map<std::string, bool> judged_by_git(const std::string& lines) const {
    std::ofstream(directory_.path() / ".gitignore", std::ios::binary) << lines;
    std::ofstream asked(directory_.path() / ".git/asked", std::ios::binary);
    for (const auto& [path, directory] : paths_) asked << path << '\0';
    asked.close();
    EXPECT_LE(in_tree("git check-ignore --no-index -v -n -z --stdin <.git/asked >.git/told"), 1);
    std::ifstream told(directory_.path() / ".git/told", std::ios::binary);
    std::map<std::string, bool> judged;
    std::string source, number, pattern, path;
    while (std::getline(told, source, '\0') && std::getline(told, number, '\0') &&
           std::getline(told, pattern, '\0') && std::getline(told, path, '\0')) {
      judged[path] = !source.empty() && !pattern.starts_with('!');
    }
    return judged;
  }
  void compare(const std::string& lines) {
    const Patterns patterns = patterns_of(lines);
    const auto judged = judged_by_git(lines);
    ASSERT_EQ(judged.size(), paths_.size()) << lines;
    for (const auto& [path, excluded] : judged) {
      EXPECT_EQ(patterns.excludes(path, paths_.at(path)), excluded) << '\'' << path << "' by:\n"
                                                                    << lines;
    }
  }

  mirrorfs::testing::TemporaryDirectory directory_;
  std::map<std::string, bool> paths_;  ///< is a directory
};

TEST_F(BesideGit, TheTableIsRight) {
  for (const Case& one : kCases) {
    const std::string path = one.path;
    const bool directory = path.ends_with('/');
    const std::string bare = directory ? path.substr(0, path.size() - 1) : path;
    std::filesystem::remove_all(directory_.path() / bare.substr(0, bare.find('/')));
    paths_.clear();
    put(path);
    const auto judged = judged_by_git(one.patterns);
    ASSERT_TRUE(judged.contains(bare)) << path;
    EXPECT_EQ(judged.at(bare), one.excluded) << '\'' << path << "' by '" << one.patterns << '\'';
  }
}

/// One in four characters of a pattern means something.
std::string random_pattern(std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {"a",
                                                 "b",
                                                 "ab",
                                                 "a b",
                                                 "x",
                                                 "d",
                                                 "/",
                                                 "/",
                                                 "/",
                                                 "*",
                                                 "**",
                                                 "/**/",
                                                 "?",
                                                 "[ab]",
                                                 "[!a]",
                                                 "[^b-d]",
                                                 "[]-a]",
                                                 "[[:alpha:]]",
                                                 "[[:space:]x]",
                                                 "[[:",
                                                 "[a-",
                                                 "\\",
                                                 "\\*",
                                                 " ",
                                                 ".",
                                                 "-",
                                                 "]",
                                                 "!",
                                                 "[[:punct:]]",
                                                 "[[:upper:]-z]",
                                                 "[\\]a]"};
  std::string pattern;
  if (random() % 4 == 0) pattern += '!';
  if (random() % 3 == 0) pattern += '/';
  for (std::uint64_t pieces = random() % 6 + 1; pieces > 0; --pieces) {
    pattern += kPieces[random() % std::size(kPieces)];
  }
  if (random() % 4 == 0) pattern += '/';
  if (random() % 12 == 0) pattern += ' ';
  if (random() % 20 == 0) pattern = '#' + pattern;
  return pattern;
}

TEST_F(BesideGit, NobodySeesADifference) {
  for (const char* const path :
       {"a",     "b",       "ab",        "a b",     "x",       "abx",      "-",        "]",
        "*",     "B",       "c ",        "d/",      "d/a",     "d/b",      "d/ab",     "d/d/",
        "d/d/a", "d/d/x",   "d/d/d/",    "d/d/d/b", "da/",     "da/b",     "da/x/",    "da/x/b",
        "a.x",   "a\\",     "[a]",       "!a",      "#a",      "d/!x",     "d/*",      "xa/",
        "xa/ab", "xa/ab.x", "d/d/d/a b", "xa/d/",   "xa/d/a/", "xa/d/a/b", "xa/d/a/]", "ba/-"}) {
    put(path);
  }
  put("ba/");
  const std::uint64_t seed = std::random_device()();
  std::mt19937_64 random(seed);
  SCOPED_TRACE(fmt::format("seed {}", seed));
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    std::string lines;
    for (std::uint64_t count = random() % 5 + 1; count > 0; --count) {
      lines += random_pattern(random) + (random() % 15 == 0 ? "\r\n" : "\n");
    }
    compare(lines);
  }
}

}  // namespace
}  // namespace mirrorfs
