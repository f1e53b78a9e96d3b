// Random operations of several threads, with the engine in every state: in the end the replica is
// equal.
#include <stdio.h>
#include <sys/stat.h>

#include <random>
#include <thread>

#include "live_fixture.h"

namespace mirrorfs::testing {
namespace {

/// Random operations in a small tree, so that they meet each other often.
class RandomWorker {
 public:
  RandomWorker(SourceDriver& driver, unsigned seed) : driver_(driver), random_(seed) {}

  void step() {
    switch (pick(14)) {
      case 0:
      case 1: driver_.create(path()); break;
      case 2: driver_.mkdir(path()); break;
      case 3:
      case 4:
      case 5: driver_.write(path(), pick(9000), data()); break;
      case 6: driver_.truncate(path(), pick(12'000)); break;
      case 7: driver_.rename(path(), path()); break;
      case 8: driver_.rename(path(), path(), RENAME_EXCHANGE); break;
      case 9: driver_.unlink(path()); break;
      case 10: driver_.rmdir(path()); break;
      case 11: driver_.link(path(), path()); break;
      case 12: driver_.chmod(path(), 0600 | static_cast<mode_t>(pick(0200))); break;
      default: driver_.symlink("target" + std::to_string(pick(9)), path()); break;
    }
  }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string data() { return std::string(pick(5000) + 1, static_cast<char>('a' + pick(26))); }
  std::string path() {
    std::string result = "n" + std::to_string(pick(5));
    for (unsigned depth = pick(4); depth > 0; --depth) result += "/n" + std::to_string(pick(5));
    return result;
  }
  SourceDriver& driver_;
  std::mt19937 random_;
};

class LiveRandom : public LiveTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  void work(int steps, int workers) {
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers; ++worker) {
      const unsigned seed = GetParam() * 100 + static_cast<unsigned>(worker);
      threads.emplace_back([this, steps, seed] {
        RandomWorker random(*driver_, seed);
        for (int step = 0; step < steps; ++step) random.step();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

TEST_P(LiveRandom, G2ConvergesAfterRandomOperations) {
  start();
  expect_equal();
  for (int round = 0; round < 3; ++round) {
    work(600, 3);
    expect_equal();
  }
  EXPECT_TRUE(stop());
}

TEST_P(LiveRandom, G2ConvergesWhenTheBaselineMeetsWriters) {
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) {
      for (int k = 0; k < 20; ++k) {
        put_source("n" + std::to_string(i) + "/n" + std::to_string(j) + "/f" + std::to_string(k),
                   std::string(static_cast<std::size_t>(k) * 500, 'k'));
      }
    }
  }
  start();
  work(800, 4);
  expect_equal();
  EXPECT_TRUE(stop());
}

TEST_P(LiveRandom, G1ConvergesAfterACrash) {
  start();
  work(500, 3);
  crash();
  start();
  work(200, 2);
  expect_equal();
}

TEST_P(LiveRandom, G5ConvergesThroughOverflows) {
  start_with_queue_of(100'000);
  expect_equal();
  work(1500, 4);
  expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Seeds, LiveRandom, ::testing::Range(1U, 6U));

}  // namespace
}  // namespace mirrorfs::testing
