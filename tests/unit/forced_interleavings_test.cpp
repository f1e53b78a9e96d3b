#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <random>

#include <thread>

#include "live_fixture.h"

namespace mirrorfs::testing {
namespace {
using namespace std::chrono_literals;
namespace fs = std::filesystem;
class ForcedInterleaving : public LiveTest {
 protected:
  void many_small(int count) const {
    for (int i = 0; i < count; ++i) {
      char name[32];
      std::snprintf(name, sizeof name, "m%04d/f", i);
      put_source(name, "x");
    }
  }
};

// Directory E = zy/d is walked; D = b/bb/cc/z is not. They are exchanged; D is learnt at zy/d
// before the marked entry zy/d is reconciled, and the walks end first (large files are queued
// before it).
TEST_F(ForcedInterleaving, ALearnOfMarkedEntry) {
  for (int i = 0; i < 100; ++i) put_source("zz/big" + std::to_string(i), std::string(9 << 20, 'b'));
  put_source("zy/d/e1", "of E");
  put_source("zy/d/e2", "of E");
  put_source("b/bb/cc/z/d1", "of D");
  put_source("b/bb/cc/z/d2", "of D");
  for (int i = 0; i < 10; ++i) put_source("a" + std::to_string(i) + "/f", "x");
  many_small(150);
  start();
  for (int i = 0; i < 100000 && replica_content("zy/d/e2") != "of E"; ++i)
    std::this_thread::sleep_for(100us);
  ASSERT_TRUE(mirror_->pause());
  ASSERT_FALSE(fs::exists(replica_ / "b/bb/cc"));
  ASSERT_TRUE(driver_->rename("zy/d", "b/bb/cc/z", RENAME_EXCHANGE));
  ASSERT_TRUE(driver_->create("zy/d/new"));
  mirror_->resume();
  expect_equal();
  EXPECT_TRUE(stop());
}

// c leaves D for a directory that is not walked yet, D is removed and made anew (G) with another c
// in it.
TEST_F(ForcedInterleaving, BChildOfARemovedDirectory) {
  put_source("zy/D/c/old", "of c");
  put_source("b/bb/cc/Z/f", "f");
  for (int i = 0; i < 10; ++i) put_source("a" + std::to_string(i) + "/f", "x");
  many_small(2000);
  start();
  wait_for_replica("zy/D/c/old", "of c");
  ASSERT_TRUE(mirror_->pause());
  ASSERT_FALSE(fs::exists(replica_ / "b/bb/cc"));
  ASSERT_TRUE(driver_->rename("zy/D/c", "b/bb/cc/Z/k"));
  ASSERT_TRUE(driver_->rmdir("zy/D"));
  ASSERT_TRUE(driver_->mkdir("zy/D"));
  ASSERT_TRUE(driver_->mkdir("zy/D/c"));
  ASSERT_TRUE(driver_->create("zy/D/c/of-c2"));
  mirror_->resume();
  // As soon as the second c is there, the first one gets a file, long before its new place is
  // walked.
  for (int i = 0; i < 3000; ++i) {
    std::this_thread::sleep_for(300us);
    driver_->create("b/bb/cc/Z/k/x" + std::to_string(i));
    if (fs::exists(replica_ / "b/bb/cc/Z/f")) break;
  }
  expect_equal();
  EXPECT_TRUE(stop());
}

// The same, where the walk that finds c takes long: what is in it is owed as one directory, not
// tried, failed and named entry by entry.
TEST_F(ForcedInterleaving, BChildOfARemovedDirectoryThatIsFoundLate) {
  for (int i = 0; i < 16; ++i) {
    const std::string slow = "slow" + std::to_string(i);
    put_source(slow + "/file", std::string(300 << 10, 's'));
    put_source(slow + "/inner/f", "f");
  }
  MirrorOptions changed = options();
  changed.rate_limit = 1024;
  start(changed);
  std::this_thread::sleep_for(300ms);  // the root is walked
  ASSERT_TRUE(driver_->mkdir("D"));
  ASSERT_TRUE(driver_->mkdir("D/c"));
  for (int i = 0; i < 1000 && !fs::exists(replica_ / "D/c"); ++i) std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->rename("D/c", "slow3/inner/k"));
  ASSERT_TRUE(driver_->rmdir("D"));
  ASSERT_TRUE(driver_->mkdir("D"));
  ASSERT_TRUE(driver_->mkdir("D/c"));
  ASSERT_TRUE(driver_->create("D/c/of-c2"));
  mirror_->resume();
  for (int i = 0; i < 500; ++i) driver_->create("slow3/inner/k/x" + std::to_string(i));
  std::this_thread::sleep_for(3s);
  const EngineStatus status = mirror_->status();
  EXPECT_TRUE(status.baseline.running);
  EXPECT_TRUE(status.failed.empty()) << status.failed.front().path << status.failed.front().cause;
  EXPECT_LT(status.marks, 100U);
  MirrorSettings settings = mirror_->settings();
  settings.rate_limit = 0;
  mirror_->change(settings);
  expect_equal();
}

TEST_F(ForcedInterleaving, CLearnAfterForget) {
  put_source("X/D/d1", "1");
  put_source("X/D/d2", "2");
  fs::create_directories(source_ / "A/d");
  start();
  expect_equal();
  const std::string a = (replica_ / "A").string();
  ASSERT_EQ(std::system(("chattr +i " + a).c_str()), 0);
  ASSERT_TRUE(driver_->rename("X", "A/X2"));
  while (fs::exists(replica_ / "X")) std::this_thread::sleep_for(1ms);
  ASSERT_TRUE(mirror_->pause());
  ASSERT_TRUE(driver_->rename("A/X2/D", "A/d"));
  driver_->forget_learnt();
  ASSERT_TRUE(driver_->chmod("A/d/d1", 0600));
  ASSERT_EQ(std::system(("chattr -i " + a).c_str()), 0);
  mirror_->resume();
  expect_equal();
}
}  // namespace
}  // namespace mirrorfs::testing

