// Deadlines, cancelling, and what becomes of the answers that come too late.
#include <gtest/gtest.h>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientDeadlines : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(, ClientDeadlines, kBothDrives, drive_name);

TEST_P(ClientDeadlines, OnlyTheStaleOperationTimesOut) {
  start_connected();
  const base::Millis begun = base::now();
  const size_t young = client_->submit({.key = "young"});
  const size_t stale = client_->submit({.key = "stale", .timeout = 30});
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  EXPECT_GE(base::now() - begun, 30u);  // never early
  EXPECT_EQ(outcome(stale), layout::kOutcomeTimedOut);
  EXPECT_TRUE(written(stale));
  EXPECT_FALSE(client_->settled(young));
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request, "value");
  ASSERT_NO_FATAL_FAILURE(wait_for(young));
  EXPECT_EQ(outcome(young), layout::kOutcomeAnswered);
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

TEST_P(ClientDeadlines, ALateAnswerNeverSettlesAnotherOperation) {
  start_connected();
  const size_t stale = client_->send({.key = "stale", .timeout = 1});
  Packet late;
  ASSERT_NO_FATAL_FAILURE(next_request(&late));
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  EXPECT_FALSE(client_->released(stale));  // its answer may still come, so its slot is taken
  const size_t next = client_->send({.key = "next"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_NE(request.opaque & ((1u << layout::kSlotBits) - 1), client_->operation(stale).slot);
  answer(late, "late");
  ASSERT_NO_FATAL_FAILURE(wait_for_release(stale));
  EXPECT_FALSE(client_->settled(next));
  answer(request, "right");
  ASSERT_NO_FATAL_FAILURE(wait_for(next));
  EXPECT_EQ(client_->operation(next).value, "right");
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

TEST_P(ClientDeadlines, ASlotComesBackUnderAnotherOpaque) {
  start_connected();
  std::vector<Packet> requests(2);
  for (Packet& request : requests) {
    const size_t get = client_->send({});
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    answer(request);
    ASSERT_NO_FATAL_FAILURE(wait_for_release(get));
    client_->turn();
  }
  EXPECT_EQ(client_->operation(0).slot, client_->operation(1).slot);
  EXPECT_NE(requests[0].opaque, requests[1].opaque);
  // The first answer again: it names nothing, and no operation gets it.
  const size_t third = client_->send({});
  answer(requests[0]);
  ASSERT_NO_FATAL_FAILURE(wait_for(third));
  EXPECT_EQ(outcome(third), layout::kOutcomeLost);
  EXPECT_EQ(client_->last_cause(), layout::kCauseUnknownOpaque);
}

TEST_P(ClientDeadlines, AnOperationThatNeverLeftTimesOutUnwrittenAndIsNeverSent) {
  start();
  const size_t stale = client_->send({.key = "stale", .timeout = 1});
  const size_t young = client_->send({.key = "young"});
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  EXPECT_EQ(outcome(stale), layout::kOutcomeTimedOut);
  EXPECT_FALSE(written(stale));
  EXPECT_TRUE(client_->released(stale));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  ASSERT_NO_FATAL_FAILURE(expect_key("young"));
  EXPECT_FALSE(client_->settled(young));
}

TEST_P(ClientDeadlines, HeldOperationsTimeOutToo) {
  start_connected();
  const size_t held = client_->submit({.key = "held", .timeout = 1});
  client_->flush(pipeline::Flush::kHold);
  ASSERT_NO_FATAL_FAILURE(wait_for(held));
  EXPECT_EQ(outcome(held), layout::kOutcomeTimedOut);
  EXPECT_FALSE(written(held));
  client_->send({.key = "next"});
  ASSERT_NO_FATAL_FAILURE(expect_key("next"));
}

TEST_P(ClientDeadlines, ACancelledOperationThatNeverLeftIsNeverSent) {
  start_connected();
  const size_t first = client_->submit({.key = "first"});
  client_->submit({.key = "second"});
  client_->at_once([&] {
    client_->cancel(first);
    client_->flush();
  });
  ASSERT_NO_FATAL_FAILURE(expect_key("second"));
  ASSERT_NO_FATAL_FAILURE(wait_for_release(first));
  EXPECT_FALSE(client_->settled(first));
}

// More than a read takes in, on a loop that does not turn until all deadlines have passed.
TEST_P(ClientDeadlines, AnswersThatAreThereCountHoweverLateTheLoopIs) {
  if (GetParam() == Drive::kThreaded) GTEST_SKIP() << "the loop's own thread is never late by so much";
  start_connected();
  constexpr size_t kGets = 1000;
  constexpr uint32_t kTimeout = 100;
  const base::Millis begun = base::now();
  for (size_t i = 0; i < kGets; ++i) client_->submit({.timeout = kTimeout});
  client_->flush();
  std::string answers;
  for (size_t i = 0; i < kGets; ++i) {
    std::optional<Packet> request;
    while (!request) request = peer_->request();
    answers +=
        encode({.opcode = request->opcode, .opaque = request->opaque, .extras = "flag", .value = "value"});
  }
  // In few segments: the memory of many would fill the client's socket, and the rest would wait elsewhere.
  peer_->send(answers);
  ASSERT_TRUE(peer_->has_sent_everything());
  while (base::now() < begun + kTimeout + 100) {
  }
  ASSERT_NO_FATAL_FAILURE(wait_for(kGets - 1));
  for (size_t i = 0; i < kGets; ++i) EXPECT_EQ(outcome(i), layout::kOutcomeAnswered) << i;
}

TEST_P(ClientDeadlines, ADeadlineThatIsGivenIsKeptWhateverTheTimeout) {
  start_connected();
  const base::Millis deadline = base::now() + 30;
  const size_t get = client_->send({.timeout = 1, .deadline = deadline});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(outcome(get), layout::kOutcomeTimedOut);
  EXPECT_GE(base::now(), deadline);
}

TEST_P(ClientDeadlines, ACancelledOperationThatLeftKeepsItsSlotUntilItsAnswer) {
  start_connected();
  const size_t get = client_->send({.key = "cancelled"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  client_->cancel(get);
  client_->client().cancel(client_->operation(get).slot);  // twice is once
  client_->barrier();
  client_->turn();
  EXPECT_FALSE(client_->released(get));
  answer(request, "too late");
  ASSERT_NO_FATAL_FAILURE(wait_for_release(get));
  EXPECT_FALSE(client_->settled(get));
}

TEST_P(ClientDeadlines, ACancelAndAnAnswerThatCross) {
  start_connected();
  const size_t get = client_->send({});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request, "value");
  client_->cancel(get);
  ASSERT_NO_FATAL_FAILURE(wait_for_release(get));
  const size_t next = client_->send({.key = "next"});
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request, "next value");
  ASSERT_NO_FATAL_FAILURE(wait_for(next));
  EXPECT_EQ(client_->operation(next).value, "next value");
}

// The slot that is used over and over comes round to its first opaque while the request of that time may
// still lie in the queue.
TEST_P(ClientDeadlines, ASlotGivenUpInAllItsGenerationsBehindALongQueue) {
  constexpr int kWaiting = 9000;
  constexpr int kGenerations = 1 << (32 - layout::kSlotBits);
  pipeline::Options options;
  options.connect_timeout = kLongTimeout;
  start(options);
  for (int i = 0; i < kWaiting; ++i) client_->submit({.key = "waiting"});
  client_->flush();
  for (int i = 0; i < kGenerations; ++i) {
    const size_t given_up = client_->send({.key = "given-up"});
    client_->cancel(given_up);
    ASSERT_NO_FATAL_FAILURE(wait_for_release(given_up));
    client_->client().take(nullptr, 0, {}, 0);  // the slot is free from here on
  }
  const size_t last = client_->send({.key = "last"});
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  for (int i = 0; i < kWaiting; ++i) {
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    ASSERT_EQ(request.key, "waiting");
    answer(request);
  }
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "last");
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(last));
}

}  // namespace
}  // namespace evenkeel::test
