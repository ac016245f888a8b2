// Every answer of the meta protocol, in whatever pieces it comes, and what no server should send.
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <random>

#include "inbox_harness.h"
#include "seed.h"
#include "wire/memcache_meta/meta.h"

namespace evenkeel::pipeline {
namespace {

using test::Seen;
using wire::Op;

constexpr uint32_t kOpaque = 5;
constexpr std::string_view kGreeted = "MN\r\nVERSION 1.6.18\r\n";

class MetaHarness : public test::InboxHarness {
 public:
  explicit MetaHarness(uint32_t max_value = kMaxValue)
      : InboxHarness(max_value, false, wire::memcache_meta::kMeta, test::meta_steps()) {
    feed(kGreeted);
    EXPECT_TRUE(handshake_done);
  }
  Flight& due(uint32_t opaque, Op op, bool discards_value = false) {
    return start_written(opaque, static_cast<uint8_t>(op), discards_value);
  }
};

std::string hex(uint32_t number) {
  std::array<char, 8> digits{};
  const auto [end, fault] = std::to_chars(digits.begin(), digits.end(), number, 16);
  return {digits.begin(), end};
}

uint32_t outcome(uint16_t status) {
  return layout::kOutcomeAnswered | layout::kOutcomeWrittenBit | layout::kOutcomeReleaseBit |
         uint32_t{status} << layout::kOutcomeStatusShift;
}

struct Example {
  Op op;
  std::string bytes;
  uint16_t status;
  uint32_t flags = 0;
  uint64_t cas = 0;
  std::string value = "";
  bool discards_value = false;
  uint32_t cause = 0;
};

const Example kExamples[] = {
    {Op::kGet, "VA 5 f7 c9 O5\r\nvalue\r\n", 0, 7, 9, "value"},
    {Op::kGet, "VA 0 f4294967295 c18446744073709551615 O00000005\r\n\r\n", 0, UINT32_MAX, UINT64_MAX, ""},
    {Op::kGet, "VA 2 O5 c9 f7\r\n\r\n\r\n", 0, 7, 9, "\r\n"},
    {Op::kGet, "VA  5   s5 O5  k? W t-1  Z X b  \r\nvalue\r\n", 0, 0, 0, "value"},
    {Op::kGet, "EN O5\r\n", 1},
    {Op::kGet, "HD O5\r\n", 0, 0, 0, "", true},
    {Op::kGet, "EN O5\r\n", 1, 0, 0, "", true},
    {Op::kGetAndTouch, "VA 5 f7 c9 O5\r\nvalue\r\n", 0, 7, 9, "value"},
    {Op::kGetAndTouch, "EN O5\r\n", 1},
    {Op::kGetAndTouch, "VA 0 f0 O5 Z\r\n\r\n", 1},
    {Op::kGet, "VA 0 f0 O5 W\r\n\r\n", 1},
    {Op::kGet, "VA 0 f7 O5 Z\r\n\r\n", 0, 7, 0, ""},
    {Op::kGet, "VA 0 f0 O5 X\r\n\r\n", 0, 0, 0, ""},
    {Op::kGetDetails, "VA 0 f0 c9 t30 l0 h0 O5 Z\r\n\r\n", 1, 0, 9},
    {Op::kGetDetails, "EN O5\r\n", 1},
    {Op::kGetOrClaim, "EN O5\r\n", 1},
    {Op::kInvalidate, "HD O5\r\n", 0, 0, 0, "", true},
    {Op::kInvalidate, "NF O5\r\n", 1, 0, 0, "", true},
    {Op::kInvalidate, "EX O5\r\n", 2, 0, 0, "", true},
    {Op::kTouch, "HD O0000000000000000000000000000005\r\n", 0, 0, 0, "", true},
    {Op::kTouch, "EN O5\r\n", 1, 0, 0, "", true},
    {Op::kSet, "HD O5 c12\r\n", 0, 0, 12},
    {Op::kSet, "HD c12 O5\r\n", 0, 0, 12},
    {Op::kSet, "EX O5 c0\r\n", 2},
    {Op::kSet, "NF O5 c0\r\n", 1},
    {Op::kSet, "NS O5\r\n", 5},
    {Op::kAdd, "NS O5 c0\r\n", 2},
    {Op::kReplace, "NS O5\r\n", 1},
    {Op::kReplace, "NF O5\r\n", 1},
    {Op::kReplace, "EX O5\r\n", 2},
    {Op::kAppend, "NS O5\r\n", 5},
    {Op::kAppend, "NF O5\r\n", 5},
    {Op::kPrepend, "NS O5\r\n", 5},
    {Op::kPrepend, "EX O5\r\n", 2},
    {Op::kDelete, "HD O5\r\n", 0, 0, 0, "", true},
    {Op::kDelete, "NF O5\r\n", 1, 0, 0, "", true},
    {Op::kDelete, "EX O5\r\n", 2, 0, 0, "", true},
    {Op::kIncrement, "VA 20 c3 O5\r\n18446744073709551615\r\n", 0, wire::kDecimalCounter, 3,
     "18446744073709551615"},
    {Op::kDecrement, "VA 1 O5\r\n0\r\n", 0, wire::kDecimalCounter, 0, "0"},
    {Op::kIncrement, "NF O5\r\n", 1},
    {Op::kIncrement, "EX O5\r\n", 2},
    {Op::kIncrement, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", 6, 0, 0,
     "cannot increment or decrement non-numeric value"},
    {Op::kIncrement, "SERVER_ERROR Out of memory allocating new item\r\n", 0x82, 0, 0,
     "Out of memory allocating new item"},
    {Op::kSet, "SERVER_ERROR object too large for cache\r\n", 3, 0, 0, "object too large for cache"},
    {Op::kSet, "SERVER_ERROR out of memory storing object\r\n", 0x82, 0, 0, "out of memory storing object"},
    {Op::kGet, "SERVER_ERROR backend failure\r\n", 0x84, 0, 0, "backend failure"},
    {Op::kGet, "SERVER_ERROR\r\n", 0x84},
    {Op::kGet, "CLIENT_ERROR unauthenticated\r\n", 0x20, 0, 0, "unauthenticated"},
    {Op::kGet, "CLIENT_ERROR authentication failure\r\n", 0x20, 0, 0, "authentication failure"},
    {Op::kGet, "CLIENT_ERROR bad command line format\r\n", 4, 0, 0, "bad command line format"},
    {Op::kGet, "ERROR\r\n", 0x81},
    {Op::kDelete, "ERROR\r\n", 0x81},
    {Op::kGet, "ERROR unknown command\r\n", 0x81, 0, 0, "unknown command"},
    {Op::kFlush, "OK\r\n", 0},
    {Op::kVersion, "VERSION 1.6.18\r\n", 0, 0, 0, "1.6.18"},
    {Op::kStat, "END\r\n", 0},
    {Op::kStat, "RESET\r\n", 0},
    {Op::kStat, "ERROR\r\n", 0x81},
    {Op::kClusterConfig, "CONFIG cluster 0 5\r\n1\na|b\r\nEND\r\n", 0, 0, 0, "1\na|b"},
    {Op::kClusterConfig, "VALUE k:cluster 0 9\r\n\r\nEND\r\n12\r\nEND\r\n", 0, 0, 0, "\r\nEND\r\n12"},
    {Op::kClusterConfig, "END\r\n", 1},
    {Op::kClusterConfig, "ERROR\r\n", 0x81},
    {Op::kClusterConfig, "CLIENT_ERROR unauthenticated\r\n", 0x20, 0, 0, "unauthenticated"},
    // Whether the value was swallowed is not said.
    {Op::kSet, "ERROR\r\n", 0x81, 0, 0, "", false, layout::kCauseUntrusted},
    {Op::kAppend, "CLIENT_ERROR bad command line format\r\n", 4, 0, 0, "bad command line format", false,
     layout::kCauseUntrusted},
};

TEST(MetaAnswer, SettlesItsOperation) {
  for (const Example& example : kExamples) {
    SCOPED_TRACE(example.bytes);
    MetaHarness harness;
    harness.due(kOpaque, example.op, example.discards_value);
    harness.feed(example.bytes);
    EXPECT_EQ(harness.cause, example.cause);
    EXPECT_EQ(
        harness.seen(),
        (std::vector<Seen>{{kOpaque, outcome(example.status), example.flags, example.cas, example.value}}));
    EXPECT_TRUE(harness.inbox().unread().empty());
  }
}

TEST(MetaAnswer, MayComeInAnyPieces) {
  std::string all;
  uint32_t opaque = 0;
  std::vector<const Example*> asked;
  for (const Example& example : kExamples) {
    if (example.cause != 0) continue;
    std::string bytes = example.bytes;
    const size_t at = bytes.find("O5");
    const size_t padded = bytes.find("O00");
    if (at == std::string::npos && padded != std::string::npos) continue;
    if (at != std::string::npos) bytes.replace(at, 2, "O" + hex(opaque));
    all += bytes;
    asked.push_back(&example);
    ++opaque;
  }
  std::vector<Seen> expected;
  for (const size_t piece : {all.size(), size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{64}}) {
    MetaHarness harness;
    for (uint32_t i = 0; i < asked.size(); ++i) harness.due(i, asked[i]->op, asked[i]->discards_value);
    for (size_t at = 0; at < all.size(); at += piece) harness.feed(std::string_view(all).substr(at, piece));
    EXPECT_EQ(harness.cause, 0u);
    ASSERT_EQ(harness.seen().size(), asked.size());
    if (expected.empty()) expected = harness.seen();
    EXPECT_EQ(harness.seen(), expected) << piece;
  }
  for (size_t cut = 1; cut < all.size(); ++cut) {
    MetaHarness harness;
    for (uint32_t i = 0; i < asked.size(); ++i) harness.due(i, asked[i]->op, asked[i]->discards_value);
    harness.feed(std::string_view(all).substr(0, cut));
    harness.feed(std::string_view(all).substr(cut));
    ASSERT_EQ(harness.seen(), expected) << cut;
  }
}

struct Described {
  Op op;
  std::string bytes;
  uint32_t ttl;
  uint32_t idle;
  uint32_t marks;
};

const Described kDescribed[] = {
    {Op::kGetDetails, "VA 5 f7 c9 t30 l4 h1 O5\r\nvalue\r\n", 30, 4, layout::kMarkRead},
    {Op::kGetDetails, "VA 5 f7 c9 t-1 l0 h0 O5 W X\r\nvalue\r\n", layout::kNeverExpires, 0,
     layout::kMarkClaimWon | layout::kMarkStale},
    {Op::kGetDetails, "VA 5 f7 c9 t4294967295 l4294967295 O5 Z\r\nvalue\r\n", 0, UINT32_MAX,
     layout::kMarkClaimTaken},
    {Op::kGetOrClaim, "VA 5 f7 c9 O5\r\nvalue\r\n", 0, 0, 0},
    {Op::kGetOrClaim, "VA 5 f7 c9 O5 W\r\nvalue\r\n", 0, 0, layout::kMarkClaimWon},
    {Op::kGetOrClaim, "VA 5 f7 c9 O5 X Z\r\nvalue\r\n", 0, 0, layout::kMarkStale | layout::kMarkClaimTaken},
};

TEST(MetaAnswer, DescribesARecordThatIsAskedAfter) {
  for (const Described& example : kDescribed) {
    SCOPED_TRACE(example.bytes);
    MetaHarness harness;
    harness.due(kOpaque, example.op);
    harness.feed(example.bytes);
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.seen(), (std::vector<Seen>{{kOpaque, outcome(0) | layout::kOutcomeDescribedBit, 7, 9,
                                                  "value", example.ttl}}));
    EXPECT_EQ(harness.flights().completions().records[0].deadline,
              uint64_t{example.idle} << 32 | example.marks);
  }
}

// Whoever claims has to know that somebody else did.
TEST(MetaAnswer, ShowsAClaimOnWhatIsMissingToThoseWhoClaim) {
  MetaHarness harness;
  harness.due(kOpaque, Op::kGetOrClaim);
  harness.feed("VA 0 f0 c9 O5 Z\r\n\r\n");
  EXPECT_EQ(harness.seen(),
            (std::vector<Seen>{{kOpaque, outcome(0) | layout::kOutcomeDescribedBit, 0, 9, ""}}));
}

TEST(MetaAnswer, DescribesALargeRecord) {
  const std::string value(layout::kLargeValue + 1, 'v');
  MetaHarness harness;
  harness.due(kOpaque, Op::kGetDetails);
  harness.feed("VA " + std::to_string(value.size()) + " f7 c9 t30 l4 h1 O5\r\n" + value + "\r\n");
  EXPECT_EQ(harness.seen(),
            (std::vector<Seen>{{kOpaque, outcome(0) | layout::kOutcomeDescribedBit | layout::kOutcomeLargeBit,
                                7, 9, value, 30}}));
  EXPECT_EQ(harness.flights().completions().records[0].deadline, uint64_t{4} << 32 | layout::kMarkRead);
}

TEST(MetaAnswer, WithALargeValueTakesMemoryOfItsOwn) {
  const std::string value(layout::kLargeValue + 1, 'v');
  const std::string bytes = "VA " + std::to_string(value.size()) + " f7 c9 O5\r\n" + value + "\r\nEN O6\r\n";
  for (const size_t piece : {bytes.size(), size_t{1000}, size_t{1}}) {
    MetaHarness harness;
    harness.due(5, Op::kGet);
    harness.due(6, Op::kGet);
    for (size_t at = 0; at < bytes.size(); at += piece)
      harness.feed(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.seen(), (std::vector<Seen>{{5, outcome(0) | layout::kOutcomeLargeBit, 7, 9, value},
                                                 {6, outcome(1), 0, 0, ""}}));
  }
}

TEST(MetaAnswer, WithAValueAboveTheLimitFailsItsOperationAlone) {
  MetaHarness harness(10);
  harness.due(5, Op::kGet);
  harness.due(6, Op::kGet);
  harness.feed("VA 20000 f7 c9 O5\r\n" + std::string(20000, 'v') + "\r\nVA 1 f0 c1 O6\r\nv\r\n");
  EXPECT_EQ(harness.cause, 0u);
  ASSERT_EQ(harness.seen().size(), 2u);
  EXPECT_EQ(harness.seen()[0].detail, layout::kCauseTooLarge);
  EXPECT_EQ(harness.seen()[1].value, "v");
}

TEST(MetaAnswer, ToWhatNobodyWaitsForIsTheirsAllTheSame) {
  MetaHarness harness;
  Flight& given_up = harness.due(5, Op::kGet);
  harness.due(6, Op::kGet);
  harness.flights().abandon(given_up, layout::kOutcomeReleased);
  harness.feed("CLIENT_ERROR bad command line format\r\nVA 1 O6\r\nv\r\n");
  EXPECT_EQ(harness.cause, 0u);
  ASSERT_EQ(harness.seen().size(), 2u);
  EXPECT_EQ(harness.seen()[1], (Seen{6, outcome(0), 0, 0, "v"}));
}

// The server refuses the value before all of it is written.
TEST(MetaAnswer, MayComeBeforeItsRequestIsWrittenWhole) {
  MetaHarness harness;
  harness.due(4, Op::kGet);
  harness.start(kOpaque, static_cast<uint8_t>(Op::kSet));
  harness.leaving = kOpaque;
  harness.feed("EN O4\r\nSERVER_ERROR object too large for cache\r\n");
  EXPECT_EQ(harness.cause, 0u);
  ASSERT_EQ(harness.seen().size(), 2u);
  EXPECT_EQ(harness.seen()[1].outcome, outcome(3) & ~layout::kOutcomeReleaseBit);
  EXPECT_EQ(harness.flights().find(kOpaque)->state, FlightState::kAnswered);
}

TEST(MetaAnswer, IsNobodysBeforeARequestHasLeft) {
  for (const std::string bytes : {"EN O5\r\n", "ERROR\r\n", "SERVER_ERROR shutting down\r\n"}) {
    MetaHarness harness;
    harness.start(kOpaque, static_cast<uint8_t>(Op::kGet));
    harness.feed(bytes);
    EXPECT_EQ(harness.cause, layout::kCauseUnknownOpaque);
    EXPECT_TRUE(harness.seen().empty());
  }
}

class HostileMetaServer : public testing::Test {
 protected:
  // What an operation in flight meets.
  static uint32_t cause_of(const std::string& bytes, Op op = Op::kGet, bool discards_value = false) {
    MetaHarness harness;
    harness.due(kOpaque, op, discards_value);
    harness.due(kOpaque + 1, op, discards_value);
    harness.feed(bytes);
    EXPECT_TRUE(harness.seen().empty()) << bytes;
    EXPECT_EQ(harness.flights().size(), 2u);
    return harness.cause;
  }
};

TEST_F(HostileMetaServer, AnotherProtocolEndsTheConnectionAtOnce) {
  for (const std::string bytes :
       {"\x81", "X", "HX", "VALUE k 0\r\n", "CONFIG cluster 0 x\r\n", "VALUE k 0 1 2\r\n", "VX", "STOREd\r\n",
        "HTTP/1.1 400\r\n", "+OK\r\n", "EX5 O5\r\n", "hd O5\r\n", " EN O5\r\n", "MN \r\nVERSION 1.6.18\r\n",
        "CLIENT_ERRORS x\r\n"})
    EXPECT_EQ(cause_of(bytes), layout::kCauseBadMagic) << bytes;
}

TEST_F(HostileMetaServer, WhatIsSaidInAHandshakeIsNoAnswerToAnOperation) {
  for (const std::string bytes : {"MN\r\n", "STORED\r\n", "VERSION 1.6.18\r\n"})
    EXPECT_EQ(cause_of(bytes), layout::kCauseWrongOpcode) << bytes;
}

TEST_F(HostileMetaServer, ALineThatSaysNothingCertainEndsTheConnection) {
  for (const std::string bytes : {"EN\r\n",
                                  "EN f1\r\n",
                                  "EN O\r\n",
                                  "EN Ox\r\n",
                                  "EN O5x\r\n",
                                  "EN O-5\r\n",
                                  "EN O100000005\r\n",
                                  "EN O5 O5\r\n",
                                  "EN O5\n",
                                  "VA\r\n",
                                  "VA O5\r\n",
                                  "VA -1 O5\r\n",
                                  "VA 1x O5\r\n",
                                  "VA 4294967296 O5\r\n",
                                  "VA 99999999999999999999 O5\r\n",
                                  "VA 1 O5 c\r\n",
                                  "VA 1 O5 c1 c2\r\n",
                                  "VA 1 O5 f-1\r\n",
                                  "VA 1 O5 f4294967296\r\n",
                                  "VA 1 O5 c18446744073709551616\r\n",
                                  "VA 1 O5 t\r\n",
                                  "VA 1 O5 t-2\r\n",
                                  "VA 1 O5 l-1\r\n",
                                  "VA 1 O5 l4294967296\r\n",
                                  "VA 1\tO5\r\n"})
    EXPECT_EQ(cause_of(bytes), layout::kCauseBadLengths) << bytes;
}

TEST_F(HostileMetaServer, TheOpaqueOfAnotherEndsTheConnection) {
  for (const std::string opaque : {"0", "4", "6", "100005", "ffffffff"})
    EXPECT_EQ(cause_of("EN O" + opaque + "\r\n"), layout::kCauseUnknownOpaque) << opaque;
}

TEST_F(HostileMetaServer, AnAnswerToAnotherOperationEndsTheConnection) {
  struct Wrong {
    Op op;
    std::string bytes;
    bool discards_value = false;
  };
  for (const Wrong& wrong : std::vector<Wrong>{{Op::kGet, "HD O5\r\n"},
                                               {Op::kGet, "NF O5\r\n"},
                                               {Op::kGet, "NS O5\r\n"},
                                               {Op::kGet, "EX O5\r\n"},
                                               {Op::kGet, "VA 1 O5\r\nv\r\n", true},
                                               {Op::kGetAndTouch, "HD O5\r\n"},
                                               {Op::kTouch, "VA 1 O5\r\nv\r\n"},
                                               {Op::kSet, "VA 1 O5\r\nv\r\n"},
                                               {Op::kSet, "EN O5\r\n"},
                                               {Op::kDelete, "VA 1 O5\r\nv\r\n"},
                                               {Op::kDelete, "NS O5\r\n"},
                                               {Op::kInvalidate, "VA 1 O5\r\nv\r\n"},
                                               {Op::kInvalidate, "EN O5\r\n"},
                                               {Op::kGetOrClaim, "HD O5\r\n"},
                                               {Op::kGetOrClaim, "NF O5\r\n"},
                                               {Op::kGetDetails, "HD O5\r\n"},
                                               {Op::kIncrement, "HD O5\r\n"},
                                               {Op::kIncrement, "VA 0 O5\r\n\r\n"},
                                               {Op::kIncrement, "VA 21 O5\r\n"},
                                               {Op::kIncrement, "VA 100000 O5\r\n"},
                                               {Op::kGet, "STAT a 1\r\n"},
                                               {Op::kGet, "END\r\n"},
                                               {Op::kGet, "VALUE k 0 1\r\n"},
                                               {Op::kGet, "CONFIG cluster 0 1\r\n"},
                                               {Op::kClusterConfig, "OK\r\n"},
                                               {Op::kClusterConfig, "STAT a 1\r\n"},
                                               {Op::kClusterConfig, "STORED\r\n"},
                                               {Op::kClusterConfig, "EN O5\r\n"},
                                               {Op::kSet, "OK\r\n"},
                                               {Op::kGet, "VERSION 1.6.18\r\n"},
                                               {Op::kFlush, "END\r\n"},
                                               {Op::kVersion, "OK\r\n"},
                                               {Op::kVersion, "STAT a 1\r\n"},
                                               {Op::kStat, "VERSION 1.6.18\r\n"},
                                               {Op::kStat, "HD O5\r\n"},
                                               {Op::kFlush, "NF O5\r\n"}})
    EXPECT_EQ(cause_of(wrong.bytes, wrong.op, wrong.discards_value), layout::kCauseWrongOpcode)
        << wrong.bytes;
  EXPECT_EQ(cause_of(std::string(kGreeted)), layout::kCauseWrongOpcode);
}

TEST(MetaAnswer, TellsStatisticsOneByOne) {
  MetaHarness harness;
  harness.due(kOpaque, Op::kStat);
  harness.feed("STAT pid 17\r\nSTAT empty\r\nSTAT a b c\r\n");
  EXPECT_EQ(harness.answered, 0u);
  harness.feed("END\r\n");
  const uint32_t item = layout::kOutcomeItem | layout::kOutcomeWrittenBit;
  EXPECT_EQ(harness.seen(), (std::vector<Seen>{{kOpaque, item, 3, 0, "pid 17"},
                                               {kOpaque, item, 5, 0, "empty"},
                                               {kOpaque, item, 1, 0, "a b c"},
                                               {kOpaque, outcome(0), 0, 0, ""}}));
}

TEST_F(HostileMetaServer, AValueWithoutItsLineEndEndsTheConnection) {
  EXPECT_EQ(cause_of("VA 5 O5\r\nvaluexx"), layout::kCauseBadLengths);
  EXPECT_EQ(cause_of("VA 4 O5\r\nvalue\r\n"), layout::kCauseBadLengths);
  EXPECT_EQ(cause_of("VA 20000 O5\r\n" + std::string(20001, 'v') + "\r\n"), layout::kCauseBadLengths);
  for (const std::string bytes : {"CONFIG cluster 0 3\r\nabcdefghijk", "VALUE k 0 3\r\nabc\r\nENd\r\n"})
    EXPECT_EQ(cause_of(bytes, Op::kClusterConfig), layout::kCauseBadLengths) << bytes;
}

TEST_F(HostileMetaServer, ALineAboveTwoKibibytesEndsTheConnection) {
  EXPECT_EQ(cause_of("EN " + std::string(2045, ' ')), layout::kCauseBadLengths);
  EXPECT_EQ(cause_of("SERVER_ERROR " + std::string(3000, 'x') + "\r\n"), layout::kCauseBadLengths);
  MetaHarness harness;
  harness.due(kOpaque, Op::kGet);
  harness.feed("EN " + std::string(2048 - 3 - 4, ' ') + "O5\r\n");
  EXPECT_EQ(harness.cause, 0u);
  EXPECT_EQ(harness.seen().size(), 1u);
}

TEST_F(HostileMetaServer, AGreetingThatProvesNothingIsRefused) {
  struct Greeting {
    std::string bytes;
    uint32_t cause;
    std::string told;
  };
  for (const Greeting& greeting : std::vector<Greeting>{
           {"ERROR\r\nVERSION 1.4.15\r\n", layout::kCauseHandshake, "\r\nVERSION 1.4.15\r\n"},
           {"ERROR Too many open connections\r\n", layout::kCauseHandshake, "Too many open connections"},
           {"CLIENT_ERROR unauthenticated\r\n", layout::kCauseUnauthenticated, "unauthenticated"},
           {"MN\r\nVERSION 1.6.17\r\n", layout::kCauseHandshake, "1.6.17"},
           {"MN\r\nVERSION 1.5.22\r\n", layout::kCauseHandshake, "1.5.22"},
           {"MN\r\nERROR\r\n", layout::kCauseHandshake, "\r\n"},
           {"HD Offffffff\r\n", layout::kCauseHandshake, ""},
           {"VERSION 1.6.18\r\n", layout::kCauseWrongOpcode, "1.6.18"},
           {"\x81", layout::kCauseBadMagic, "\x81"}}) {
    test::InboxHarness harness(test::InboxHarness::kMaxValue, false, wire::memcache_meta::kMeta,
                               test::meta_steps());
    harness.feed(greeting.bytes);
    EXPECT_EQ(harness.cause, greeting.cause) << greeting.bytes;
    EXPECT_EQ(test::as_text(harness.inbox().unread()), greeting.told);
  }
  for (const std::string version :
       {"1.6.18", "1.6.45", "1.7.0", "2.0.0", "1.6.40-rc1", "proxy 7", "1.6", ""}) {
    for (const size_t piece : {size_t{1}, size_t{100}}) {
      test::InboxHarness harness(test::InboxHarness::kMaxValue, false, wire::memcache_meta::kMeta,
                                 test::meta_steps());
      const std::string bytes = "MN\r\nVERSION " + version + "\r\n";
      for (size_t at = 0; at < bytes.size(); at += piece)
        harness.feed(std::string_view(bytes).substr(at, piece));
      EXPECT_EQ(harness.cause, 0u) << version;
      EXPECT_TRUE(harness.handshake_done) << version;
      EXPECT_EQ(test::as_text(harness.inbox().handshake().version()), version);
    }
  }
}

// Valid answers with a few bytes changed, in random pieces: no operation has two outcomes, and none has the
// value of another. Opaques stay: one that is changed to that of another operation is as good as that.
TEST_F(HostileMetaServer, DamagedStreamsSettleEachOperationAtMostOnceAndWithItsOwn) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    MetaHarness harness(50'000);
    std::string bytes;
    for (uint32_t opaque = 0; opaque < 8; ++opaque) {
      Flight& flight = harness.due(opaque, Op::kGet, false);
      if (random() % 4 == 0) harness.flights().abandon(flight, layout::kOutcomeReleased);
      const size_t length = random() % 8 == 0 ? 16'380 + random() % 20'000 : random() % 64;
      const std::string value(length, static_cast<char>('a' + opaque));
      bytes += "VA " + std::to_string(length) + " f1 c2 O" + std::to_string(opaque) + "\r\n" + value + "\r\n";
    }
    for (size_t damage = random() % 3 + 1; damage-- > 0;) {
      const size_t at = random() % 2 == 0 ? random() % 48 : random() % bytes.size();
      const bool is_opaque = at > 0 && bytes[at - 1] == 'O';
      if (!is_opaque) bytes[at] = static_cast<char>(random());
    }
    std::string_view rest = bytes;
    while (!rest.empty() && harness.cause == 0) {
      const size_t length = std::min<size_t>(rest.size(), random() % 9000 + 1);
      harness.feed(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    std::vector<int> completions(8);
    size_t strange = 0;
    for (const Seen& seen : harness.seen()) {
      ASSERT_LT(seen.slot, 8u);
      ASSERT_EQ(++completions[seen.slot], 1);
      const char own = static_cast<char>('a' + seen.slot);
      strange += static_cast<size_t>(
          std::count_if(seen.value.begin(), seen.value.end(), [own](char c) { return c != own; }));
    }
    // The damage itself, or, where it hit a length, what one longer line may take of its own end.
    ASSERT_LE(strange, 8u);
    ASSERT_LE(harness.seen().size() + harness.flights().size(), 8u);
  }
  EXPECT_EQ(base::counters.large_values.load(), 0);
}

}  // namespace
}  // namespace evenkeel::pipeline
