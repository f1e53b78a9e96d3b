// What a programmer does all day: version control and builds.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

#include "program_mount.h"

namespace mirrorfs::test {
namespace {

constexpr int kFolders = 60;
constexpr int kFilesInEach = 50;

/// A repository of 3,000 files with three commits, outside the mount.
void make_repository(const Path& origin) {
  make_directory(origin);
  for (int folder = 0; folder < kFolders; ++folder) {
    const Path place = origin / fmt::format("folder{}", folder);
    make_directory(place);
    for (int number = 0; number < kFilesInEach; ++number) {
      write_file(place / fmt::format("file{}", number),
                 pattern(static_cast<std::size_t>(200 + number * 37),
                         static_cast<unsigned>(folder * kFilesInEach + number)));
    }
  }
  const auto git = [&](const std::string& arguments) {
    const std::string as = "git -c user.name=A -c user.email=a@example.org -c gc.auto=0 ";
    run_or_throw({"sh", "-ec", as + arguments}, {.directory = origin});
  };
  git("init -q -b main");
  git("add .");
  git("commit -q -m first");
  append_to(origin / "folder0/file0", "more");
  git("commit -q -a -m second");
  git("mv folder1 moved");
  git("commit -q -m third");
}

TEST(Development, GitCloneOfThousandsOfFilesPassesFsckOnBothSides) {
  MIRRORFS_SKIP_WITHOUT_PROGRAMS("git");
  ProgramMount work(Filesystem::kExt4);
  const Path origin = work.mirror().base() / "origin";
  make_repository(origin);
  work.run({"git", "clone", "-q", "--no-local", origin.string(), "clone"});
  work.run({"git", "clone", "-q", "clone", "again"});  // hard links to the first one's objects
  for (const char* name : {"clone", "again"}) {
    EXPECT_EQ(work.run({"git", "-C", name, "status", "--porcelain"}), "");
    work.run({"git", "-C", name, "fsck", "--full", "--strict"});
  }
  work.run({"git", "-C", "clone", "checkout", "-q", "HEAD~2"});
  work.run({"git", "-C", "clone", "repack", "-q", "-a", "-d"});
  EXPECT_TRUE(work.mirror().identical());
  for (const char* name : {"clone", "again"}) {
    run_or_throw({"git", "-c", "safe.directory=*", "-C", work.mirror().replica(name).string(),
                  "fsck", "--full", "--strict"});
  }
  work.expect_mirrored();
}

constexpr int kUnits = 8;

/// A library of some units, a program and two tests that use it.
void write_project(const Path& project) {
  make_directory(project);
  std::string names;
  std::string sum = "0";
  std::string declarations;
  for (int unit = 0; unit < kUnits; ++unit) {
    const std::string name = fmt::format("unit{}", unit);
    write_file(project / (name + ".cpp"),
               fmt::format("#include <string>\n#include <vector>\nint {0}() {{\n"
                           "  std::vector<std::string> all({1}, \"{0}\");\n"
                           "  return static_cast<int>(all.size());\n}}\n",
                           name, unit));
    names += " " + name + ".cpp";
    declarations += "int " + name + "();\n";
    sum += " + " + name + "()";
  }
  write_file(project / "check.cpp",
             declarations + "#include <cstdlib>\nint main(int, char** words) {\n  return " + sum +
                 " == std::atoi(words[1]) ? 0 : 1;\n}\n");
  write_file(project / "CMakeLists.txt",
             "cmake_minimum_required(VERSION 3.20)\nproject(sample CXX)\nenable_testing()\n"
             "add_library(units STATIC" +
                 names +
                 ")\nadd_executable(check check.cpp)\n"
                 "target_link_libraries(check PRIVATE units)\n"
                 "add_test(NAME right COMMAND check 28)\nadd_test(NAME wrong COMMAND check 27)\n"
                 "set_tests_properties(wrong PROPERTIES WILL_FAIL ON)\n");
}

TEST(Development, ACxxProjectIsConfiguredBuiltAndTestedInTheMount) {
  MIRRORFS_SKIP_WITHOUT_PROGRAMS("cmake", "ctest", "c++");
  ProgramMount work(Filesystem::kTmpfs);
  write_project(work.mirror().mount("project"));
  const auto build = [&] {
    work.run({"cmake", "--build", "project/build", "-j2"});
    work.run({"ctest", "--test-dir", "project/build", "--output-on-failure"});
  };
  work.run({"cmake", "-S", "project", "-B", "project/build"});
  build();
  // Once more, by time stamps: only what depends on the change is built.
  append_to(work.mirror().mount("project/unit3.cpp"), "// changed\n");
  const std::string built = work.run({"cmake", "--build", "project/build", "-j2"});
  EXPECT_NE(built.find("unit3.cpp"), std::string::npos) << built;
  EXPECT_EQ(built.find("unit4.cpp"), std::string::npos) << built;
  EXPECT_TRUE(work.mirror().identical());
  const std::string program = work.mirror().replica("project/build/check").string();
  EXPECT_TRUE(eventually([&] { return run({program, "28"}).exit_code == 0; }))
      << "the replica's copy of a program cannot be executed";
  work.expect_mirrored();
}

}  // namespace
}  // namespace mirrorfs::test
