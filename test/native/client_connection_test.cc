// Connections that fail, and what becomes of the operations on them.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "client_test.h"

namespace evenkeel::test {
namespace {

class ClientConnection : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(, ClientConnection, kBothDrives, drive_name);

TEST_P(ClientConnection, WrittenOperationsAreLostAndTheOthersSentOnTheNextOne) {
  pipeline::Options options = quick();
  options.max_written = 2;
  start_connected(options);
  for (int i = 0; i < 4; ++i) client_->submit({.key = std::to_string(i)});
  client_->flush();
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(0));
  ASSERT_NO_FATAL_FAILURE(wait_for(1));
  for (const size_t lost : {0, 1}) {
    EXPECT_EQ(outcome(lost), layout::kOutcomeLost);
    EXPECT_TRUE(written(lost));
    EXPECT_EQ(client_->operation(lost).detail, static_cast<uint32_t>(ECONNRESET));
    EXPECT_FALSE(client_->operation(lost).late);
    EXPECT_GT(client_->operation(lost).deadline, base::now() + kLongTimeout / 2);
  }
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  for (const size_t kept : {2, 3}) {
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    EXPECT_EQ(request.key, std::to_string(kept));
    answer(request);
    ASSERT_NO_FATAL_FAILURE(wait_for(kept));
    EXPECT_EQ(outcome(kept), layout::kOutcomeAnswered);
  }
}

TEST_P(ClientConnection, AnOrderlyEndIsALossToo) {
  start_connected(quick());
  const size_t get = client_->send({});
  ASSERT_NO_FATAL_FAILURE(expect_key("key"));
  peer_->close();
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(outcome(get), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(get).detail, layout::kCauseEndOfStream);
}

TEST_P(ClientConnection, AnAnswerCutOffIsNoAnswer) {
  for (const size_t length : {size_t{10}, size_t{100'000}}) {
    start_connected(quick());
    const size_t get = client_->send({});
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    const std::string bytes = encode({.opaque = request.opaque, .value = std::string(length, 'v')});
    peer_->send(bytes.substr(0, bytes.size() - 1));
    ASSERT_TRUE(client_->until([&] { return peer_->has_sent_everything(); }));
    peer_->close();
    ASSERT_NO_FATAL_FAILURE(wait_for(get));
    EXPECT_EQ(outcome(get), layout::kOutcomeLost);
    // The rest of it on the next connection is garbage, not the end of the answer.
    ASSERT_NO_FATAL_FAILURE(accept());
    ASSERT_NO_FATAL_FAILURE(shake_hands());
    const size_t next = client_->send({.key = "next"});
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    answer(request, "fresh");
    ASSERT_NO_FATAL_FAILURE(wait_for(next));
    EXPECT_EQ(client_->operation(next).value, "fresh");
    client_->close();
  }
}

TEST_P(ClientConnection, AbandonedOperationsAreReleasedWithTheirConnection) {
  start_connected(quick());
  const size_t stale = client_->submit({.key = "stale", .timeout = 1});
  const size_t cancelled = client_->submit({.key = "cancelled"});
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(expect_key("stale"));
  ASSERT_NO_FATAL_FAILURE(expect_key("cancelled"));
  client_->cancel(cancelled);
  ASSERT_NO_FATAL_FAILURE(wait_for(stale));
  peer_->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_release(stale));
  ASSERT_NO_FATAL_FAILURE(wait_for_release(cancelled));
  EXPECT_EQ(outcome(stale), layout::kOutcomeTimedOut);
  EXPECT_FALSE(client_->settled(cancelled));
}

TEST_P(ClientConnection, ARefusedConnectionIsTriedAgainAfterLongerAndLongerPauses) {
  listener_.close();
  pipeline::Options options;
  options.backoff_min = 16;
  options.backoff_max = 64;
  const base::Millis begun = base::now();
  start(options);
  const size_t get = client_->send({});
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 5; }));
  // At least half of each pause: (16 + 32 + 64 + 64) / 2.
  EXPECT_GE(base::now() - begun, 88u);
  EXPECT_EQ(client_->last_cause(), static_cast<uint32_t>(ECONNREFUSED));
  EXPECT_FALSE(client_->settled(get));
  listener_.reopen();
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  ASSERT_NO_FATAL_FAILURE(expect_key("key"));
}

