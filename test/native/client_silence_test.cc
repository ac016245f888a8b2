// A connection on which answers are due and nothing comes is given up; one that merely has nothing to say is
// not.
#include <gtest/gtest.h>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientSilence : public ClientTest {
 protected:
  static pipeline::Options options(base::Millis limit) {
    pipeline::Options options = quick();
    options.silence_limit = limit;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(, ClientSilence, kBothDrives, drive_name);

TEST_P(ClientSilence, ATimeOutAfterALongSilenceTakesTheConnectionAlong) {
  start_connected(options(20));
  const size_t stale = client_->submit({.key = "stale", .timeout = 50});
  const size_t young = client_->submit({.key = "young"});
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(wait_for(young));
  EXPECT_EQ(outcome(stale), layout::kOutcomeTimedOut);
  EXPECT_EQ(outcome(young), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(young).detail, layout::kCauseSilence);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(stale));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
}

// Whoever has more time does not have to wait for the end of it.
TEST_P(ClientSilence, ATimeOutWithinTheLimitDoesSoWhenTheSilenceGoesOn) {
  start_connected(options(200));
  const size_t stale = client_->submit({.key = "stale", .timeout = 1});
  const size_t patient = client_->submit({.key = "patient", .timeout = 600'000});
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  ASSERT_NO_FATAL_FAILURE(wait_for(patient));
  EXPECT_EQ(outcome(patient), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(patient).detail, layout::kCauseSilence);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
}

TEST_P(ClientSilence, ATimeOutWithinTheLimitDoesNot) {
  start_connected(options(20'000));
  const size_t stale = client_->send({.timeout = 1});
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

// The server owes nothing, so its silence says nothing.
TEST_P(ClientSilence, AnOperationThatWasHeldBackDoesNotBlameTheServer) {
  start_connected(options(1));
  const size_t held = client_->submit({.timeout = 20});
  client_->flush(pipeline::Flush::kHold);
  ASSERT_NO_FATAL_FAILURE(wait_for(held));
  EXPECT_EQ(outcome(held), layout::kOutcomeTimedOut);
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

// All that was written has timed out before the limit; only what waits behind the full window can notice.
TEST_P(ClientSilence, OperationsBehindAFullWindowNoticeItToo) {
  pipeline::Options limited = options(100);
  limited.max_written = 1;
  start_connected(limited);
  const size_t written_one = client_->submit({.timeout = 1});
  const size_t queued = client_->submit({.timeout = 150});
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(wait_for(written_one));
  ASSERT_NO_FATAL_FAILURE(wait_for(queued));
  EXPECT_EQ(outcome(queued), layout::kOutcomeTimedOut);
  EXPECT_FALSE(written(queued));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseSilence);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
}

// The silence counts from when the answer was first due, not from when the loop last had a turn: JavaScript
// may have been busy for long before it submitted.
TEST_P(ClientSilence, ABusyThreadIsNotTheServersSilence) {
  if (GetParam() == Drive::kThreaded) GTEST_SKIP() << "a loop of its own always turns";
  start_connected(options(200));
  const base::Millis begun = base::now();
  while (base::now() - begun < 250) continue;
  const size_t stale = client_->send({.timeout = 1});
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  EXPECT_EQ(outcome(stale), layout::kOutcomeTimedOut);
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

}  // namespace
}  // namespace evenkeel::test
