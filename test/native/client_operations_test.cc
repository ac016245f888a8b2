// What a client does while its server behaves.
#include <gtest/gtest.h>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientOperations : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(, ClientOperations, kBothDrives, drive_name);

TEST_P(ClientOperations, TheHandshakeComesFirstAndTellsTheVersion) {
  start();
  const size_t get = client_->send({.key = "early"});
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_TRUE(
      client_->until([&] { return peer_->rest().size() == 24; }));  // the VERSION request, nothing behind it
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  EXPECT_EQ(client_->events().back().value, "1.6.45");
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "early");
  answer(request, "value");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "value");
}

TEST_P(ClientOperations, AnAnswerBringsAllThatTheServerSaid) {
  start_connected();
  const size_t get = client_->send({.key = "k"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  peer_->answer({.opcode = 0x00,
                 .opaque = request.opaque,
                 .cas = 0x0123456789abcdef,
                 .extras = unhex("01 02 03 04"),
                 .value = "value"});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  const Operation& operation = client_->operation(get);
  EXPECT_EQ(operation.outcome, layout::kOutcomeAnswered);
  EXPECT_TRUE(operation.written);
  EXPECT_TRUE(operation.released);
  EXPECT_EQ(operation.status, 0);
  EXPECT_EQ(operation.cas, 0x0123456789abcdefu);
  EXPECT_EQ(operation.flags, 0x01020304u);
  EXPECT_EQ(operation.value, "value");
}

TEST_P(ClientOperations, WhatWasCommittedLeavesInOneFlushAndInOrder) {
  start_connected();
  std::vector<size_t> gets;
  for (int i = 0; i < 200; ++i) gets.push_back(client_->submit({.key = "key-" + std::to_string(i)}));
  client_->barrier();
  EXPECT_EQ(peer_->rest(), "");
  client_->flush();
  std::vector<Packet> requests(200);
  for (int i = 0; i < 200; ++i) {
    ASSERT_NO_FATAL_FAILURE(next_request(&requests[static_cast<size_t>(i)]));
    EXPECT_EQ(requests[static_cast<size_t>(i)].key, "key-" + std::to_string(i));
  }
  // Answered backwards: the opaque alone says whose answer it is.
  for (size_t i = 200; i-- > 0;) answer(requests[i], "value of " + requests[i].key);
  for (size_t i = 0; i < 200; ++i) {
    ASSERT_NO_FATAL_FAILURE(wait_for(gets[i]));
    EXPECT_EQ(client_->operation(gets[i]).value, "value of " + requests[i].key);
  }
}

TEST_P(ClientOperations, HeldOperationsWaitForTheFlushThatWrites) {
  start_connected();
  client_->submit({.key = "held-1"});
  client_->flush(pipeline::Flush::kHold);
  client_->submit({.key = "held-2"});
  client_->flush(pipeline::Flush::kHold);
  client_->barrier();
  EXPECT_EQ(peer_->rest(), "");
  client_->submit({.key = "last"});
  client_->flush(pipeline::Flush::kAll);
  for (const char* key : {"held-1", "held-2", "last"}) ASSERT_NO_FATAL_FAILURE(expect_key(key));
  client_->submit({.key = "held-3"});
  client_->flush(pipeline::Flush::kHold);
  client_->flush(pipeline::Flush::kAll);  // with nothing else to send
  ASSERT_NO_FATAL_FAILURE(expect_key("held-3"));
}

TEST_P(ClientOperations, AFlushTakesWhatCameBeforeItAndNothingElse) {
  start_connected();
  client_->at_once([this] {
    client_->submit({.key = "before"});
    client_->flush(pipeline::Flush::kAll);
    client_->submit({.key = "held"});
    client_->flush(pipeline::Flush::kHold);
    client_->submit({.key = "ahead"});
    client_->flush(pipeline::Flush::kStaged);
  });
  for (const char* key : {"before", "ahead"}) ASSERT_NO_FATAL_FAILURE(expect_key(key));
  client_->barrier();
  EXPECT_EQ(peer_->rest(), "");
  client_->flush(pipeline::Flush::kAll);
  ASSERT_NO_FATAL_FAILURE(expect_key("held"));
}

TEST_P(ClientOperations, NoMoreThanTheWindowIsUnanswered) {
  pipeline::Options options;
  options.max_written = 2;
  start_connected(options);
  for (int i = 0; i < 5; ++i) client_->submit({.key = std::to_string(i)});
  client_->flush();
  std::vector<Packet> requests(5);
  for (size_t i = 0; i < 5; ++i) {
    ASSERT_NO_FATAL_FAILURE(next_request(&requests[i]));
    EXPECT_EQ(requests[i].key, std::to_string(i));
    if (i == 0) continue;
    client_->barrier();
    EXPECT_EQ(peer_->rest(), "");
    answer(requests[i - 1]);
  }
  answer(requests[4]);
  ASSERT_NO_FATAL_FAILURE(wait_for(4));
}

TEST_P(ClientOperations, ValuesTravelInlineAndByReference) {
  start_connected();
  const std::string large(3 << 20, 'L');
  const size_t inline_set = client_->submit({.opcode = Opcode::kSet, .key = "inline", .value = "small"});
  const size_t set = client_->submit(
      {.opcode = Opcode::kSet, .key = "reference", .payload = std::make_unique<TextPayload>(large)});
  const size_t get = client_->submit({.key = "behind"});
  client_->flush();
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.value, "small");
  answer(request);
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "reference");
  EXPECT_TRUE(request.value == large);
  answer(request);
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request, large);
  ASSERT_TRUE(client_->until([&] { return peer_->has_sent_everything() && client_->settled(get); }));
  EXPECT_TRUE(client_->operation(get).value == large);
  EXPECT_TRUE(client_->settled(inline_set) && client_->settled(set));
  EXPECT_EQ(base::counters.payloads.load(), 0);
}

