// How soon a client has a working connection again, and what of the old one still counts.
#include <gtest/gtest.h>

#include <vector>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientRecovery : public ClientTest {
 protected:
  std::string answers_to(const std::vector<Packet>& requests) const {
    std::string bytes;
    for (const Packet& request : requests)
      bytes += encode({.opcode = request.opcode, .opaque = request.opaque});
    return bytes;
  }
};
INSTANTIATE_TEST_SUITE_P(, ClientRecovery, kBothDrives, drive_name);

// The write is the first to meet the reset, before anything was read.
TEST_P(ClientRecovery, WhatWasAnsweredBeforeAResetCountsAlsoWhenAWriteMeetsIt) {
  start_connected(quick());
  constexpr size_t kSets = 50;
  for (size_t i = 0; i < kSets; ++i) client_->submit({.opcode = Opcode::kSet, .key = std::to_string(i)});
  client_->flush();
  std::vector<Packet> requests(kSets);
  for (Packet& request : requests) ASSERT_NO_FATAL_FAILURE(next_request(&request));
  size_t again = 0;
  client_->at_once([&] {
    peer_->send(answers_to(requests));
    peer_->reset();
    again = client_->send({.opcode = Opcode::kSet, .key = "again"});
  });
  for (size_t i = 0; i < kSets; ++i) {
    ASSERT_NO_FATAL_FAILURE(wait_for(i));
    EXPECT_EQ(outcome(i), layout::kOutcomeAnswered) << i;
  }
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  EXPECT_FALSE(client_->settled(again));
  ASSERT_NO_FATAL_FAILURE(expect_key("again"));
}

TEST_P(ClientRecovery, WhatWasNotAnsweredBeforeItIsLost) {
  start_connected(quick());
  for (size_t i = 0; i < 4; ++i) client_->submit({.opcode = Opcode::kSet, .key = std::to_string(i)});
  client_->flush();
  std::vector<Packet> requests(4);
  for (Packet& request : requests) ASSERT_NO_FATAL_FAILURE(next_request(&request));
  client_->at_once([&] {
    peer_->send(answers_to({requests[0], requests[2]}) + "garbage");
    peer_->reset();
    client_->send({.opcode = Opcode::kSet, .key = "again"});
  });
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_NO_FATAL_FAILURE(wait_for(i));
    EXPECT_EQ(outcome(i), i % 2 == 0 ? layout::kOutcomeAnswered : layout::kOutcomeLost) << i;
  }
}

TEST_P(ClientRecovery, PausesGrowWhileNoConnectionProvesItself) {
  pipeline::Options options;
  options.backoff_min = 16;
  options.backoff_max = 64;
  const base::Millis begun = base::now();
  start(options);
  for (int i = 0; i < 5; ++i) {
    ASSERT_NO_FATAL_FAILURE(accept());
    ASSERT_NO_FATAL_FAILURE(shake_hands());
    peer_->close();
  }
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 5; }));
  // At least half of each pause: (16 + 32 + 64 + 64) / 2.
  EXPECT_GE(base::now() - begun, 88u);
}

// The next pause would be of more than a minute otherwise.
TEST_P(ClientRecovery, AnAnswerToAnOperationProvesAConnection) {
  pipeline::Options options;
  options.backoff_min = 1;
  options.backoff_max = 400'000;
  start(options);
  for (int i = 0; i < 19; ++i) {
    ASSERT_NO_FATAL_FAILURE(accept());
    ASSERT_NO_FATAL_FAILURE(shake_hands());
    const size_t get = client_->send({});
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    answer(request);
    ASSERT_NO_FATAL_FAILURE(wait_for(get));
    peer_->close();
  }
}

TEST_P(ClientRecovery, AConnectionThatLivesForTheLongestPauseHasProvenItself) {
  pipeline::Options options;
  options.backoff_min = 1;
  options.backoff_max = 30;
  start(options);
  for (int i = 0; i < 5; ++i) {  // the pause is the longest now
    ASSERT_NO_FATAL_FAILURE(accept());
    ASSERT_NO_FATAL_FAILURE(shake_hands());
    peer_->close();
  }
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const base::Millis until = base::now() + 40;
  while (base::now() < until) client_->turn();
  peer_->close();
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  ASSERT_NO_FATAL_FAILURE(accept());
}

TEST_P(ClientRecovery, WhatAStrangerSaidIsToldAndWhatAServerSaidIsNot) {
  start(quick());
  ASSERT_NO_FATAL_FAILURE(accept());
  peer_->send("ERROR Too many open connections\r\n");
  peer_->close();
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseBadMagic);
  EXPECT_EQ(client_->events().back().value, "ERROR Too many open connections\r\n");
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  peer_->send("a secret");
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->events().back().value, "");
}

