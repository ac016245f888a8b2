// A server whose protocol is a guess: what waits for it comes back when it turns out to speak another one.
#include <gtest/gtest.h>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientGuess : public ClientTest {
 protected:
  // Server 1, and no other, has the keys.
  void start_guessing(pipeline::Offline offline = pipeline::Offline::kFailWhenDown, bool is_open = false) {
    pipeline::Options options = quick();
    options.offline = offline;
    client_ = std::make_unique<ClientHarness>(GetParam(), options);
    client_->client().add_server(1, wire::memcache::kBinary, binary_steps(), "", true, is_open);
    client_->client().set_addresses(1, {*net::Address::ip("127.0.0.1", listener_.port())});
    client_->client().route_by(std::make_unique<pipeline::Single>(), {1});
  }
  void refuse() {
    ASSERT_NO_FATAL_FAILURE(accept());
    peer_->send("ERROR\r\n");
    ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  }
  void abandon() {
    client_->client().route_by(std::make_unique<pipeline::Single>(), {0});
    client_->client().abandon_server(1);
    client_->client().retire_server(1);
  }
  void expect_returned(size_t operation) {
    ASSERT_NO_FATAL_FAILURE(wait_for(operation));
    EXPECT_EQ(outcome(operation), layout::kOutcomeLost);
    EXPECT_FALSE(written(operation));
    EXPECT_EQ(client_->operation(operation).detail, layout::kCauseOtherProtocol);
    EXPECT_GT(client_->operation(operation).deadline, 0u);
  }
};

INSTANTIATE_TEST_SUITE_P(Drives, ClientGuess, kBothDrives, drive_name);

TEST_P(ClientGuess, WhatWaitsForItComesBackInOrderWhenItIsAbandoned) {
  start_guessing();
  const size_t first = client_->send({.opcode = Opcode::kSet, .value = "v"});
  ASSERT_NO_FATAL_FAILURE(refuse());
  const size_t second = client_->send({.key = "another"});
  const size_t staged = client_->submit({.key = "third"});
  client_->barrier();
  client_->turn();
  EXPECT_FALSE(client_->settled(first)) << "nobody knows yet that it speaks no other protocol";
  abandon();
  for (const size_t each : {first, second, staged}) ASSERT_NO_FATAL_FAILURE(expect_returned(each));
  EXPECT_EQ(client_->operation(first).flags, 0u);
  EXPECT_EQ(client_->operation(second).flags, 0u);
  EXPECT_EQ(client_->operation(staged).flags, 1u) << "it was not to leave yet";
  EXPECT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeRetired) == 1; }));
}

TEST_P(ClientGuess, WhatComesBackIsThereWhenTheCallReturns) {
  start_guessing();
  const size_t waiting = client_->send({});
  ASSERT_NO_FATAL_FAILURE(refuse());
  abandon();
  client_->take_now();
  ASSERT_NO_FATAL_FAILURE(expect_returned(waiting));
}

TEST_P(ClientGuess, OneThatCannotBeReachedFailsWhatWaitsAsAnyOther) {
  listener_.close();
  start_guessing();
  const size_t operation = client_->send({});
  ASSERT_NO_FATAL_FAILURE(wait_for(operation));
  EXPECT_EQ(outcome(operation), layout::kOutcomeOffline);
}

TEST_P(ClientGuess, AfterAConnectionWhatWaitsComesBackAsWell) {
  start_guessing(pipeline::Offline::kWait);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  ASSERT_NO_FATAL_FAILURE(accept());
  const size_t waiting = client_->send({});
  client_->barrier();
  abandon();
  ASSERT_NO_FATAL_FAILURE(expect_returned(waiting));
}

TEST_P(ClientGuess, AfterAConnectionARefusalShowsThatItIsDown) {
  start_guessing();
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  ASSERT_NO_FATAL_FAILURE(refuse());
  const size_t operation = client_->send({});
  ASSERT_NO_FATAL_FAILURE(wait_for(operation));
  EXPECT_EQ(outcome(operation), layout::kOutcomeOffline);
}

