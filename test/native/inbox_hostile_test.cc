// Whatever a server sends, an operation settles at most once, and what cannot be understood ends the
// connection with its cause.
#include <gtest/gtest.h>

#include <random>

#include "inbox_harness.h"
#include "seed.h"

namespace evenkeel::pipeline {
namespace {

using test::encode;
using test::InboxHarness;
using test::Packet;
using test::unhex;

constexpr uint8_t kGet = 0x00;
constexpr uint8_t kSet = 0x01;
constexpr uint32_t kOpaque = 5;

class HostileServer : public testing::Test {
 protected:
  // What a get in flight meets.
  uint32_t cause_of(const std::string& bytes) {
    InboxHarness harness;
    harness.start_written(kOpaque, kGet);
    harness.feed(bytes);
    EXPECT_TRUE(harness.seen().empty());
    EXPECT_EQ(harness.flights().size(), 1u);  // still there, for the connection's end to settle
    return harness.cause;
  }
  static std::string head(uint32_t opaque, uint32_t body_length) {
    std::string bytes = encode({.opcode = kGet, .opaque = opaque, .extras = std::string(4, '\0')});
    return bytes.replace(8, 4, test::big_endian(body_length, 4));
  }
};

TEST_F(HostileServer, AnotherProtocolEndsTheConnectionAtItsFirstByte) {
  EXPECT_EQ(cause_of("E"), layout::kCauseBadMagic);
  EXPECT_EQ(cause_of("VALUE k 0 1\r\n"), layout::kCauseBadMagic);
  EXPECT_EQ(cause_of(encode({.magic = 0x80, .opaque = kOpaque})), layout::kCauseBadMagic);
  EXPECT_EQ(cause_of(encode({.magic = 0x18, .opaque = kOpaque})), layout::kCauseBadMagic);
}

TEST_F(HostileServer, LengthsThatContradictEachOtherEndTheConnection) {
  std::string bytes = encode({.opcode = kGet, .opaque = kOpaque, .extras = "abcd"});
  bytes.replace(8, 4, test::big_endian(3, 4));
  EXPECT_EQ(cause_of(bytes), layout::kCauseBadLengths);
}

TEST_F(HostileServer, AnOpaqueThatNamesNothingEndsTheConnection) {
  for (const uint32_t opaque : {0u, kOpaque + 1, 511u, 512u, 1048574u, 1048575u, 0xfffffffeu})
    EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = opaque})), layout::kCauseUnknownOpaque) << opaque;
  // The same slot under another generation.
  EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = kOpaque + (1u << layout::kSlotBits)})),
            layout::kCauseUnknownOpaque);
}

TEST_F(HostileServer, AnAnswerOfAnotherOpcodeEndsTheConnection) {
  EXPECT_EQ(cause_of(encode({.opcode = kSet, .opaque = kOpaque})), layout::kCauseWrongOpcode);
  EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = wire::kHandshakeOpaque})),
            layout::kCauseUnknownOpaque);
}

// Larger than any server keeps: what it says of the rest is not to be trusted either.
TEST_F(HostileServer, AValueOfGigabytesFailsItsOperationAndEndsTheConnection) {
  InboxHarness harness;
  harness.start_written(kOpaque, kGet);
  harness.start_written(kOpaque + 1, kGet);
  harness.feed(head(kOpaque, UINT32_MAX));
  EXPECT_EQ(harness.cause, layout::kCauseTooLarge);
  const auto seen = harness.seen();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].outcome & layout::kOutcomeMask, layout::kOutcomeRefused);
  EXPECT_EQ(harness.flights().size(), 1u);
}