TEST_P(ClientConnection, TheNextAddressIsTriedAfterTheFirst) {
  Listener second;
  listener_.close();
  client_ = std::make_unique<ClientHarness>(GetParam(), quick());
  client_->client().set_addresses(
      0, {*net::Address::ip("127.0.0.1", listener_.port()), *net::Address::ip("127.0.0.1", second.port())});
  ASSERT_TRUE(client_->until([&] { return (peer_ = second.accept()) != nullptr; }));
  ASSERT_NO_FATAL_FAILURE(shake_hands());
}

TEST_P(ClientConnection, TheAddressThatWorkedIsTriedFirstAgain) {
  Listener second;
  listener_.close();
  client_ = std::make_unique<ClientHarness>(GetParam(), quick());
  client_->client().set_addresses(
      0, {*net::Address::ip("127.0.0.1", listener_.port()), *net::Address::ip("127.0.0.1", second.port())});
  for (int times = 1; times <= 3; ++times) {
    ASSERT_TRUE(client_->until([&] { return (peer_ = second.accept()) != nullptr; }));
    ASSERT_NO_FATAL_FAILURE(shake_hands());
    peer_->reset();
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == 1 + times; }));
  }
}

TEST_P(ClientConnection, AnAddressThatSaysNothingIsTriedLessOftenThanOneThatRefuses) {
  Listener silent;
  listener_.close();
  pipeline::Options options = quick();
  options.connect_timeout = 10;
  client_ = std::make_unique<ClientHarness>(GetParam(), options);
  client_->client().set_addresses(
      0, {*net::Address::ip("127.0.0.1", silent.port()), *net::Address::ip("127.0.0.1", listener_.port())});
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) >= 10; }));
  std::vector<uint32_t> causes;
  for (size_t i = 0; i < 10; ++i) causes.push_back(client_->events()[i].detail);
  EXPECT_EQ(std::count(causes.begin(), causes.end(), uint32_t{ETIMEDOUT}), 2);
  EXPECT_EQ(std::count(causes.begin(), causes.end(), uint32_t{ECONNREFUSED}), 8);
}

TEST_P(ClientConnection, NoAddressIsAFaultLikeAnother) {
  client_ = std::make_unique<ClientHarness>(GetParam(), quick());
  client_->client().set_addresses(0, {});
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->last_cause(), static_cast<uint32_t>(EADDRNOTAVAIL));
}

// The shortest pause rounds down to nothing, and a fault that is known at once would then be all the loop
// does.
TEST_P(ClientConnection, ThereIsAlwaysAPauseBetweenTwoAttempts) {
  client_ = std::make_unique<ClientHarness>(GetParam(), quick());
  const base::Millis begun = base::now();
  client_->client().set_addresses(0, {});
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) >= 20; }));
  EXPECT_GE(base::now() - begun, 18u);
}

TEST_P(ClientConnection, OneWhoseAttemptsHaveFailedBeforeIsTriedAfterAPause) {
  listener_.close();
  pipeline::Options options;
  options.backoff_min = options.backoff_max = 60;
  client_ = std::make_unique<ClientHarness>(GetParam(), options);
  const base::Millis begun = base::now();
  client_->client().set_addresses(0, {*net::Address::ip("127.0.0.1", listener_.port())}, 3);
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_GE(base::now() - begun, 29u);
}

TEST_P(ClientConnection, PausesBetweenAttemptsAreSpread) {
  listener_.close();
  pipeline::Options options;
  options.backoff_min = options.backoff_max = 40;
  const base::Millis begun = base::now();
  start(options);
  std::vector<base::Millis> pauses;
  base::Millis last = 0;
  for (int attempt = 1; attempt <= 20; ++attempt) {
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) >= attempt; }));
    if (last != 0) pauses.push_back(base::now() - last);
    last = base::now();
  }
  const auto [shortest, longest] = std::minmax_element(pauses.begin(), pauses.end());
  // Each lasts 20 ms at least. How long one seems from here is the machine's business; all of them together
  // are not shorter.
  EXPECT_GE(last - begun, 19u * 19);
  EXPECT_GE(*longest - *shortest, 5u);  // 20 of 20 random milliseconds, all within 5: one in 10^10
}

