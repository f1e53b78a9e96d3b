// G4: retries back off.
#include "engine/live/retry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace mirrorfs::live {
namespace {

using namespace std::chrono_literals;

TEST(RetryTest, WhatNeverFailedMayBeTriedAtOnce) {
  const Retry retry;
  EXPECT_FALSE(retry.is_failing());
  EXPECT_TRUE(retry.is_due());
}

TEST(RetryTest, G4EachFailureWaitsLongerThanTheOneBefore) {
  Retry retry;
  retry.failed();
  EXPECT_TRUE(retry.is_failing());
  EXPECT_FALSE(retry.is_due());
  std::this_thread::sleep_for(110ms);
  EXPECT_TRUE(retry.is_due());
  retry.failed();
  std::this_thread::sleep_for(110ms);
  EXPECT_FALSE(retry.is_due());
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(retry.is_due());
}

TEST(RetryTest, ASuccessBeginsAnew) {
  Retry retry;
  for (int failure = 0; failure < 40; ++failure) retry.failed();
  retry.succeeded();
  EXPECT_FALSE(retry.is_failing());
  EXPECT_TRUE(retry.is_due());
  retry.failed();
  std::this_thread::sleep_for(110ms);
  EXPECT_TRUE(retry.is_due());
}

}  // namespace
}  // namespace mirrorfs::live