#include <random>
namespace mirrorfs::testing {
namespace {
class DirWorker {
 public:
  DirWorker(SourceDriver& driver, unsigned seed) : driver_(driver), random_(seed) {}
  void step() {
    switch (pick(16)) {
      case 0:
      case 1: driver_.create(path(4)); break;
      case 2: driver_.mkdir(path(4)); break;
      case 3: driver_.write(path(4), pick(9000), "abc"); break;
      case 4:
      case 5:
      case 6: driver_.rename(path(3), path(3)); break;
      case 7:
      case 8:
      case 9: driver_.rename(path(3), path(3), RENAME_EXCHANGE); break;
      case 10:
      case 11: driver_.unlink(path(4)); break;
      case 12:
      case 13: driver_.rmdir(path(3)); break;
      case 14: driver_.rename(path(4), path(4)); break;
      default: driver_.barrier(); break;
    }
  }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string path(unsigned most) {
    std::string result = "n" + std::to_string(pick(4));
    for (unsigned depth = pick(most); depth > 0; --depth) result += "/n" + std::to_string(pick(4));
    return result;
  }
  SourceDriver& driver_;
  std::mt19937 random_;
};
class RandomDirectories : public LiveTest, public ::testing::WithParamInterface<unsigned> {};
TEST_P(RandomDirectories, Directories) {
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 3; ++l)
          put_source("n" + std::to_string(i) + "/n" + std::to_string(j) + "/n" + std::to_string(k) +
                         "/f" + std::to_string(l),
                     std::string(static_cast<std::size_t>(l) * 500, 'k'));
  start();
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < 4; ++worker) {
    const unsigned seed = GetParam() * 100 + worker;
    threads.emplace_back([this, seed] {
      DirWorker random(*driver_, seed);
      for (int step = 0; step < 500; ++step) random.step();
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_equal();
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomDirectories, ::testing::Range(1U, 41U));

TEST_F(ForcedInterleaving, DExchangesAndFewDescriptors) {
  constexpr int kTops = 120;
  for (int i = 0; i < kTops; ++i) put_source("t" + std::to_string(i) + "/s/f", "x");
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit old = limit;
  limit.rlim_cur = 128;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  start();
  ::setrlimit(RLIMIT_NOFILE, &old);
  expect_equal();
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < 4; ++worker) {
    threads.emplace_back([this, worker] {
      std::mt19937 random(worker);
      const auto top = [&] { return "t" + std::to_string(random() % kTops); };
      for (int step = 0; step < 3000; ++step) {
        const std::string name = "/n" + std::to_string(random() % 3);
        switch (random() % 5) {
          case 0: driver_->rename(top(), top(), RENAME_EXCHANGE); break;
          case 1: driver_->create(top() + name); break;
          case 2: driver_->unlink(top() + name); break;
          case 3: driver_->create(top() + "/s" + name); break;
          default: driver_->unlink(top() + "/s" + name); break;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_equal();
  fprintf(stderr, "errors %lu\n", static_cast<unsigned long>(mirror_->status().errors_total));
}

// A file of two names, known under neither since nothing is compared: one goes, and then times are
// set through a descriptor.
TEST_F(ForcedInterleaving, G2_TimesOfAnObjectWithoutAKnownNameArrive) {
  put_source("d/first", "x");
  fs::create_hard_link(source_ / "d/first", source_ / "d/second");
  start();
  expect_equal();
  ASSERT_TRUE(stop());
  MirrorOptions trusting = options();
  trusting.check = Check::kNone;
  start(trusting);
  ASSERT_TRUE(driver_->unlink("d/first"));
  ASSERT_TRUE(driver_->set_mtime_nameless("d/second", {.tv_sec = 1'000'000'000, .tv_nsec = 7}));
  expect_equal();
  EXPECT_TRUE(stop());
}
}  // namespace
}  // namespace mirrorfs::testing
