// A ring and an empty directory for the tests of engine/ring.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "engine/ring/ring.h"
#include "engine/ring/sync.h"

namespace mirrorfs::ring {

class RingFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "ring_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(directory_);
  }
  void TearDown() override {
    ring_.reset();
    std::filesystem::remove_all(path_);
  }

  void make_ring(const RingOptions& options = {}) {
    auto created = Ring::create(options);
    ASSERT_TRUE(created) << created.error().message();
    ring_ = *std::move(created);
  }
  Ring& ring() { return *ring_; }
  [[nodiscard]] int dir() const { return directory_.get(); }

  /// Runs a test's body, a lambda that is a coroutine. It stays alive until the task has ended.
  template <class Body>
  void run(Body body) {
    ring().run_task(body());
  }

  /// `count` requests side by side.
  Task<> look_many(int count, int& good) {
    TaskGroup group(ring());
    for (int i = 0; i < count; ++i) group.spawn(look(good));
    co_await group.join();
  }
  Task<> look(int& good) {
    auto metadata = co_await ring().statx(dir(), ".");
    if (metadata) ++good;
  }

  UniqueFd make_file(const char* name) {
    return UniqueFd(::openat(dir(), name, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  }

  std::filesystem::path path_;
  UniqueFd directory_;
  std::unique_ptr<Ring> ring_;
};

template <class T>
::testing::AssertionResult succeeded(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message();
}

template <class T>
::testing::AssertionResult failed_with(const Result<T>& result, int code, const char* operation,
                                       const std::string& name) {
  if (result) return ::testing::AssertionFailure() << "succeeded";
  const Error& error = result.error();
  if (error.code == code && std::string(error.operation) == operation && error.name == name) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << error.message();
}

}  // namespace mirrorfs::ring
