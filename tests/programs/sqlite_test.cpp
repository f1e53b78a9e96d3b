// G3 with SQLite: four processes write one database; it is whole on both sides, at any moment.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "program_mount.h"

namespace mirrorfs::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kProcesses = 4;
constexpr unsigned kAccounts = 50;

class Sqlite : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_WITHOUT_PROGRAMS("sqlite3"); }
};

std::string query(const Path& database, const std::string& sql) {
  return run_or_throw({"sqlite3", "-bail", "-cmd", ".timeout 60000", database.string(), sql});
}

/// Money moves between accounts: the sum of all never changes, and every transfer is noted.
std::string transfers(unsigned process, unsigned round) {
  std::string script;
  for (unsigned number = 0; number < 5; ++number) {
    const unsigned salt = process * 31 + round * 7 + number;
    script += fmt::format(
        "BEGIN IMMEDIATE; UPDATE account SET amount = amount - 1 WHERE id = {};"
        "UPDATE account SET amount = amount + 1 WHERE id = {};"
        "INSERT INTO note VALUES({}, randomblob({})); COMMIT;",
        salt % kAccounts, (salt * 3 + 1) % kAccounts, process, salt * 57 % 3000);
  }
  return script + fmt::format("DELETE FROM note WHERE process = {} AND rowid % 7 = 0;", process);
}

void make_bank(const Path& database, const std::string& journal) {
  query(database, fmt::format("PRAGMA journal_mode={}; CREATE TABLE account(id INTEGER PRIMARY KEY,"
                              "amount INTEGER); CREATE TABLE note(process INTEGER, b BLOB);"
                              "CREATE INDEX by_process ON note(process);"
                              "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c"
                              " WHERE n < {}) INSERT INTO account SELECT n, 100 FROM c;",
                              journal, kAccounts - 1));
}

void expect_whole(const Path& database) {
  EXPECT_EQ(query(database, "PRAGMA integrity_check; SELECT sum(amount) FROM account;"),
            fmt::format("ok\n{}\n", kAccounts * 100))
      << database;
}

TEST_P(Sqlite, G3_FourProcessesLeaveAWholeDatabaseEverywhere) {
  ProgramMount work(Filesystem::kExt4);
  MirrorMount& mirror = work.mirror();
  make_directory(mirror.mount("bank"));
  const Path database = mirror.mount("bank/db");
  make_bank(database, GetParam());
  mirror.wait();
  const auto end = Clock::now() + std::chrono::seconds(program_seconds());
  Workers writers(kProcesses, [&](unsigned process) {
    for (unsigned round = 0; Clock::now() < end; ++round) {
      query(database, transfers(process, round));
    }
  });
  int copies = 0;
  while (Clock::now() < end) {
    const Path copy = mirror.base() / fmt::format("copy{}", copies++);
    work.copy_replica("bank", copy);
    expect_whole(copy / "db");
  }
  writers.join(milliseconds(60'000));
  EXPECT_GT(copies, 1);
  EXPECT_NE(query(database, "SELECT count(*) FROM note"), "0\n");
  expect_whole(database);
  EXPECT_TRUE(mirror.identical());
  work.copy_replica("bank", mirror.base() / "last");
  expect_whole(mirror.base() / "last/db");
  work.expect_mirrored();
}

INSTANTIATE_TEST_SUITE_P(Journal, Sqlite, testing::Values("DELETE", "WAL"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