TEST_P(ClientRecovery, OnlyTheBeginningOfWhatAStrangerSaidIsTold) {
  start(quick());
  ASSERT_NO_FATAL_FAILURE(accept());
  peer_->send(std::string(10'000, 'x'));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1; }));
  EXPECT_EQ(client_->events().back().value, std::string(128, 'x'));
}

// A body that is skipped answers nobody: the others' time-outs end the connection all the same.
TEST_P(ClientRecovery, SkippingIsSilence) {
  pipeline::Options options = quick();
  options.max_value = 100;
  options.silence_limit = 50;
  start_connected(options);
  const size_t refused = client_->send({});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  std::string head = encode({.opaque = request.opaque, .extras = std::string(4, '\0')});
  peer_->send(head.replace(8, 4, big_endian(500'000'000, 4)));
  ASSERT_NO_FATAL_FAILURE(wait_for(refused));
  EXPECT_EQ(outcome(refused), layout::kOutcomeRefused);
  EXPECT_EQ(client_->operation(refused).flags, 500'000'000u - 4);
  const size_t behind = client_->send({.timeout = 100});
  ASSERT_TRUE(client_->until([&] {
    peer_->send("x");
    return client_->settled(behind);
  }));
  EXPECT_EQ(outcome(behind), layout::kOutcomeTimedOut);
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseSilence);
}

#if defined(__linux__)
// The operations have all the time in the world: nobody has to time out for it.
TEST_P(ClientRecovery, AConnectionWhoseOtherEndHasVanishedIsGivenUp) {
  pipeline::Options options = quick();
  options.dead_limit = 300;
  start_connected(options);
  const std::unique_ptr<Peer> old = std::move(peer_);
  old->vanish();
  const size_t lost = client_->send({.key = "lost"});
  ASSERT_NO_FATAL_FAILURE(wait_for(lost));
  EXPECT_EQ(outcome(lost), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(lost).detail, static_cast<uint32_t>(ETIMEDOUT));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t get = client_->send({.key = "next"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  answer(request);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
}

// Its system acknowledges what it does not read.
TEST_P(ClientRecovery, AServerThatOnlyDoesNotAnswerIsNotGivenUp) {
  pipeline::Options options = quick();
  options.dead_limit = 400;  // more than the kernel waits before it sends something again
  start_connected(options);
  const size_t waiting = client_->send({.key = "waiting"});
  const size_t large = client_->send({.opcode = Opcode::kSet,
                                      .key = "large",
                                      .payload = std::make_unique<TextPayload>(std::string(24 << 20, 'x'))});
  const base::Millis until =
      base::now() + 1500;  // the window is closed by then, and looked at again and again
  while (base::now() < until) client_->turn();
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 0);
  for (const size_t operation : {waiting, large}) {
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    answer(request);
    ASSERT_NO_FATAL_FAILURE(wait_for(operation));
    EXPECT_EQ(outcome(operation), layout::kOutcomeAnswered);
  }
}
#endif

// By its own answer, or as the only one for which there was one.
TEST_P(ClientRecovery, AnOperationWhoseAnswerBreaksTheConnectionIsBlamed) {
  start_connected(quick());
  const size_t first = client_->submit({.key = "first"});
  const size_t second = client_->submit({.key = "second"});
  client_->flush();
  std::vector<Packet> requests(2);
  for (Packet& request : requests) ASSERT_NO_FATAL_FAILURE(next_request(&request));
  peer_->answer({.opcode = 0x01, .opaque = requests[1].opaque});
  ASSERT_NO_FATAL_FAILURE(wait_for(first));
  ASSERT_NO_FATAL_FAILURE(wait_for(second));
  EXPECT_FALSE(client_->operation(first).blamed);
  EXPECT_TRUE(client_->operation(second).blamed);

  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t alone = client_->send({.key = "alone"});
  ASSERT_NO_FATAL_FAILURE(expect_key("alone"));
  peer_->send("garbage");
  ASSERT_NO_FATAL_FAILURE(wait_for(alone));
  EXPECT_TRUE(client_->operation(alone).blamed);

  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t unanswered = client_->send({.key = "unanswered"});
  ASSERT_NO_FATAL_FAILURE(expect_key("unanswered"));
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(unanswered));
  EXPECT_FALSE(client_->operation(unanswered).blamed);
}

}  // namespace
}  // namespace evenkeel::test
