// Every answer of Couchbase, in whatever pieces it comes, and what no server should send.
#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <random>

#include "inbox_harness.h"
#include "seed.h"
#include "wire/couchbase/couchbase.h"

namespace evenkeel::pipeline {
namespace {

using test::Packet;
using test::Seen;
using test::unhex;
using wire::Op;

constexpr uint32_t kOpaque = 0x77;

class CouchbaseHarness : public test::InboxHarness {
 public:
  explicit CouchbaseHarness(uint32_t max_value = kMaxValue)
      : InboxHarness(max_value, true, wire::couchbase::kCouchbase) {
    EXPECT_TRUE(handshake_done);
  }
  using InboxHarness::due;
  Flight& due(uint32_t opaque, Op op, bool discards_value = false) {
    return start_written(opaque, static_cast<uint8_t>(op), discards_value);
  }
};

uint32_t outcome(uint16_t status) {
  return layout::kOutcomeAnswered | layout::kOutcomeWrittenBit | layout::kOutcomeReleaseBit |
         uint32_t{status} << layout::kOutcomeStatusShift;
}
constexpr uint32_t kItem = layout::kOutcomeItem | layout::kOutcomeWrittenBit;

// As a server that counts in frames answers.
std::string framed(const Packet& packet, const std::string& framing, uint8_t datatype = 0) {
  std::string bytes = encode(packet);
  if (framing.empty()) {
    bytes[5] = static_cast<char>(datatype);
    return bytes;
  }
  bytes[0] = '\x18';
  bytes[2] = static_cast<char>(framing.size());
  bytes[5] = static_cast<char>(datatype);
  const size_t body = packet.extras.size() + packet.key.size() + packet.value.size() + framing.size();
  bytes.replace(8, 4, test::big_endian(body, 4));
  return bytes.insert(24, framing);
}

std::string answer(Op op, uint16_t status, const std::string& extras, const std::string& value,
                   const std::string& framing = "", uint8_t datatype = 0) {
  return framed({.opcode = static_cast<uint8_t>(op),
                 .status = status,
                 .opaque = kOpaque,
                 .cas = 9,
                 .extras = extras,
                 .value = value},
                framing, datatype);
}

const std::string kFlags = unhex("02 00 00 06");
const std::string kToken = unhex("00 01 02 03 04 05 06 07 00 00 00 00 00 00 00 2a");
const std::string kServed = unhex("02 01 00");

struct Example {
  Op op;
  std::string bytes;
  uint16_t status;
  uint32_t flags;
  std::string value;
};

const Example kExamples[] = {
    {Op::kGet, answer(Op::kGet, 0, kFlags, "value"), 0, 0x02000006, "value"},
    {Op::kGet, answer(Op::kGet, 0, kFlags, "value", kServed), 0, 0x02000006, "value"},
    // Frames that nobody knows, with long ids and lengths.
    {Op::kGet,
     answer(Op::kGet, 0, kFlags, "v", unhex("12 00 01 f1 05 aa 2f 00") + std::string(15, 'x') + kServed), 0,
     0x02000006, "v"},
    {Op::kGet, answer(Op::kGet, 1, "", "gone"), 1, 0, "gone"},
    {Op::kGetAndTouch, answer(Op::kGetAndTouch, 0, kFlags, ""), 0, 0x02000006, ""},
    {Op::kGetAndLock, answer(Op::kGetAndLock, 0, kFlags, "v"), 0, 0x02000006, "v"},
    {Op::kGetReplica, answer(Op::kGetReplica, 0, kFlags, "v"), 0, 0x02000006, "v"},
    {Op::kSet, answer(Op::kSet, 0, kToken, "", kServed), 0, 16, kToken},
    {Op::kSet, answer(Op::kSet, 0, "", ""), 0, 0, ""},
    {Op::kSet, answer(Op::kSet, 0xa3, "", ""), 0xa3, 0, ""},
    {Op::kIncrement, answer(Op::kIncrement, 0, kToken, unhex("00 00 00 00 00 00 00 07")), 0, 16,
     kToken + unhex("00 00 00 00 00 00 00 07")},
    {Op::kIncrement, answer(Op::kIncrement, 0, "", unhex("00 00 00 00 00 00 00 07")), 0, 0,
     unhex("00 00 00 00 00 00 00 07")},
    {Op::kUnlock, answer(Op::kUnlock, 0x0e, "", ""), 0x0e, 0, ""},
    {Op::kGetMeta, answer(Op::kGetMeta, 0, kToken + "12345", ""), 0, 21, kToken + "12345"},
    {Op::kLookupIn, answer(Op::kLookupIn, 0, "", "results"), 0, 0, "results"},
    // Not cut as an error's text is.
    {Op::kLookupIn, answer(Op::kLookupIn, 0xcc, "", std::string(1000, 'r')), 0xcc, 0, std::string(1000, 'r')},
    {Op::kLookupIn, answer(Op::kLookupIn, 0xd3, "", std::string(1000, 'r')), 0xd3, 0, std::string(1000, 'r')},
    {Op::kMutateIn, answer(Op::kMutateIn, 0, kToken, "results"), 0, 16, kToken + "results"},
    {Op::kMutateIn, answer(Op::kMutateIn, 0xcc, "", unhex("01 00 c0")), 0xcc, 0, unhex("01 00 c0")},
    {Op::kGetCollectionId, answer(Op::kGetCollectionId, 0, std::string(12, 'i'), ""), 0, 12,
     std::string(12, 'i')},
    {Op::kRangeScanCreate, answer(Op::kRangeScanCreate, 0, "", kToken), 0, 0, kToken},
    {Op::kRangeScanContinue, answer(Op::kRangeScanContinue, 0xa6, kFlags, "last"), 0xa6, 4, kFlags + "last"},
    {Op::kRangeScanContinue, answer(Op::kRangeScanContinue, 0xa7, kFlags, ""), 0xa7, 4, kFlags},
    {Op::kClusterConfig, answer(Op::kClusterConfig, 0, "", "{}"), 0, 0, "{}"},
    {Op::kNoop, answer(Op::kNoop, 0, "", ""), 0, 0, ""},
};

TEST(CouchbaseAnswer, SettlesItsOperationInWhateverPiecesItComes) {
  for (const Example& example : kExamples) {
    SCOPED_TRACE(static_cast<int>(example.op));
    for (const size_t piece : {example.bytes.size(), size_t{1}, size_t{7}}) {
      CouchbaseHarness harness;
      harness.due(kOpaque, example.op);
      for (size_t at = 0; at < example.bytes.size(); at += piece)
        harness.feed(std::string_view(example.bytes).substr(at, piece));
      EXPECT_EQ(harness.cause, 0u);
      EXPECT_EQ(harness.seen(),
                (std::vector<Seen>{{kOpaque, outcome(example.status), example.flags, 9, example.value}}));
      EXPECT_TRUE(harness.inbox().unread().empty());
    }
  }
}

TEST(CouchbaseAnswer, TellsHowLongTheServerTook) {
  CouchbaseHarness harness;
  harness.due(kOpaque, Op::kGet);
  harness.feed(answer(Op::kGet, 0, kFlags, "v", kServed));
  EXPECT_EQ(harness.flights().completions().records[0].served, 0x0100);
}

TEST(CouchbaseAnswer, TellsOfAValueThatItIsCompressed) {
  const std::string large(layout::kLargeValue + 1, 'v');
  for (const std::string& value : {std::string("v"), large}) {
    CouchbaseHarness harness;
    harness.due(kOpaque, Op::kGet);
    harness.feed(answer(Op::kGet, 0, kFlags, value, "", wire::kIsCompressed | wire::kIsJson));
    ASSERT_EQ(harness.seen().size(), 1u);
    EXPECT_NE(harness.seen()[0].outcome & layout::kOutcomeCompressedBit, 0u);
    EXPECT_EQ(harness.seen()[0].value, value);
  }
}

TEST(CouchbaseAnswer, MayBeLargeWhereThereIsMuchToTell) {
  const std::string value(layout::kLargeValue * 3, 'v');
  for (const auto& [op, status] : std::vector<std::pair<Op, uint16_t>>{{Op::kLookupIn, 0xcc},
                                                                       {Op::kClusterConfig, 0},
                                                                       {Op::kGetManifest, 0},
                                                                       {Op::kRangeScanContinue, 0xa7}}) {
    for (const size_t piece : {size_t{100'000}, size_t{1000}}) {
      CouchbaseHarness harness;
      harness.due(kOpaque, op);
      const std::string bytes = answer(op, status, "", value);
      for (size_t at = 0; at < bytes.size(); at += piece)
        harness.feed(std::string_view(bytes).substr(at, piece));
      EXPECT_EQ(harness.cause, 0u);
      EXPECT_EQ(harness.seen(),
                (std::vector<Seen>{{kOpaque, outcome(status) | layout::kOutcomeLargeBit, 0, 9, value}}));
    }
  }
}

TEST(CouchbaseScan, ComesItemByItem) {
  const std::string large(layout::kLargeValue + 1, 'v');
  const std::string bytes =
      answer(Op::kRangeScanContinue, 0, kFlags, "first") + answer(Op::kRangeScanContinue, 0, kFlags, large) +
      answer(Op::kRangeScanContinue, 0, "", "third") + answer(Op::kRangeScanContinue, 0xa6, kFlags, "last");
  for (const size_t piece : {bytes.size(), size_t{1000}, size_t{1}}) {
    CouchbaseHarness harness;
    harness.due(kOpaque, Op::kRangeScanContinue);
    for (size_t at = 0; at < bytes.size(); at += piece)
      harness.feed(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.answered, 1u);
    EXPECT_EQ(harness.seen(),
              (std::vector<Seen>{{kOpaque, kItem, 4, 0, kFlags + "first"},
                                 {kOpaque, kItem | layout::kOutcomeLargeBit, 4, 0, kFlags + large},
                                 {kOpaque, kItem, 0, 0, "third"},
                                 {kOpaque, outcome(0xa6), 4, 9, kFlags + "last"}}));
  }
}

// The scan fails, and what still comes of it is nobody's.
TEST(CouchbaseScan, AnItemAboveTheLimitFailsItAlone) {
  CouchbaseHarness harness(20'000);
  harness.due(kOpaque, Op::kRangeScanContinue);
  harness.feed(answer(Op::kRangeScanContinue, 0, kFlags, std::string(30'000, 'v')) +
               answer(Op::kRangeScanContinue, 0, kFlags, "more"));
  EXPECT_EQ(harness.cause, 0u);
  ASSERT_EQ(harness.seen().size(), 1u);
  EXPECT_EQ(harness.seen()[0].outcome, layout::kOutcomeRefused | layout::kOutcomeWrittenBit);
  EXPECT_EQ(harness.seen()[0].detail, layout::kCauseTooLarge);
  harness.feed(answer(Op::kRangeScanContinue, 0xa7, kFlags, std::string(30'000, 'v')));
  EXPECT_EQ(harness.cause, 0u);
  EXPECT_EQ(harness.seen().size(), 2u);
  EXPECT_EQ(harness.flights().size(), 0u);
}

TEST(CouchbaseScan, ItemsOfOneThatWasGivenUpArePassedOver) {
  CouchbaseHarness harness;
  Flight& scan = harness.due(kOpaque, Op::kRangeScanContinue);
  harness.flights().abandon(scan, layout::kOutcomeReleased);
  harness.feed(answer(Op::kRangeScanContinue, 0, kFlags, "first") +
               answer(Op::kRangeScanContinue, 0, kFlags, std::string(30'000, 'v')) +
               answer(Op::kRangeScanContinue, 0xa7, kFlags, ""));
  EXPECT_EQ(harness.cause, 0u);
  EXPECT_EQ(harness.flights().size(), 0u);
  EXPECT_EQ(harness.allocator_.calls, 0);
}

std::string notice(const std::string& extras, const std::string& key, const std::string& value) {
  return test::encode(
      {.magic = 0x82, .opcode = 1, .opaque = kOpaque, .extras = extras, .key = key, .value = value});
}

TEST(CouchbaseNotice, AnswersNothing) {
  const std::string bytes = notice(kToken, "bucket", "{}") + answer(Op::kGet, 0, kFlags, "v");
  for (const size_t piece : {bytes.size(), size_t{1}}) {
    CouchbaseHarness harness;
    harness.due(kOpaque, Op::kGet);
    for (size_t at = 0; at < bytes.size(); at += piece)
      harness.feed(std::string_view(bytes).substr(at, piece));
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.seen(), (std::vector<Seen>{{layout::kControlSlot, layout::kOutcomeNotice, 16 | 6 << 8,
                                                  0, kToken + "bucket{}", 1},
                                                 {kOpaque, outcome(0), 0x02000006, 9, "v"}}));
  }
}

TEST(CouchbaseNotice, OneOfManyThousandsIsPassedOver) {
  CouchbaseHarness harness;
  const std::string one = notice(kToken, "bucket", "");
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += one;
  harness.feed(many);
  EXPECT_EQ(harness.cause, 0u);
  EXPECT_GE(harness.seen().size(), 1u);
  EXPECT_LE(harness.seen().size(), 64u);
}

TEST(CouchbaseNotice, OfMuchMoreThanANoticeIsPassedOver) {
  CouchbaseHarness harness;
  harness.due(kOpaque, Op::kGet);
  harness.feed(notice(kToken, "b", std::string(200'000, 'x')) + answer(Op::kGet, 0, kFlags, "v"));
  EXPECT_EQ(harness.cause, 0u);
  EXPECT_EQ(harness.seen().size(), 1u);
}

TEST(CouchbaseNotice, BeforeAnybodyListensIsPassedOver) {
  test::InboxHarness harness(test::InboxHarness::kMaxValue, false, wire::couchbase::kCouchbase);
  harness.feed(notice("", "b", "x"));
  EXPECT_EQ(harness.cause, 0u);
  harness.shake_hands();
  EXPECT_TRUE(harness.handshake_done);
  EXPECT_TRUE(harness.seen().empty());
}

// One in each read, as when a configuration comes with it.
std::clock_t clocks_to_send_back(uint32_t count) {
  CouchbaseHarness harness;
  std::string answers;
  const std::string request(100, 'r');
  for (uint32_t opaque = 0; opaque < count; ++opaque) {
    Flight& flight = harness.start(opaque, static_cast<uint8_t>(Op::kSet));
    flight.state = FlightState::kWritten;
    const net::Packet packet{.deadline = 1000,
                             .opaque = opaque,
                             .inline_length = 100,
                             .op = static_cast<uint8_t>(Op::kSet),
                             .discards_value = false,
                             .numbering = 1};
    harness.due().append(flight, {packet, test::as_bytes(request), nullptr});
    answers += test::encode({.opcode = static_cast<uint8_t>(Op::kSet), .status = 7, .opaque = opaque});
  }
  size_t sent_back = 0;
  const std::clock_t start = std::clock();
  for (std::string_view rest = answers; !rest.empty(); rest.remove_prefix(24)) {
    harness.feed(rest.substr(0, 24));
    sent_back += harness.due().collect().packets.size();
    harness.due().tidy(harness.flights());
  }
  const std::clock_t clocks = std::clock() - start;
  EXPECT_EQ(sent_back, count);
  return clocks;
}

TEST(CouchbaseAnswer, ThatSendsOneBackCostsTheSameHoweverManyAreInFlight) {
  constexpr uint32_t kFew = 4000;
  std::clock_t few = std::numeric_limits<std::clock_t>::max();
  std::clock_t many = few;
  for (int i = 0; i < 5; ++i) {
    few = std::min(few, clocks_to_send_back(kFew));
    many = std::min(many, clocks_to_send_back(4 * kFew));
  }
  EXPECT_LT(many, 8 * few);
}

class HostileCouchbase : public testing::Test {
 protected:
  // What an operation in flight meets.
  static uint32_t cause_of(const std::string& bytes, Op op = Op::kGet) {
    CouchbaseHarness harness;
    harness.due(kOpaque, op);
    harness.feed(bytes);
    EXPECT_TRUE(harness.seen().empty());
    EXPECT_EQ(harness.flights().size(), 1u);
    return harness.cause;
  }
};

TEST_F(HostileCouchbase, AnotherProtocolEndsTheConnectionAtOnce) {
  for (int magic = 0; magic < 256; ++magic) {
    const bool is_known = magic == 0x81 || magic == 0x18 || magic == 0x82;
    EXPECT_EQ(cause_of(std::string(1, static_cast<char>(magic))), is_known ? 0 : layout::kCauseBadMagic)
        << magic;
  }
}

TEST_F(HostileCouchbase, PartsThatContradictEachOtherEndTheConnection) {
  for (const std::string framing :
       {"02", "02 00", "03 00 00", "f0", "0f", "0f 00", "0f ff", "ff ff ff 00", "12 00"}) {
    EXPECT_EQ(cause_of(answer(Op::kGet, 0, kFlags, "v", unhex(framing))), layout::kCauseBadLengths)
        << framing;
  }
  EXPECT_EQ(cause_of(answer(Op::kGet, 0, "", "v")), layout::kCauseBadLengths);
  EXPECT_EQ(cause_of(answer(Op::kGet, 0, kToken, "v")), layout::kCauseBadLengths);
  std::string with_key = test::encode({.opcode = 0, .opaque = kOpaque, .extras = kFlags, .key = "k"});
  EXPECT_EQ(cause_of(with_key), layout::kCauseBadLengths);
  std::string short_body = answer(Op::kGet, 0, kFlags, "v", kServed);
  short_body.replace(8, 4, test::big_endian(6, 4));
  EXPECT_EQ(cause_of(short_body), layout::kCauseBadLengths);
  std::string short_notice = notice(kToken, "key", "");
  short_notice.replace(8, 4, test::big_endian(18, 4));
  EXPECT_EQ(cause_of(short_notice), layout::kCauseBadLengths);
}

TEST_F(HostileCouchbase, AnAnswerToAnotherOperationEndsTheConnection) {
  EXPECT_EQ(cause_of(answer(Op::kSet, 0, kToken, "")), layout::kCauseWrongOpcode);
  EXPECT_EQ(cause_of(answer(Op::kRangeScanContinue, 0, "", "x")), layout::kCauseWrongOpcode);
  EXPECT_EQ(cause_of(answer(Op::kSet, 0, "", std::string(100'000, 'v')), Op::kSet), layout::kCauseTooLarge);
}

// Valid answers with a few bytes changed, in random pieces: no operation has two outcomes, and none has the
// value of another. Opaques stay: one that is changed to that of another operation is as good as that.
TEST_F(HostileCouchbase, DamagedStreamsSettleEachOperationAtMostOnceAndWithItsOwn) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    CouchbaseHarness harness(50'000);
    std::string bytes;
    std::vector<bool> is_opaque;
    for (uint32_t opaque = 0; opaque < 8; ++opaque) {
      Flight& flight = harness.due(opaque, Op::kGet, false);
      if (random() % 4 == 0) harness.flights().abandon(flight, layout::kOutcomeReleased);
      const size_t length = random() % 8 == 0 ? 16'380 + random() % 20'000 : random() % 64;
      const std::string value(length, static_cast<char>('a' + opaque));
      const std::string one = framed({.opcode = 0, .opaque = opaque, .extras = kFlags, .value = value},
                                     random() % 2 == 0 ? kServed : "");
      for (size_t i = 0; i < one.size(); ++i) is_opaque.push_back(i >= 12 && i < 16);
      bytes += one;
      if (random() % 4 == 0) {
        bytes += notice(kToken, "bucket", "");
        is_opaque.resize(bytes.size());
      }
    }
    for (size_t damage = random() % 3 + 1; damage-- > 0;) {
      const size_t at = random() % 2 == 0 ? random() % 48 : random() % bytes.size();
      if (!is_opaque[at]) bytes[at] = static_cast<char>(random());
    }
    std::string_view rest = bytes;
    while (!rest.empty() && harness.cause == 0) {
      const size_t length = std::min<size_t>(rest.size(), random() % 9000 + 1);
      harness.feed(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    std::vector<int> completions(8);
    size_t told = 0;
    for (const Seen& seen : harness.seen()) {
      if (seen.slot == layout::kControlSlot) continue;
      ++told;
      ASSERT_LT(seen.slot, 8u);
      ASSERT_EQ(++completions[seen.slot], 1);
    }
    ASSERT_LE(told + harness.flights().size(), 8u);
  }
  EXPECT_EQ(base::counters.large_values.load(), 0);
}

}  // namespace
}  // namespace evenkeel::pipeline
