#include <gtest/gtest.h>

#include "client_test.h"

namespace evenkeel::test {
namespace {

// A request larger than the sockets' buffers, of which the server reads nothing: it is half written.
class HalfWritten : public ClientTest {
 protected:
  static constexpr size_t kSize = 24 << 20;

  void start_half_written(const pipeline::Options& options, uint32_t timeout) {
    start_connected(options);
    set_ = client_->send({.opcode = Opcode::kSet,
                          .key = "large",
                          .timeout = timeout,
                          .payload = std::make_unique<TextPayload>(std::string(kSize, 'x'))});
    client_->barrier();
    ASSERT_TRUE(client_->until([this] {
      peer_->pull_some(24 - peer_->received().size());
      return peer_->received().size() == 24;
    }));
  }
  void answer_early() {
    uint32_t opaque = 0;
    std::memcpy(&opaque, peer_->received().data() + 12, sizeof opaque);
    peer_->answer({.opcode = 0x01, .status = 3, .opaque = opaque, .value = "Too large."});
  }
  size_t set_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, HalfWritten, kBothDrives, drive_name);

TEST_P(HalfWritten, WhenItTimesOutTheRestStillLeavesAndItsAnswerReleasesIt) {
  start_half_written({}, 30);
  const size_t behind = client_->send({.key = "behind"});
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  EXPECT_EQ(outcome(set_), layout::kOutcomeTimedOut);
  EXPECT_TRUE(written(set_));
  EXPECT_FALSE(client_->released(set_));
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.value.size(), kSize);
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "behind");
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(behind));
}

TEST_P(HalfWritten, WhenItIsCancelledTheRestStillLeaves) {
  start_half_written({}, kLongTimeout);
  client_->cancel(set_);
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.value.size(), kSize);
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  EXPECT_FALSE(client_->settled(set_));
}

TEST_P(HalfWritten, WhenTheConnectionIsLostItIsSentAgainWhole) {
  start_half_written(quick(), kLongTimeout);
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  EXPECT_FALSE(client_->settled(set_));
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "large");
  EXPECT_EQ(request.value.size(), kSize);
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  EXPECT_EQ(outcome(set_), layout::kOutcomeAnswered);
}

TEST_P(HalfWritten, WhenItIsGivenUpAndThenLostItIsNotSentAgain) {
  start_half_written(quick(), 1);
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  client_->send({.key = "behind"});
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  ASSERT_NO_FATAL_FAILURE(expect_key("behind"));
}

// As a server does that refuses a value by its head.
TEST_P(HalfWritten, AnAnswerSettlesItAndTheRestStillLeaves) {
  start_half_written({}, kLongTimeout);
  const size_t behind = client_->send({.key = "behind"});
  answer_early();
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  EXPECT_EQ(outcome(set_), layout::kOutcomeAnswered);
  EXPECT_EQ(client_->operation(set_).status, 3);
  EXPECT_FALSE(client_->released(set_));
  EXPECT_EQ(base::counters.payloads.load(), 1);
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.value.size(), kSize);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "behind");
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(behind));
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

TEST_P(HalfWritten, AnAnswerAfterItWasCancelledSettlesNothing) {
  start_half_written({}, kLongTimeout);
  client_->cancel(set_);
  client_->barrier();
  answer_early();
  const size_t behind = client_->send({.key = "behind"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.value.size(), kSize);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(behind));
  EXPECT_FALSE(client_->settled(set_));
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

TEST_P(HalfWritten, WhenItIsAnsweredAndThenCancelledOrLostItIsOver) {
  start_half_written(quick(), kLongTimeout);
  answer_early();
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  client_->cancel(set_);
  client_->send({.key = "behind"});
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set_));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  ASSERT_NO_FATAL_FAILURE(expect_key("behind"));
}

TEST_P(HalfWritten, WhenItIsAnsweredTheClientMayClose) {
  start_half_written({}, kLongTimeout);
  answer_early();
  ASSERT_NO_FATAL_FAILURE(wait_for(set_));
  client_->close();
  EXPECT_TRUE(client_->released(set_));
}

TEST_P(HalfWritten, ASecondAnswerToItEndsTheConnection) {
  start_half_written({}, kLongTimeout);
  answer_early();
  answer_early();
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseUnknownOpaque);
  EXPECT_EQ(outcome(set_), layout::kOutcomeAnswered);
}

}  // namespace
}  // namespace evenkeel::test
