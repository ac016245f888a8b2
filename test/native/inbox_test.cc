#include "pipeline/inbox.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "inbox_harness.h"
#include "seed.h"

namespace evenkeel::pipeline {
namespace {

using test::encode;
using test::InboxHarness;
using test::Packet;
using test::Seen;
using test::unhex;

constexpr uint8_t kGet = 0x00;
constexpr uint8_t kSet = 0x01;
constexpr uint8_t kIncrement = 0x05;
constexpr uint8_t kGetAndTouch = 0x1d;
constexpr uint32_t kAnswered =
    layout::kOutcomeAnswered | layout::kOutcomeWrittenBit | layout::kOutcomeReleaseBit;

uint32_t answered(uint16_t status) { return kAnswered | uint32_t{status} << layout::kOutcomeStatusShift; }

std::string hit(uint32_t opaque, std::string value, uint8_t opcode = kGet) {
  return encode({.opcode = opcode,
                 .opaque = opaque,
                 .cas = opaque + 100,
                 .extras = unhex("de ad be ef"),
                 .value = std::move(value)});
}

std::string patterned(size_t length) {
  std::string text(length, '\0');
  for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

TEST(Inbox, AHitBringsValueFlagsAndCas) {
  InboxHarness harness;
  harness.start_written(7, kGet);
  harness.feed(hit(7, "World"));
  EXPECT_EQ(harness.seen(), (std::vector<Seen>{{7, answered(0), 0xdeadbeef, 107, "World"}}));
  EXPECT_EQ(harness.answered, 1u);
  EXPECT_EQ(harness.flights().size(), 0u);
}

TEST(Inbox, AnErrorBringsItsStatusAndText) {
  InboxHarness harness;
  harness.start_written(7, kSet);
  harness.feed(encode({.opcode = kSet, .status = 2, .opaque = 7, .value = "Data exists for key."}));
  EXPECT_EQ(harness.seen(), (std::vector<Seen>{{7, answered(2), 0, 0, "Data exists for key."}}));
}

TEST(Inbox, OfALongErrorTextTheBeginningIsToldAndTheRestSkipped) {
  for (const size_t length : {size_t{257}, size_t{layout::kLargeValue}, size_t{300'000}}) {
    InboxHarness harness(10);
    harness.start_written(1, kGet);
    harness.start_written(2, kSet);
    harness.start_written(3, kGet);
    const std::string text = patterned(length);
    harness.feed(encode({.opcode = kGet, .status = 0x84, .opaque = 1, .value = text}) +
                 encode({.opcode = kSet, .status = 0x84, .opaque = 2, .value = text}) + hit(3, "next"));
    EXPECT_EQ(harness.seen(), (std::vector<Seen>{{1, answered(0x84), 0, 0, text.substr(0, 256)},
                                                 {2, answered(0x84), 0, 0, text.substr(0, 256)},
                                                 {3, answered(0), 0xdeadbeef, 103, "next"}}));
    EXPECT_EQ(harness.cause, 0u);
  }
}

// Whatever its size: the operation fails at the head of its answer, and nobody else notices.
TEST(Inbox, AValueAboveTheLimitIsRefusedAndSkipped) {
  for (const size_t length : {size_t{101}, size_t{10'000}, size_t{layout::kLargeValue}, size_t{300'000}}) {
    InboxHarness harness(100);
    harness.start_written(1, kGet);
    harness.start_written(2, kGetAndTouch);
    harness.start_written(3, kGet);
    const std::string first = hit(1, patterned(length));
    harness.feed(first.substr(0, 24));
    EXPECT_EQ(harness.answered, 1u);
    harness.feed(first.substr(24) + hit(2, patterned(length), kGetAndTouch) + hit(3, patterned(100)));
    const auto seen = harness.seen();
    ASSERT_EQ(seen.size(), 3u);
    for (const size_t refused : {0, 1}) {
      EXPECT_EQ(seen[refused].outcome,
                layout::kOutcomeRefused | layout::kOutcomeWrittenBit | layout::kOutcomeReleaseBit);
      EXPECT_EQ(seen[refused].flags, length);
      EXPECT_EQ(seen[refused].detail, layout::kCauseTooLarge);
    }
    EXPECT_EQ(seen[2].value, patterned(100));
    EXPECT_EQ(harness.skipped, 2 * length + 4);
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.allocator_.calls, 0);
  }
}

TEST(Inbox, TheLimitIsNothingToWhoWantsNoValue) {
  InboxHarness harness(100);
  harness.start_written(1, kGet, true);
  harness.flights().abandon(harness.start_written(2, kGet), layout::kOutcomeReleased);
  harness.start_written(3, kGet);
  harness.feed(hit(1, patterned(200)) + hit(2, patterned(200)) + hit(3, "next"));
  const auto seen = harness.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].outcome, answered(0));
  EXPECT_EQ(seen[0].cas, 101u);
  EXPECT_EQ(seen[1].outcome, layout::kOutcomeReleased | layout::kOutcomeReleaseBit);
  EXPECT_EQ(seen[2].value, "next");
}

TEST(Inbox, AValueForWhichThereIsNoMemoryIsRefusedAndSkipped) {
  InboxHarness harness;
  harness.allocator_.is_exhausted = true;
  harness.start_written(1, kGet);
  harness.start_written(2, kGet);
  harness.feed(hit(1, patterned(100'000)) + hit(2, "next"));
  const auto seen = harness.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].outcome & layout::kOutcomeMask, layout::kOutcomeRefused);
  EXPECT_EQ(seen[0].flags, 100'000u);
  EXPECT_EQ(seen[0].detail, static_cast<uint32_t>(ENOMEM));
  EXPECT_EQ(seen[1].value, "next");
  EXPECT_EQ(harness.cause, 0u);
}

// A server may refuse a request before it has read all of it. The slot is free once the rest has left.
TEST(Inbox, AnAnswerMayComeBeforeItsRequestIsWrittenWhole) {
  InboxHarness harness;
  Flight& flight = harness.start(1, kSet);
  harness.leaving = 1;
  harness.feed(encode({.opcode = kSet, .status = 3, .opaque = 1, .value = "Too large."}));
  EXPECT_EQ(harness.seen(),
            (std::vector<Seen>{{1, answered(3) & ~layout::kOutcomeReleaseBit, 0, 0, "Too large."}}));
  EXPECT_EQ(harness.answered, 1u);
  EXPECT_EQ(harness.early, 1u);
  EXPECT_EQ(flight.state, FlightState::kAnswered);
  harness.flights().release(flight);
  EXPECT_EQ(harness.seen().back().outcome, layout::kOutcomeReleased | layout::kOutcomeReleaseBit);
}

TEST(Inbox, AnEarlyAnswerToAnOperationGivenUpMeanwhileSettlesNothing) {
  InboxHarness harness;
  Flight& flight = harness.start(1, kSet);
  harness.flights().abandon(flight, layout::kOutcomeReleased);
  flight.state = FlightState::kLeaving;
  harness.leaving = 1;
  harness.feed(encode({.opcode = kSet, .status = 3, .opaque = 1}));
  EXPECT_TRUE(harness.seen().empty());
  EXPECT_EQ(harness.early, 1u);
  EXPECT_EQ(flight.state, FlightState::kAnswered);
}

TEST(Inbox, ARequestMayBeWrittenWholeWhileItsLargeAnswerArrives) {
  InboxHarness harness;
  Flight& flight = harness.start(1, kGet);
  harness.leaving = 1;
  const std::string bytes = hit(1, patterned(100'000));
  harness.feed(bytes.substr(0, 50'000));
  harness.write(flight);
  harness.leaving = Inbox::kNobody;
  harness.feed(bytes.substr(50'000));
  EXPECT_EQ(
      harness.seen(),
      (std::vector<Seen>{{1, answered(0) | layout::kOutcomeLargeBit, 0xdeadbeef, 101, patterned(100'000)}}));
  EXPECT_EQ(harness.early, 0u);
}

TEST(Inbox, AnswersMayComeInAnyOrder) {
  InboxHarness harness;
  for (uint32_t i = 0; i < 4; ++i) harness.start_written(i, kGet);
  harness.feed(hit(2, "c") + hit(0, "a") + hit(3, "d") + hit(1, "b"));
  std::string values;
  for (const Seen& seen : harness.seen()) values += seen.value;
  EXPECT_EQ(values, "cadb");
}

TEST(Inbox, AnOperationThatWantsNoValueGetsNone) {
  InboxHarness harness;
  harness.start_written(1, kGet, true);
  harness.start_written(2, kGet, true);
  harness.start_written(3, kGet);
  const std::string large = patterned(layout::kLargeValue * 20);
  harness.feed(hit(1, "small") + hit(2, large) + hit(3, "next"));
  const auto seen = harness.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].value, "");
  EXPECT_EQ(seen[1].outcome, answered(0));
  EXPECT_EQ(seen[1].cas, 102u);
  EXPECT_EQ(seen[1].value, "");
  EXPECT_EQ(seen[2].value, "next");
  EXPECT_EQ(harness.allocator_.calls, 0);
}

TEST(Inbox, ALargeValueComesInMemoryOfItsOwn) {
  for (const size_t length :
       {size_t{layout::kLargeValue}, size_t{layout::kLargeValue} + 1, size_t{300'000}}) {
    InboxHarness harness;
    harness.start_written(1, kGetAndTouch);
    harness.start_written(2, kGet);
    harness.feed(hit(1, patterned(length), kGetAndTouch) + hit(2, "next"));
    const bool is_large = length > layout::kLargeValue;
    const uint32_t bit = is_large ? layout::kOutcomeLargeBit : 0;
    EXPECT_EQ(harness.seen(), (std::vector<Seen>{{1, answered(0) | bit, 0xdeadbeef, 101, patterned(length)},
                                                 {2, answered(0), 0xdeadbeef, 102, "next"}}));
    EXPECT_EQ(harness.allocator_.calls, is_large ? 1 : 0);
  }
}

TEST(Inbox, ALargeValueForAnOperationGivenUpMeanwhileIsDropped) {
  InboxHarness harness;
  Flight& flight = harness.start_written(1, kGet);
  harness.start_written(2, kGet);
  const std::string bytes = hit(1, patterned(100'000));
  harness.feed(bytes.substr(0, 50'000));
  harness.flights().abandon(flight, layout::kOutcomeTimedOut);
  harness.feed(bytes.substr(50'000) + hit(2, "next"));
  const auto seen = harness.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].outcome, layout::kOutcomeTimedOut | layout::kOutcomeWrittenBit);
  EXPECT_EQ(seen[1].outcome, layout::kOutcomeReleased | layout::kOutcomeReleaseBit);
  EXPECT_EQ(seen[2].value, "next");
  EXPECT_EQ(harness.answered, 2u);
  EXPECT_EQ(base::counters.large_values.load(), 0);
}

TEST(Inbox, AnAnswerToAnAbandonedOperationReleasesItsSlotAndNothingElse) {
  for (const size_t length : {size_t{5}, size_t{100'000}}) {
    InboxHarness harness;
    Flight& flight = harness.start_written(1, kGet);
    harness.flights().abandon(flight, layout::kOutcomeReleased);
    harness.feed(hit(1, patterned(length)));
    EXPECT_EQ(harness.seen(),
              (std::vector<Seen>{{1, layout::kOutcomeReleased | layout::kOutcomeReleaseBit, 0, 0, ""}}));
    EXPECT_EQ(harness.answered, 1u);
    EXPECT_EQ(harness.cause, 0u);
  }
}

TEST(Inbox, ItemsAreToldOneByOneAndTheLastAnswerSettles) {
  InboxHarness inbox;
  inbox.start_written(5, 0x10);
  const std::string items = encode({.opcode = 0x10, .opaque = 5, .key = "pid", .value = "17"}) +
                            encode({.opcode = 0x10, .opaque = 5, .key = "empty"});
  inbox.feed(items);
  EXPECT_EQ(inbox.answered, 0u);
  const uint32_t item = layout::kOutcomeItem | layout::kOutcomeWrittenBit;
  const std::vector<Seen> told{{5, item, 3, 0, "pid17"}, {5, item, 5, 0, "empty"}};
  EXPECT_EQ(inbox.seen(), told);
  inbox.flights().abandon(*inbox.flights().find(5), layout::kOutcomeReleased);
  inbox.feed(items);
  EXPECT_EQ(inbox.seen(), told) << "nobody hears of what was given up";
  inbox.feed(encode({.opcode = 0x10, .opaque = 5}));
  EXPECT_EQ(inbox.answered, 1u);
  EXPECT_TRUE(inbox.due().empty());
  EXPECT_EQ(inbox.cause, 0u);
}

TEST(Inbox, AnItemAsLargeAsNoneEndsTheConnection) {
  InboxHarness inbox;
  inbox.start_written(5, 0x10);
  inbox.feed(
      encode({.opcode = 0x10, .opaque = 5, .key = "k", .value = std::string(layout::kLargeValue, 'x')}));
  EXPECT_EQ(inbox.cause, layout::kCauseTooLarge);
  EXPECT_TRUE(inbox.seen().empty());
}

TEST(Inbox, AKeyInAnyOtherAnswerEndsTheConnection) {
  for (const uint8_t opcode : {uint8_t{0x00}, uint8_t{0x08}, uint8_t{0x0b}}) {
    InboxHarness inbox;
    inbox.start_written(5, opcode);
    inbox.feed(encode({.opcode = opcode, .opaque = 5, .key = "pid", .value = "17"}));
    EXPECT_EQ(inbox.cause, layout::kCauseBadLengths);
  }
}

TEST(Inbox, TheHandshakeBringsTheVersion) {
  InboxHarness harness(InboxHarness::kMaxValue, false);
  harness.feed(encode({.opcode = 0x0b, .opaque = wire::kHandshakeOpaque, .value = "1.6.45"}));
  EXPECT_TRUE(harness.handshake_done);
  EXPECT_EQ(harness.answered, 0u);
  EXPECT_EQ(test::as_text(harness.inbox().handshake().version()), "1.6.45");
  EXPECT_TRUE(harness.seen().empty());
}

TEST(Inbox, ResetForgetsAnAnswerThatHadBegun) {
  for (const size_t length : {size_t{50}, size_t{100'000}}) {
    for (const bool discards : {false, true}) {
      InboxHarness harness;
      Flight& flight = harness.start_written(1, kGet, discards);
      const std::string bytes = hit(1, patterned(length));
      harness.feed(bytes.substr(0, bytes.size() / 2));
      if (harness.flights().find(1) != nullptr) harness.lose(flight);
      harness.inbox().reset();
      harness.shake_hands();
      harness.start_written(2, kGet);
      harness.feed(hit(2, "fresh"));
      EXPECT_EQ(harness.cause, 0u);
      EXPECT_EQ(harness.seen().back().value, "fresh");
    }
  }
}

// A stream with everything in it that a connection may bring, and what must come of it.
class Mixture {
 public:
  Mixture() {
    add(hit(1, "World"));
    add(encode({.opcode = kGet, .status = 1, .opaque = 2, .value = "Not found"}));
    add(encode({.opcode = kSet, .opaque = 3, .cas = 77}));
    add(hit(4, patterned(20'000)));
    add(encode({.opcode = kIncrement, .opaque = 5, .value = unhex("00 00 00 00 00 00 00 2a")}));
    add(hit(6, patterned(18'000)));
    add(hit(7, "abandoned"));
    add(hit(8, patterned(17'000)));
    add(hit(9, ""));
    add(hit(10, patterned(layout::kLargeValue - 4)));
    add(hit(11, "unwanted"));
    add(hit(12, "last"));
  }

  const std::string& bytes() const { return bytes_; }
  // Where cutting is most likely to matter: around every boundary between packets, head and body.
  const std::set<size_t>& interesting() const { return interesting_; }

  std::vector<Seen> read(const std::vector<size_t>& cuts) const {
    InboxHarness harness;
    for (const uint32_t opaque : {1, 2, 4, 9, 10, 12}) harness.start_written(opaque, kGet);
    harness.start_written(3, kSet);
    harness.start_written(5, kIncrement);
    harness.start_written(6, kGet, true);
    harness.start_written(11, kGet, true);
    for (const uint32_t opaque : {7, 8})
      harness.flights().abandon(harness.start_written(opaque, kGet), layout::kOutcomeReleased);
    size_t begin = 0;
    for (const size_t cut : cuts) {
      harness.feed(std::string_view(bytes_).substr(begin, cut - begin));
      begin = cut;
    }
    harness.feed(std::string_view(bytes_).substr(begin));
    EXPECT_EQ(harness.cause, 0u);
    EXPECT_EQ(harness.answered, 12u);
    EXPECT_EQ(harness.flights().size(), 0u);
    return harness.seen();
  }

 private:
  void add(const std::string& packet) {
    for (size_t at = 0; at < std::min<size_t>(packet.size(), 40); ++at)
      interesting_.insert(bytes_.size() + at);
    bytes_ += packet;
    for (size_t back = 0; back < 6; ++back) interesting_.insert(bytes_.size() - back);
  }

  std::string bytes_;
  std::set<size_t> interesting_;
};

TEST(Inbox, AReadTakesAboutHalfOfTheAnswersThatAreDue) {
  InboxHarness harness;
  std::string bytes;
  for (uint32_t i = 0; i < 1000; ++i) {
    harness.start_written(i, kGet);
    bytes += hit(i, patterned(100));
  }
  std::string_view rest = harness.feed_once(bytes);  // now it knows their size
  while (harness.flights().size() > 200) {
    const size_t due = harness.flights().size();
    rest = harness.feed_once(rest);
    EXPECT_NEAR(static_cast<double>(harness.flights().size()), static_cast<double>(due) / 2,
                static_cast<double>(due) / 20);
  }
  harness.feed(rest);
  EXPECT_EQ(harness.answered, 1000u);
}

TEST(Inbox, ReadsGrowWithTheAnswers) {
  InboxHarness harness;
  std::string bytes;
  for (uint32_t i = 0; i < 400; ++i) {
    harness.start_written(i, kGet);
    bytes += hit(i, patterned(16'000));
  }
  int reads = 0;
  for (std::string_view rest = bytes; !rest.empty(); ++reads) rest = harness.feed_once(rest);
  EXPECT_EQ(harness.answered, 400u);
  EXPECT_LE(reads, 60);  // 6.4 MB, 128 KiB a read when all goes well
}

TEST(InboxSplits, TwoPiecesCutAnywhereGiveTheSame) {
  const Mixture mixture;
  const std::vector<Seen> expected = mixture.read({});
  ASSERT_EQ(expected.size(), 12u);
  for (size_t cut = 0; cut < mixture.bytes().size(); ++cut) {
    if (cut % 61 != 0 && !mixture.interesting().contains(cut)) continue;
    ASSERT_EQ(mixture.read({cut}), expected) << "cut at " << cut;
  }
}

TEST(InboxSplits, ByteByByteGivesTheSame) {
  const Mixture mixture;
  std::vector<size_t> cuts;
  for (size_t cut = 1; cut < mixture.bytes().size(); ++cut) cuts.push_back(cut);
  EXPECT_EQ(mixture.read(cuts), mixture.read({}));
}

TEST(InboxSplits, RandomPiecesGiveTheSame) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  const Mixture mixture;
  const std::vector<Seen> expected = mixture.read({});
  for (int round = 0; round < 300; ++round) {
    std::vector<size_t> cuts;
    const size_t longest = size_t{2} << (random() % 16);
    for (size_t at = random() % longest; at < mixture.bytes().size(); at += random() % longest + 1)
      cuts.push_back(at);
    ASSERT_EQ(mixture.read(cuts), expected);
  }
}

}  // namespace
}  // namespace evenkeel::pipeline
