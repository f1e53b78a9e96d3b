// G5: what the queue and the operations under way take never exceeds queue-size plus a constant, as
// the kernel counts it: resident memory over that of the idle daemon. What the mount keeps of each
// object that the kernel knows (the node table) is measured first and taken off.
// MIRRORFS_MEMORY_OPERATIONS=1000000 for the whole size, with --queue-size=16M; the figures are
// printed.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <string>

#include "mirror_mount.h"
#include "process_facts.h"

namespace mirrorfs::test {
namespace {

constexpr std::uint64_t kConstant = 48 << 20;
constexpr unsigned kInDirectory = 1'000;

struct Size {
  unsigned operations = 60'000;
  std::uint64_t queue_mib = 1;  ///< small, so that few operations are more than it may hold
};

Size size_wanted() {
  const char* const given = std::getenv("MIRRORFS_MEMORY_OPERATIONS");
  if (given == nullptr) return {};
  return {.operations = static_cast<unsigned>(std::stoul(given)), .queue_mib = 16};
}

/// An operation of a kind; `number` counts them.
struct Kind {
  const char* name;
  void (*operate)(const Path& place, unsigned number);
  bool makes_objects;  ///< each a new one
};

Path object_of(const Path& place, unsigned number) {
  return place / fmt::format("d{}", number / kInDirectory) / fmt::format("n{}", number);
}

void make_some_node(const Path& place, unsigned number) {
  if (number % kInDirectory == 0) make_directory(object_of(place, number).parent_path());
  make_node(object_of(place, number), S_IFREG | 0644);
}

Path one_of_few(const Path& place, unsigned number) {
  return place / fmt::format("file{}", number % 64);
}

void write_little(const Path& place, unsigned number) {
  write_at(one_of_few(place, number), (number * 997ULL) % 100'000, "a few bytes");
}

void set_some_xattr(const Path& place, unsigned number) {
  set_xattr(one_of_few(place, number), "user.number", std::to_string(number));
}

constexpr Kind kKinds[] = {
    {"mknod", make_some_node, true},
    {"write", write_little, false},
    {"setxattr", set_some_xattr, false},
};

void PrintTo(const Kind& kind, std::ostream* stream) { *stream << kind.name; }

class MemoryBound : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static void operate(const Path& place, unsigned from, unsigned to) {
    for (unsigned number = from; number < to; ++number) GetParam().operate(place, number);
  }

  static std::uint64_t known_nodes(const MirrorMount& mirror) {
    return nlohmann::json::parse(mirror.status().json).at("known_nodes");
  }

  static void wait(const MirrorMount& mirror) {
    const Finished waited = mirror.ctl({"wait", mirror.mount(), "--timeout=50"});
    ASSERT_EQ(waited.exit_code, 0) << mirror.status().json;
  }

  static void expect_bounded(const char* when, std::uint64_t above_idle, std::uint64_t of_nodes) {
    const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    const std::uint64_t taken = above_idle - std::min(above_idle, of_nodes);
    fmt::print("{}, {}: {:.1f} MiB over idle, the node table {:.1f} MiB, so the queue {:.1f} MiB\n",
               GetParam().name, when, mib(above_idle), mib(of_nodes), mib(taken));
    EXPECT_LE(taken, (size_wanted().queue_mib << 20) + kConstant) << when;
  }
};

/// Bytes of a node and all that belongs to it: so many are made with an engine that keeps up, so
/// that the queue stays short.
double bytes_per_node(const std::function<void(const Path&, unsigned, unsigned)>& operate) {
  constexpr unsigned kNodes = 10'000;
  constexpr unsigned kAtOnce = 1'000;
  MirrorMount mirror({.options = {"--queue-size=1M"}});
  mirror.start();
  mirror.wait();
  const Path place = mirror.mount("place");
  make_directory(place);
  operate(place, 0, 2 * kAtOnce);  // whatever is taken once
  mirror.wait();
  const std::uint64_t before = resident_memory(mirror.daemon_pid());
  for (unsigned number = 2 * kAtOnce; number < kNodes; number += kAtOnce) {
    operate(place, number, number + kAtOnce);
    mirror.wait();
  }
  const std::uint64_t after = resident_memory(mirror.daemon_pid());
  return static_cast<double>(after - std::min(before, after)) / (kNodes - 2 * kAtOnce);
}

TEST_P(MemoryBound, G5_OperationsOfAPausedReplicaTakeNoMoreThanTheQueueMay) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what is freed";
#endif
  const Size size = size_wanted();
  const unsigned operations = size.operations;
  const double node = GetParam().makes_objects ? bytes_per_node(operate) : 0;
  MirrorMount mirror({.source_bytes = 8ULL << 30,
                      .replica_bytes = 8ULL << 30,
                      .options = {fmt::format("--queue-size={}M", size.queue_mib)},
                      .patience = std::chrono::seconds(110 + operations / 2'000)});
  make_directory(mirror.source("place"));
  for (unsigned file = 0; file < 64; ++file) {
    write_file(one_of_few(mirror.source("place"), file), "content");
  }
  mirror.start();
  mirror.wait();
  const pid_t daemon = mirror.daemon_pid();
  const std::uint64_t idle = resident_memory(daemon);
  const std::uint64_t nodes_before = known_nodes(mirror);
  reset_peak_memory(daemon);
  const auto above_idle = [&] { return peak_memory(daemon) - std::min(idle, peak_memory(daemon)); };
  const auto of_nodes = [&] {
    return static_cast<std::uint64_t>(node *
                                      static_cast<double>(known_nodes(mirror) - nodes_before));
  };

  mirror.pause();
  operate(mirror.mount("place"), 0, operations);
  fmt::print("{} operations, {:.0f} bytes for each of {} nodes\n", operations, node,
             known_nodes(mirror) - nodes_before);
  expect_bounded("paused", above_idle(), of_nodes());

  mirror.resume();
  const std::uint64_t all_nodes = of_nodes();
  EXPECT_TRUE(eventually([&] { return mirror.status().state == "in-sync"; },
                         milliseconds(60'000 + operations / 2)))
      << mirror.status().json;
  ASSERT_NO_FATAL_FAILURE(wait(mirror));
  expect_bounded("after resume", above_idle(), all_nodes);
  EXPECT_TRUE(mirror.trees_equal());
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(Of, MemoryBound, testing::ValuesIn(kKinds),
                         [](const auto& test) { return std::string(test.param.name); });

/// Waits that give up leave nothing behind.
TEST(MemoryOfWaits, G5_WaitsThatTimeOutLeaveNothingBehind) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what is freed";
#endif
  MirrorMount mirror({.patience = std::chrono::seconds(140)});
  mirror.start();
  mirror.wait();
  mirror.pause();
  write_file(mirror.mount("file"), "content");
  const auto give_up = [&](unsigned times) {
    constexpr unsigned kAtOnce = 8;
    Workers waiting(kAtOnce, [&](unsigned) {
      for (unsigned round = 0; round < times / kAtOnce; ++round) {
        const int code = mirror.ctl({"wait", mirror.mount(), "--timeout=0.001"}).exit_code;
        if (code != 1) throw std::runtime_error(fmt::format("mirrorctl wait ended with {}", code));
      }
    });
    waiting.join(milliseconds(100'000));
  };
  give_up(160);
  const std::uint64_t before = resident_memory(mirror.daemon_pid());
  constexpr unsigned kWaits = 1'000;
  give_up(kWaits);
  const std::uint64_t after = resident_memory(mirror.daemon_pid());
  fmt::print("{} waits that timed out: {} bytes each\n", kWaits,
             (after - std::min(before, after)) / kWaits);
  EXPECT_LT(after, before + 300 * kWaits);
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
