// G3: what was synced first is never missing on the replica while something later is there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

using Clock = std::chrono::steady_clock;

class Order : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
  MirrorSetup pair(std::vector<std::string> options = {}) const {
    return {.source = GetParam(), .replica = GetParam(), .options = std::move(options)};
  }
};

std::uint64_t number_in(const Path& path) {
  std::uint64_t number = 0;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const UniqueFd owner(fd);
  if (::pread(fd, &number, sizeof number, 0) != sizeof number) return 0;
  return number;
}

void put_number(int fd, std::uint64_t number) {
  check(::pwrite(fd, &number, sizeof number, 0), "pwrite", {});
}

TEST_P(Order, G3_SecondFileIsNeverAheadOfTheSyncedFirst) {
  MirrorMount mirror(pair());
  mirror.start();
  write_file(mirror.mount("first"), std::string(8, '\0'));
  write_file(mirror.mount("second"), std::string(8, '\0'));
  mirror.wait();
  Workers writer(1, [&](unsigned) {
    const UniqueFd first = open_file(mirror.mount("first"), O_RDWR);
    const UniqueFd second = open_file(mirror.mount("second"), O_RDWR);
    const auto end = Clock::now() + milliseconds(2'000);
    for (std::uint64_t number = 1; Clock::now() < end; ++number) {
      put_number(first.get(), number);
      check(::fsync(first.get()), "fsync", "first");
      put_number(second.get(), number);
    }
  });
  std::uint64_t last = 0;
  const auto end = Clock::now() + milliseconds(2'000);
  while (Clock::now() < end) {
    const std::uint64_t second = number_in(mirror.replica("second"));
    const std::uint64_t first = number_in(mirror.replica("first"));
    ASSERT_LE(second, first)
        << "the replica shows what came after the fsync without what it covered";
    ASSERT_LE(last, second) << "the replica went back in time";
    last = second;
  }
  writer.join();
  EXPECT_GT(last, 0U);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_P(Order, G3_AReplacedFileIsAlwaysWhole) {
  MirrorMount mirror(pair());
  mirror.start();
  const auto text = [](unsigned number) {
    return std::string(40'000, static_cast<char>('a' + number % 26));
  };
  write_file(mirror.mount("config"), text(0));
  mirror.wait();
  Workers writer(1, [&](unsigned) {
    const auto end = Clock::now() + milliseconds(1'500);
    for (unsigned number = 0; Clock::now() < end; ++number) {
      UniqueFd fd = open_file(mirror.mount("config.new"), O_WRONLY | O_CREAT | O_TRUNC);
      write_all(fd.get(), text(number), "config.new");
      check(::fsync(fd.get()), "fsync", "config.new");
      close_file(std::move(fd), "config.new");
      rename_to(mirror.mount("config.new"), mirror.mount("config"));
    }
  });
  const auto end = Clock::now() + milliseconds(1'500);
  unsigned looked = 0;
  while (Clock::now() < end) {
    const std::string found = read_file(mirror.replica("config"));
    ASSERT_EQ(found.size(), 40'000U);
    ASSERT_EQ(found.find_first_not_of(found.front()), std::string::npos) << "two versions mixed";
    ++looked;
  }
  writer.join();
  EXPECT_GT(looked, 0U);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// SQLite at work in the mount, and looked at on the replica at any moment.
class Database {
 public:
  Database(MirrorMount& mirror, std::string journal_mode)
      : mirror_(mirror), journal_mode_(std::move(journal_mode)) {
    make_directory(mirror_.mount("db"));
    mirror_.wait();
    make_directory(mirror_.base() / "copy");
    write_script();
  }

  void write() const {
    run_or_throw({"sqlite3", "-bail", (mirror_.mount("db") / "data").string(),
                  ".read " + (mirror_.base() / "script").string()},
                 {.timeout = milliseconds(60'000)});
  }

  [[nodiscard]] std::uint64_t committed() const {
    std::ifstream file(mirror_.base() / "committed");
    std::uint64_t number = 0;
    file >> number;
    return number;
  }

  /// The replica as it stands at this very moment: the daemon is stopped while it is copied.
  void copy_replica() const {
    ::kill(mirror_.daemon_pid(), SIGSTOP);
    if (!eventually([this] { return all_threads_stopped(); })) throw std::runtime_error("no stop");
    std::filesystem::remove_all(mirror_.base() / "copy");
    std::error_code error;
    std::filesystem::copy(mirror_.replica("db"), mirror_.base() / "copy",
                          std::filesystem::copy_options::recursive, error);
    ::kill(mirror_.daemon_pid(), SIGCONT);
    if (error) throw std::runtime_error("copy of the replica: " + error.message());
  }

  /// The rows in the copy; an explanation when the database is not sound.
  [[nodiscard]] std::string problem_in_copy(std::uint64_t& rows) const {
    rows = 0;
    const Path file = mirror_.base() / "copy" / "data";
    if (!is_there(file) || stat_of(file).st_size == 0) return {};
    const std::string sound = ask(file, "PRAGMA integrity_check");
    if (sound != "ok\n") return "integrity_check: " + sound;
    if (ask(file, "SELECT count(*) FROM sqlite_master WHERE name = 't'") != "1\n") return {};
    const std::string found = ask(file, "SELECT count(*) || ' ' || coalesce(max(n), 0) FROM t");
    const auto space = found.find(' ');
    if (space == std::string::npos) return "no answer: " + found;
    rows = std::stoull(found);
    if (std::stoull(found.substr(space)) != rows)
      return "rows are missing between others: " + found;
    return {};
  }

 private:
  /// kill(2) returns before the threads have stopped, those of the kernel's io_uring workers too.
  [[nodiscard]] bool all_threads_stopped() const {
    const Path tasks = Path("/proc") / std::to_string(mirror_.daemon_pid()) / "task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::ifstream file(task.path() / "stat");
      std::string text;
      std::getline(file, text);
      const auto name_end = text.rfind(')');
      if (name_end != std::string::npos && text.substr(name_end + 2, 1) != "T") return false;
    }
    return true;
  }

  static constexpr int kTransactions = 150;

  void write_script() const {
    std::ofstream script(mirror_.base() / "script");
    script << ".output /dev/null\nPRAGMA journal_mode=" << journal_mode_
           << ";\nPRAGMA synchronous=FULL;\nPRAGMA wal_autocheckpoint=20;\n"
           << "CREATE TABLE t(n INTEGER PRIMARY KEY, bytes BLOB);\n";
    for (int number = 1; number <= kTransactions; ++number) {
      script << "BEGIN; INSERT INTO t VALUES(" << number << ", randomblob("
             << 100 + number * 53 % 9000
             << ")); UPDATE t SET bytes = randomblob(500) WHERE n % 17 = " << number % 17
             << "; COMMIT;\n"
             << "SELECT writefile('" << (mirror_.base() / "committed").string() << "', '" << number
             << "');\n";
    }
  }

  static std::string ask(const Path& file, const std::string& question) {
    const Finished finished = run({"sqlite3", file.string(), question});
    return finished.exit_code == 0 ? finished.out : finished.out + finished.err;
  }

  MirrorMount& mirror_;
  std::string journal_mode_;
};

void check_database(MirrorMount& mirror, const std::string& journal_mode, bool synchronous) {
  mirror.start();
  Database database(mirror, journal_mode);
  Workers writer(1, [&](unsigned) { database.write(); });
  std::uint64_t rows = 0;
  const auto end = Clock::now() + milliseconds(6'000);
  while (database.committed() < 150 && Clock::now() < end) {
    const std::uint64_t before = rows;
    const std::uint64_t committed = database.committed();
    database.copy_replica();
    ASSERT_EQ(database.problem_in_copy(rows), "") << "after " << committed << " commits";
    ASSERT_GE(rows, before) << "rows that were there are gone";
    const std::uint64_t promised = synchronous ? committed : 0;
    ASSERT_GE(rows, promised) << "a committed row is not on the replica";
  }
  writer.join();
  EXPECT_TRUE(mirror.identical());
  database.copy_replica();
  EXPECT_EQ(database.problem_in_copy(rows), "");
  EXPECT_EQ(rows, 150U);
  mirror.stop();
}

TEST_P(Order, G3_SqliteWithRollbackJournalIsSoundOnTheReplica) {
  MirrorMount mirror(pair());
  check_database(mirror, "DELETE", false);
}

TEST_P(Order, G3_SqliteWithWriteAheadLogIsSoundOnTheReplica) {
  MirrorMount mirror(pair());
  check_database(mirror, "WAL", false);
}

TEST_P(Order, G6_SqliteCommitsAreOnTheReplicaInFsyncMode) {
  MirrorMount mirror(pair({"--mode=fsync"}));
  check_database(mirror, "TRUNCATE", true);
}

INSTANTIATE_TEST_SUITE_P(G3, Order, testing::Values(Filesystem::kTmpfs, Filesystem::kExt4),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
