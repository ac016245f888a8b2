#include "pipeline/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace evenkeel::pipeline {
namespace {

constexpr base::Millis kMin = 50;
constexpr base::Millis kMax = 2000;
constexpr uint64_t kSeed = 42;

// Fails as a server does that refuses at once; returns the pause.
base::Millis refused(Backoff* backoff, base::Millis now) {
  backoff->begin(now);
  return backoff->fail(now);
}

TEST(Backoff, PausesDoubleUpToTheLongestHalfOfThemAtRandom) {
  Backoff backoff(kMin, kMax, kSeed);
  for (const base::Millis ceiling : {50, 100, 200, 400, 800, 1600, 2000, 2000, 2000}) {
    const base::Millis pause = refused(&backoff, 0);
    EXPECT_GE(pause, ceiling / 2);
    EXPECT_LE(pause, ceiling);
  }
  std::set<base::Millis> different;
  for (int i = 0; i < 50; ++i) different.insert(refused(&backoff, 0));
  EXPECT_GT(different.size(), 25u);
}

TEST(Backoff, GoesOnWhereAnotherOneWas) {
  for (const auto& [failures, ceiling] : {std::pair{1U, 50U}, {2U, 100U}, {6U, 1600U}, {100U, 2000U}}) {
    Backoff backoff(kMin, kMax, kSeed);
    const base::Millis pause = backoff.resume(0, failures);
    EXPECT_GE(pause, ceiling / 2) << failures;
    EXPECT_LE(pause, ceiling) << failures;
    EXPECT_GE(refused(&backoff, 0), std::min<base::Millis>(2 * ceiling, kMax) / 2) << failures;
  }
}

TEST(Backoff, ThereIsAlwaysAPause) {
  Backoff backoff(1, 1, kSeed);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(refused(&backoff, 0), 1u);
}

TEST(Backoff, ThePauseCountsFromTheBeginningOfAnAttemptThatFailed) {
  Backoff backoff(kMin, kMax, kSeed);
  for (int i = 0; i < 10; ++i) refused(&backoff, 0);
  base::Millis longest = 0;
  for (int i = 0; i < 1000; ++i) {
    backoff.begin(0);
    const base::Millis attempt = static_cast<base::Millis>(i) * 2;
    const base::Millis pause = backoff.fail(attempt);
    EXPECT_GE(pause, kMin / 2);
    longest = std::max(longest, attempt + pause);
  }
  EXPECT_LE(longest, kMax + kMin);  // from one attempt to the next
}

TEST(Backoff, PausesGrowWhileConnectionsFailBeforeTheyWereOfUse) {
  Backoff backoff(kMin, kMax, kSeed);
  base::Millis now = 1;
  for (const base::Millis ceiling : {50, 100, 200, 400, 800, 1600, 2000, 2000}) {
    backoff.begin(now);
    const base::Millis since = now + 1;
    now += 100;  // what a connection takes to fail is no pause
    const base::Millis pause = backoff.end(now, since);
    EXPECT_GE(pause, ceiling / 2);
    EXPECT_LE(pause, ceiling);
  }
}

TEST(Backoff, ConnectionsThatWereThereTogetherEndOnce) {
  Backoff backoff(kMin, kMax, kSeed);
  constexpr base::Millis kEnd = 1000;
  for (base::Millis i = 0; i < 64; ++i) EXPECT_LE(backoff.end(kEnd + i, kEnd - i - 1), kMin);
  EXPECT_LE(refused(&backoff, 2 * kEnd), 2 * kMin);
}

TEST(Backoff, AConnectionThatWasOfUseBeginsAnew) {
  for (const bool by_age : {false, true}) {
    Backoff backoff(kMin, kMax, kSeed);
    for (int i = 0; i < 10; ++i) refused(&backoff, 0);
    backoff.begin(0);
    if (!by_age) backoff.prove(1);
    EXPECT_LE(backoff.end(by_age ? 1 + kMax : 2, 1), kMin);
    EXPECT_LE(refused(&backoff, 5000), 2 * kMin);
  }
}

TEST(Backoff, AnOldConnectionProvesNothingOfNewOnes) {
  Backoff backoff(kMin, kMax, kSeed);
  for (int i = 0; i < 10; ++i) {
    refused(&backoff, 5000);
    backoff.prove(1);
  }
  EXPECT_GE(refused(&backoff, 5000), kMax / 2);
}

TEST(Backoff, AnAttemptBehindALongConnectionIsAFailureLikeAnother) {
  Backoff backoff(kMin, kMax, kSeed);
  backoff.begin(0);
  EXPECT_LE(backoff.end(100'000, 1), kMin);
  for (int i = 0; i < 10; ++i) refused(&backoff, 200'000);
  EXPECT_GE(refused(&backoff, 300'000), kMax / 2);
}

}  // namespace
}  // namespace evenkeel::pipeline