TEST_F(HostileServer, TheAnswerToAWriteAndToTheHandshakeMayNotBeLarge) {
  InboxHarness harness;
  harness.start_written(kOpaque, kSet);
  harness.feed(encode({.opcode = kSet, .opaque = kOpaque, .value = std::string(20'000, 'x')}));
  EXPECT_EQ(harness.cause, layout::kCauseTooLarge);
  EXPECT_EQ(harness.inbox().blamed(harness.cause), kOpaque);
  InboxHarness stranger(InboxHarness::kMaxValue, false);
  stranger.feed(
      encode({.opcode = 0x0b, .opaque = wire::kHandshakeOpaque, .value = std::string(20'000, 'v')}));
  EXPECT_EQ(stranger.cause, layout::kCauseTooLarge);
}

TEST_F(HostileServer, AnAnswerToARequestThatHasNotLeftEndsTheConnection) {
  for (const FlightState state : {FlightState::kQueued, FlightState::kLeaving, FlightState::kAnswered}) {
    InboxHarness harness;
    harness.leaving = state == FlightState::kAnswered ? kOpaque : kOpaque + 1;
    harness.start(kOpaque, kGet).state = state;
    harness.feed(encode({.opcode = kGet, .opaque = kOpaque}));
    EXPECT_EQ(harness.cause, layout::kCauseUnknownOpaque);
    EXPECT_TRUE(harness.seen().empty());
  }
}

TEST_F(HostileServer, AnAnswerToAnotherConnectionsRequestEndsTheConnection) {
  InboxHarness harness;
  harness.start_written(kOpaque, kGet, false, InboxHarness::kConnection + 1);
  harness.feed(encode({.opcode = kGet, .opaque = kOpaque}));
  EXPECT_EQ(harness.cause, layout::kCauseUnknownOpaque);
}

TEST_F(HostileServer, TheSameAnswerTwiceSettlesOnce) {
  InboxHarness harness;
  harness.start_written(kOpaque, kGet);
  const std::string answer = encode({.opcode = kGet, .status = 1, .opaque = kOpaque});
  harness.feed(answer + answer);
  EXPECT_EQ(harness.seen().size(), 1u);
  EXPECT_EQ(harness.answered, 1u);
  EXPECT_EQ(harness.cause, layout::kCauseUnknownOpaque);
}

TEST_F(HostileServer, WhatCameBeforeTheFaultCounts) {
  InboxHarness harness;
  harness.start_written(kOpaque, kGet);
  harness.start_written(kOpaque + 1, kGet);
  harness.feed(encode({.opcode = kGet, .status = 1, .opaque = kOpaque}) + "garbage");
  EXPECT_EQ(harness.seen().size(), 1u);
  EXPECT_EQ(harness.cause, layout::kCauseBadMagic);
}

// Who is to blame for a connection's end, so that it is not sent again for ever.
TEST_F(HostileServer, TheHeadOfTheInputNamesTheAnswerThatCannotBeUnderstood) {
  const auto head_after = [](const std::string& bytes) {
    InboxHarness harness;
    harness.start_written(kOpaque, kGet);
    harness.feed(bytes);
    const uint32_t head = harness.inbox().blamed(harness.cause);
    harness.inbox().reset();
    EXPECT_EQ(harness.inbox().blamed(harness.cause), Inbox::kNobody);
    return head;
  };
  const std::string hit =
      encode({.opcode = kGet, .opaque = kOpaque, .extras = std::string(4, '\0'), .value = "value"});
  EXPECT_EQ(head_after(encode({.opcode = kSet, .opaque = kOpaque})), kOpaque);
  EXPECT_EQ(head_after(encode({.opcode = kGet, .opaque = kOpaque, .value = "without flags"})), kOpaque);
  EXPECT_EQ(head_after(hit.substr(0, 26)), kOpaque);
  EXPECT_EQ(head_after(head(kOpaque, 100'000) + "large"), kOpaque);
  EXPECT_EQ(head_after(hit.substr(0, 23)), Inbox::kNobody);
  EXPECT_EQ(head_after(hit), Inbox::kNobody);
  EXPECT_EQ(head_after("garbage"), Inbox::kNobody);
  EXPECT_EQ(head_after(head(kOpaque, 2 * InboxHarness::kMaxValue)), Inbox::kNobody);
}

TEST_F(HostileServer, WhatAStrangerSaidIsKeptUntilTheEnd) {
  InboxHarness harness(InboxHarness::kMaxValue, false);
  harness.feed("ERROR Too many open connections\r\n");
  EXPECT_EQ(harness.cause, layout::kCauseBadMagic);
  EXPECT_EQ(test::as_text(harness.inbox().unread()), "ERROR Too many open connections\r\n");
  harness.inbox().reset();
  EXPECT_TRUE(harness.inbox().unread().empty());
}

TEST_F(HostileServer, ARefusedHandshakeIsACause) {
  InboxHarness harness(InboxHarness::kMaxValue, false);
  harness.feed(encode({.opcode = 0x0b, .status = 0x81, .opaque = wire::kHandshakeOpaque, .value = "no"}) +
               encode({.opcode = 0x0a, .opaque = wire::kHandshakeOpaque}));
  EXPECT_EQ(harness.cause, layout::kCauseHandshake);
  EXPECT_EQ(test::as_text(harness.inbox().unread()), "no");
}

// A body that is all key: large by its length, with a value of no bytes.
TEST_F(HostileServer, AHitWithAKeyOrWithoutExactlyItsFlagsEndsTheConnection) {
  const std::string flags(4, '\0');
  EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = kOpaque, .extras = flags, .key = "k", .value = "v"})),
            layout::kCauseBadLengths);
  EXPECT_EQ(
      cause_of(encode({.opcode = kGet, .opaque = kOpaque, .extras = flags, .key = std::string(65535, 'k')})),
      layout::kCauseBadLengths);
  EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = kOpaque, .value = "v"})), layout::kCauseBadLengths);
  EXPECT_EQ(cause_of(encode({.opcode = kGet, .opaque = kOpaque, .extras = flags + "more!", .value = "v"})),
            layout::kCauseBadLengths);
}

// Valid packets with a few bytes changed, in random pieces: deep enough to reach every branch, and wrong
// somewhere.
TEST_F(HostileServer, DamagedStreamsSettleEachOperationAtMostOnce) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    InboxHarness harness(50'000);
    std::string bytes;
    for (uint32_t opaque = 0; opaque < 8; ++opaque) {
      Flight& flight = harness.start_written(opaque, kGet, random() % 4 == 0);
      if (random() % 4 == 0) harness.flights().abandon(flight, layout::kOutcomeReleased);
      const size_t length = random() % 8 == 0 ? 16'380 + random() % 20'000 : random() % 64;
      bytes +=
          encode({.opcode = kGet, .opaque = opaque, .extras = "flag", .value = std::string(length, 'v')});
    }
    for (size_t damage = random() % 3 + 1; damage-- > 0;) {
      const size_t at = random() % 2 == 0 ? random() % 48 : random() % bytes.size();
      bytes[at] = static_cast<char>(random());
    }
    std::string_view rest = bytes;
    while (!rest.empty() && harness.cause == 0) {
      const size_t length = std::min<size_t>(rest.size(), random() % 9000 + 1);
      harness.feed(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    std::vector<int> completions(8);
    for (const auto& seen : harness.seen()) {
      ASSERT_LT(seen.slot, 8u);
      ASSERT_EQ(++completions[seen.slot], 1);
    }
    ASSERT_LE(harness.seen().size() + harness.flights().size(), 9u);
    ASSERT_GE(harness.seen().size() + harness.flights().size(), 8u);
  }
  EXPECT_EQ(base::counters.large_values.load(), 0);
}

}  // namespace
}  // namespace evenkeel::pipeline