TEST_P(ClientConnection, AServerThatNeverShakesHandsTimesOut) {
  pipeline::Options options = quick();
  options.connect_timeout = 20;
  start(options);
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->last_cause(), static_cast<uint32_t>(ETIMEDOUT));
  EXPECT_TRUE(client_->until([this] { return peer_->has_ended(); }));
}

TEST_P(ClientConnection, AServerOfAnotherProtocolIsFoundOutBeforeAnyOperation) {
  start();
  const size_t get = client_->send({});
  ASSERT_NO_FATAL_FAILURE(accept());
  peer_->send("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->last_cause(), layout::kCauseBadMagic);
  EXPECT_FALSE(client_->settled(get));
  EXPECT_EQ(peer_->rest().size(), 24u);
}

TEST_P(ClientConnection, ARefusedHandshakeIsAFault) {
  start();
  ASSERT_NO_FATAL_FAILURE(accept());
  Packet version;
  ASSERT_NO_FATAL_FAILURE(next_request(&version));
  peer_->answer({.opcode = 0x0b, .status = 0x81, .opaque = version.opaque});
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->last_cause(), layout::kCauseHandshake);
  EXPECT_EQ(client_->count(layout::kOutcomeConnected), 0);
}

TEST_P(ClientConnection, ASecondHandshakeAnswerEndsTheConnection) {
  start_connected(quick());
  const size_t get = client_->send({});
  peer_->answer({.opcode = 0x0b, .opaque = wire::kHandshakeOpaque});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(outcome(get), layout::kOutcomeLost);
  EXPECT_EQ(client_->last_cause(), layout::kCauseUnknownOpaque);
}

TEST_P(ClientConnection, GarbageLosesWhatWasWrittenAndKeepsWhatWasAnswered) {
  start_connected(quick());
  const size_t first = client_->submit({.key = "first"});
  const size_t second = client_->submit({.key = "second"});
  client_->flush();
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  peer_->send(encode({.opaque = request.opaque, .extras = std::string(4, '\0'), .value = "value"}) +
              "garbage");
  ASSERT_NO_FATAL_FAILURE(wait_for(second));
  EXPECT_EQ(outcome(first), layout::kOutcomeAnswered);
  EXPECT_EQ(outcome(second), layout::kOutcomeLost);
  EXPECT_EQ(client_->operation(second).detail, layout::kCauseBadMagic);
}

class ClientOffline : public ClientTest {
 protected:
  static pipeline::Options impatient() {
    pipeline::Options options = quick();
    options.offline = pipeline::Offline::kFail;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(, ClientOffline, kBothDrives, drive_name);

TEST_P(ClientOffline, OperationsFailAtOnceWhileThereIsNoConnection) {
  start(impatient());
  const size_t early = client_->send({});
  ASSERT_NO_FATAL_FAILURE(wait_for(early));
  EXPECT_EQ(outcome(early), layout::kOutcomeOffline);
  EXPECT_FALSE(written(early));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  const size_t get = client_->send({.key = "connected"});
  ASSERT_NO_FATAL_FAILURE(expect_key("connected"));
  EXPECT_FALSE(client_->settled(get));
}

TEST_P(ClientOffline, ALostConnectionFailsWhatWasWaitingForIt) {
  pipeline::Options options = impatient();
  options.max_written = 1;
  start_connected(options);
  const size_t in_flight = client_->submit({.key = "in-flight"});
  const size_t queued = client_->submit({.key = "queued"});
  client_->flush();
  const size_t held = client_->submit({.key = "held"});
  client_->flush(pipeline::Flush::kHold);
  ASSERT_NO_FATAL_FAILURE(expect_key("in-flight"));
  peer_->reset();
  for (const size_t operation : {in_flight, queued, held}) ASSERT_NO_FATAL_FAILURE(wait_for(operation));
  EXPECT_EQ(outcome(in_flight), layout::kOutcomeLost);
  EXPECT_EQ(outcome(queued), layout::kOutcomeOffline);
  EXPECT_EQ(outcome(held), layout::kOutcomeOffline);
}

}  // namespace
}  // namespace evenkeel::test