TEST_P(ClientOperations, PayloadsGivenUpBeforeTheyWereSentAreFreedWithoutAnyTraffic) {
  pipeline::Options options;
  options.max_written = 1;
  start_connected(options);
  const size_t unanswered = client_->send({.key = "unanswered"});
  for (int i = 0; i < 100; ++i) {
    const size_t set = client_->send({.opcode = Opcode::kSet,
                                      .key = std::to_string(i),
                                      .payload = std::make_unique<TextPayload>(std::string(1 << 20, 'p'))});
    client_->cancel(set);
    client_->barrier();
    EXPECT_LE(base::counters.payloads.load(), 5);
  }
  ASSERT_NO_FATAL_FAILURE(expect_key("unanswered"));
  EXPECT_FALSE(client_->settled(unanswered));
}

TEST_P(ClientOperations, APayloadWhoseMemoryWasTakenAwayFailsItsOperationOnly) {
  start_connected();
  client_->submit({.key = "before"});
  auto payload = std::make_unique<TextPayload>(std::string(1000, 'x'));
  TextPayload* const observer = payload.get();
  const size_t set = client_->submit({.opcode = Opcode::kSet, .payload = std::move(payload)});
  client_->submit({.key = "after"});
  observer->lose();  // before the hand-over, as nothing is shared with the loop until then
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(expect_key("before"));
  ASSERT_NO_FATAL_FAILURE(expect_key("after"));
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(outcome(set), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(set).detail, static_cast<uint32_t>(EFAULT));
  EXPECT_FALSE(written(set));
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
}

TEST_P(ClientOperations, RefusesMoreThanItsLimitUntilSlotsAreFree) {
  pipeline::Options options;
  options.max_operations = 3;
  start_connected(options);
  for (int i = 0; i < 3; ++i) client_->send({});
  const pipeline::Client::Call call{.request = {.op = Opcode::kGet}};
  EXPECT_EQ(client_->begin(call, "k"), layout::kRefusedBackpressure);
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(0));
  EXPECT_EQ(client_->client().available(), 1u);
  client_->send({});
}

