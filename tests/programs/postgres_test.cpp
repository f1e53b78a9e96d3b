// G3, G6 with PostgreSQL: the replica of a busy server is a database that starts, at any moment,
// and in modes fsync and sync holds what was committed. MIRRORFS_COPIES=N: so many copies for each
// case.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "postgres_server.h"
#include "program_mount.h"

namespace mirrorfs::test {
namespace {

class Postgres : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = missing_postgres(); !why.empty()) GTEST_SKIP() << why;
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    work_ = std::make_unique<ProgramMount>(Filesystem::kExt4, options());
    PostgresServer::make_cluster(mirror().mount("data"));
    start();
    server_->client({"pgbench", "-i", "-q", "-s", "1"});
  }

  [[nodiscard]] virtual std::vector<std::string> options() const { return {}; }

  MirrorMount& mirror() { return work_->mirror(); }

  /// What others see is committed, and so synced.
  [[nodiscard]] unsigned long transactions() const {
    return std::stoul(server_->query("SELECT count(*) FROM pgbench_history"));
  }

  Path place(const std::string& name) {
    make_directory(mirror().base() / name);
    return mirror().base() / name;
  }

  void start() {
    server_ = std::make_unique<PostgresServer>(mirror().mount("data"), place("server"));
  }

  /// Four clients for as long as the test is meant to last.
  [[nodiscard]] ChildProcess start_clients() const {
    return server_->start_client(
        {"pgbench", "-n", "-c", "4", "-T", std::to_string(program_seconds())});
  }

  /// Starts a server on a copy of the data directory, has it recover, and looks at everything:
  /// tables and indexes by amcheck, pages by their checksums, transactions by what pgbench keeps
  /// equal. Returns how many transactions it holds.
  unsigned long transactions_in(const Path& copy) {
    unlink_if_there(copy / "postmaster.pid");  // names the other server's process
    PostgresServer server(copy, place(copy.filename().string() + "-server"));
    server.client({"pg_amcheck", "--install-missing", "--heapallindexed", "--parent-check"});
    EXPECT_EQ(server.query("SELECT sum(abalance) = (SELECT sum(tbalance) FROM pgbench_tellers)"
                           " AND sum(abalance) = (SELECT sum(bbalance) FROM pgbench_branches)"
                           " AND sum(abalance) = (SELECT coalesce(sum(delta), 0)"
                           " FROM pgbench_history) FROM pgbench_accounts"),
              "t\n")
        << "a transaction is there in part in " << copy;
    const unsigned long count = std::stoul(server.query("SELECT count(*) FROM pgbench_history"));
    server.stop();
    return count;
  }

  static void unlink_if_there(const Path& path) {
    if (is_there(path)) unlink_file(path);
  }

  std::unique_ptr<ProgramMount> work_;
  std::unique_ptr<PostgresServer> server_;
};

TEST_F(Postgres, G3_CopiesOfTheReplicaTakenUnderLoadRecover) {
  mirror().wait();
  ChildProcess clients = start_clients();
  constexpr unsigned kOtherwise = 2;
  const unsigned copies = copies_wanted(kOtherwise);
  for (unsigned number = 0; number < copies; ++number) {
    std::this_thread::sleep_for(milliseconds(program_seconds() * 1000 / (copies + 1)));
    work_->copy_replica("data", mirror().base() / fmt::format("copy{}", number));
  }
  EXPECT_EQ(clients.wait(milliseconds(60'000)), 0);
  const unsigned long all = transactions();
  server_->stop();
  EXPECT_TRUE(mirror().identical());
  work_->copy_replica("data", mirror().base() / "last");
  unsigned long before = 0;
  for (unsigned number = 0; number < copies; ++number) {
    const unsigned long count = transactions_in(mirror().base() / fmt::format("copy{}", number));
    EXPECT_GE(count, before) << "the replica went back in time";
    before = count;
  }
  EXPECT_GT(before, 0U) << "no copy shows a transaction";
  EXPECT_EQ(transactions_in(mirror().base() / "last"), all);
  work_->expect_mirrored();
}

TEST_F(Postgres, G3_WhatAKilledDaemonLeavesRecovers) {
  mirror().wait();
  ChildProcess clients = start_clients();
  std::this_thread::sleep_for(milliseconds(program_seconds() * 700));
  const unsigned long seen = transactions();
  mirror().wait();
  mirror().crash();
  server_.reset();
  run_or_throw({"cp", "-a", mirror().replica("data").string(), mirror().base() / "left"});
  EXPECT_GE(transactions_in(mirror().base() / "left"), seen)
      << "the replica lacks transactions that mirrorctl wait covered";
  (void)clients.wait(milliseconds(60'000));
  mirror().start();
  work_->expect_mirrored();
}

class PostgresInMode : public Postgres, public testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] std::vector<std::string> options() const override {
    return {std::string("--mode=") + GetParam()};
  }
};

TEST_P(PostgresInMode, G6_WhatWasCommittedIsInEveryCopyOfTheReplica) {
  constexpr unsigned kOtherwise = 1;
  mirror().wait();
  ChildProcess clients = server_->start_client({"pgbench", "-n", "-c", "4", "-T", "36000"});
  ASSERT_TRUE(eventually([this] { return transactions() > 0; }));
  std::mt19937_64 random(std::random_device{}());
  unsigned long before = 0;
  for (unsigned number = 0; number < copies_wanted(kOtherwise); ++number) {
    SCOPED_TRACE(fmt::format("copy {}", number));
    std::this_thread::sleep_for(milliseconds(random() % 1'000));
    const Path copy = mirror().base() / fmt::format("copy{}", number);
    const unsigned long committed = transactions();
    work_->copy_replica("data", copy);
    const unsigned long count = transactions_in(copy);
    ASSERT_GE(count, committed) << "a committed transaction is missing";
    ASSERT_GE(count, before) << "the replica went back in time";
    before = count;
    std::filesystem::remove_all(copy);
  }
  EXPECT_FALSE(clients.wait(milliseconds(0))) << "nothing was written meanwhile";
  clients.signal(SIGKILL);
  (void)clients.wait(milliseconds(20'000));
  server_->stop();
  work_->expect_mirrored();
}

INSTANTIATE_TEST_SUITE_P(G6, PostgresInMode, testing::Values("fsync", "sync"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