TEST_P(ClientGuess, AnOperationThatTheProtocolHasNotIsRefused) {
  start_guessing();
  const auto begin = [this](Opcode op) {
    return client_->begin({.request = {.op = op}, .timeout = 1000}, "key");
  };
  EXPECT_EQ(begin(Opcode::kGetDetails), layout::kRefusedOperation);
  EXPECT_EQ(begin(Opcode::kInvalidate), layout::kRefusedOperation);
  EXPECT_EQ(begin(Opcode::kGetOrClaim), layout::kRefusedOperation);
  EXPECT_EQ(begin(Opcode::kGetAndTouch), 0);
  EXPECT_EQ(client_->client().server_of(as_bytes("key")), 1);
}

TEST_P(ClientGuess, WhatItCannotSayWaitsInItsPlaceUntilThatIsDecided) {
  start_guessing(pipeline::Offline::kWait, true);
  const size_t before = client_->send({.opcode = Opcode::kSet, .value = "v"});
  const size_t held = client_->hold({.opcode = Opcode::kGetDetails});
  const size_t spaced = client_->hold({.opcode = Opcode::kSet, .key = "a key", .value = "value"});
  const size_t behind = client_->send({});
  EXPECT_EQ(client_->client().check_key({}, as_bytes("a key")), 0);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.opcode, 0x01);
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(before));
  client_->barrier();
  EXPECT_EQ(peer_->rest(), "");
  client_->client().decide_server(1);
  client_->take_now();
  for (const size_t each : {held, spaced, behind}) ASSERT_NO_FATAL_FAILURE(expect_returned(each));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
  EXPECT_EQ(client_->client().check_key({}, as_bytes("a key")), layout::kRefusedKeyForbiddenByte);
  const pipeline::Client::Call call{.request = {.op = Opcode::kGetDetails}, .timeout = 1000};
  EXPECT_EQ(client_->client().hold(layout::kRefusedOperation, call, as_bytes("key"), 0),
            layout::kRefusedOperation);
  const size_t after = client_->send({.key = "after"});
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "after");
  answer(request, "v");
  ASSERT_NO_FATAL_FAILURE(wait_for(after));
}

TEST_P(ClientGuess, WhatIsHeldIsAbandonedWithTheOthers) {
  start_guessing(pipeline::Offline::kWait, true);
  const size_t held = client_->hold({.opcode = Opcode::kInvalidate});
  const size_t behind = client_->send({});
  ASSERT_NO_FATAL_FAILURE(refuse());
  abandon();
  for (const size_t each : {held, behind}) ASSERT_NO_FATAL_FAILURE(expect_returned(each));
}

TEST_P(ClientGuess, WhatIsHeldHasItsDeadlineAndCanBeCancelled) {
  start_guessing(pipeline::Offline::kWait, true);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t late = client_->hold({.opcode = Opcode::kGetDetails, .timeout = 1});
  const size_t cancelled = client_->hold({.opcode = Opcode::kGetDetails});
  const size_t behind = client_->send({});
  client_->cancel(cancelled);
  ASSERT_NO_FATAL_FAILURE(wait_for(late));
  EXPECT_EQ(outcome(late), layout::kOutcomeTimedOut);
  EXPECT_FALSE(written(late));
  client_->client().decide_server(1);
  ASSERT_NO_FATAL_FAILURE(expect_returned(behind));
}

TEST_P(ClientGuess, WhatLeavesInPartIsWrittenAndTheRestComesBack) {
  start_guessing(pipeline::Offline::kWait, true);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t large = client_->send({.opcode = Opcode::kSet, .value = std::string(size_t{32} << 20, 'v')});
  client_->barrier();
  const size_t held = client_->hold({.opcode = Opcode::kGetDetails});
  client_->client().decide_server(1);
  ASSERT_NO_FATAL_FAILURE(expect_returned(held));
  EXPECT_FALSE(client_->settled(large));
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(large));
  EXPECT_EQ(outcome(large), layout::kOutcomeAnswered);
}

}  // namespace
}  // namespace evenkeel::test