TEST_P(ClientOperations, WhatIsHandedInAgainIsAcceptedAboveTheLimit) {
  pipeline::Options options;
  options.max_operations = 2;
  start_connected(options);
  const base::Millis deadline = base::now() + kLongTimeout;
  std::vector<size_t> gets;
  for (int i = 0; i < 2; ++i) gets.push_back(client_->send({}));
  for (int i = 0; i < 3; ++i) gets.push_back(client_->send({.deadline = deadline}));
  const pipeline::Client::Call call{.request = {.op = Opcode::kGet}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(client_->client().available(), 0u);
    EXPECT_EQ(client_->begin(call, "k"), layout::kRefusedBackpressure);
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    answer(request);
    ASSERT_NO_FATAL_FAILURE(wait_for(gets[i]));
    client_->take_now();
  }
  EXPECT_EQ(client_->begin(call, "k"), 0);
}

TEST_P(ClientOperations, WhatIsSetAsideCountsLikeWhatIsSubmitted) {
  pipeline::Options options;
  options.max_operations = 3;
  options.max_queued_bytes = 100;
  start_connected(options);
  pipeline::Client& client = client_->client();
  const pipeline::Client::Call call{.request = {.op = Opcode::kGet}};
  const pipeline::Client::Call accepted{.request = {.op = Opcode::kGet}, .accepted = true};
  EXPECT_EQ(client.set_aside(call, 100), 0);
  EXPECT_EQ(client.queued_bytes(), 100u);
  EXPECT_EQ(client.set_aside(call, 1), layout::kRefusedQueuedBytes);
  EXPECT_EQ(client_->begin(call, "k"), layout::kRefusedQueuedBytes);
  EXPECT_EQ(client_->begin(accepted, "k"), 0);
  client.give_back(100);
  EXPECT_EQ(client.queued_bytes(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.set_aside(call, 0), 0);
  EXPECT_EQ(client.set_aside(call, 0), layout::kRefusedBackpressure);
  EXPECT_EQ(client_->begin(call, "k"), layout::kRefusedBackpressure);
  EXPECT_EQ(client.set_aside(accepted, 0), 0);
  EXPECT_EQ(client.available(), 0u);
  for (int i = 0; i < 4; ++i) client.give_back(0);
  EXPECT_EQ(client_->begin(call, "k"), 0);
}

TEST_P(ClientOperations, ClosingSettlesEverythingAndSaysSoLast) {
  start_connected();
  const size_t in_flight = client_->send({.key = "in-flight"});
  ASSERT_NO_FATAL_FAILURE(expect_key("in-flight"));
  const size_t held = client_->submit({.key = "held"});
  client_->flush(pipeline::Flush::kHold);
  const size_t staged = client_->submit({.key = "staged"});
  client_->close();
  for (const size_t operation : {in_flight, held, staged})
    EXPECT_EQ(outcome(operation), layout::kOutcomeClosed);
  EXPECT_TRUE(written(in_flight));
  EXPECT_FALSE(written(held));
  EXPECT_FALSE(written(staged));
  EXPECT_EQ(client_->events().back().outcome, layout::kOutcomeEnded);
  EXPECT_TRUE(client_->until([this] { return peer_->has_ended(); }));
  EXPECT_EQ(peer_->rest(), "");
  EXPECT_EQ(client_->begin({}, "k"), layout::kRefusedClosed);
  client_->client().close();
  client_->client().cancel(0);
  client_->flush();
}

TEST_P(ClientOperations, ClosingBeforeAnyConnection) {
  listener_.close();
  start();
  const size_t get = client_->send({});
  client_->close();
  EXPECT_EQ(outcome(get), layout::kOutcomeClosed);
}

TEST_P(ClientOperations, ClosingWithoutEverConnecting) {
  client_ = std::make_unique<ClientHarness>(GetParam(), pipeline::Options{});
  const size_t get = client_->send({});
  client_->close();
  EXPECT_EQ(outcome(get), layout::kOutcomeClosed);
}

}  // namespace
}  // namespace evenkeel::test
