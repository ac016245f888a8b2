#include "net/output_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "batches.h"
#include "seed.h"

namespace evenkeel::net {
namespace {

using test::add_request;
using test::as_text;
using test::TextPayload;

constexpr size_t kNoLimit = SIZE_MAX;

class OutputQueueTest : public testing::Test {
 protected:
  void add(uint32_t opaque, std::string_view bytes) {
    Batch batch;
    add_request(&batch, opaque, bytes);
    append(batch);
  }
  TextPayload* add(uint32_t opaque, std::string_view bytes, std::string payload) {
    auto owned = std::make_unique<TextPayload>(std::move(payload), alive_);
    TextPayload* const observer = owned.get();
    Batch batch;
    add_request(&batch, opaque, bytes, std::move(owned));
    append(batch);
    return observer;
  }

  void append(Batch& batch) {
    for (const Packet& packet : batch.packets) queued_.add(batch.length(packet));
    uint32_t sequence = queue_.next_sequence();
    for (const Packet& packet : batch.packets) sequences_[packet.opaque] = sequence++;
    queue_.append(batch);
    tidy();
  }
  void kill(std::initializer_list<uint32_t> opaques) {
    for (const uint32_t opaque : opaques) kill(opaque);
  }
  void kill(uint32_t opaque) {
    queue_.kill(sequences_.at(opaque));
    tidy();
  }
  void tidy() {
    queue_.tidy([this](uint32_t opaque, uint32_t sequence) {
      sequences_.at(opaque) = sequence;
      ++moved_;
    });
  }

  OutputQueue::Gathered gather(size_t max_packets = kNoLimit, size_t max_segments = 64) {
    return queue_.gather(std::span(segments_).first(max_segments), max_packets);
  }
  // The text of what gather() returns.
  std::string peek(size_t max_packets = kNoLimit, size_t max_segments = 64) {
    const OutputQueue::Gathered gathered = gather(max_packets, max_segments);
    std::string text;
    for (int i = 0; i < gathered.segments; ++i) {
      const iovec& segment = segments_[static_cast<size_t>(i)];
      text.append(static_cast<const char*>(segment.iov_base), segment.iov_len);
    }
    EXPECT_EQ(text.size(), gathered.bytes);
    return text;
  }
  // The kernel takes `length` bytes; returns the requests that have now left whole.
  std::vector<uint32_t> consume(size_t length) {
    std::vector<uint32_t> written;
    queue_.consume(length, [&](const Packet& packet, auto) {
      written.push_back(packet.opaque);
      return false;
    });
    return written;
  }
  // Requests whose sequence number a tidying up has changed, counted once each time.
  size_t moved_ = 0;
  QueuedBytes queued_;
  OutputQueue queue_{queued_};
  std::unordered_map<uint32_t, uint32_t> sequences_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::array<iovec, 64> segments_;
};

using Written = std::vector<uint32_t>;

TEST_F(OutputQueueTest, RequestsWithoutPayloadLeaveAsOneSegment) {
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(gather().bytes, 0u);
  add(1, "one");
  add(2, "two");
  add(3, "three");
  EXPECT_EQ(queue_.size(), 3u);
  EXPECT_EQ(gather().segments, 1);
  EXPECT_EQ(peek(), "onetwothree");
  EXPECT_EQ(consume(11), (Written{1, 2, 3}));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutputQueueTest, APartialWriteKeepsTheTail) {
  add(1, "one");
  add(2, "two");
  EXPECT_EQ(consume(4), Written{1});
  EXPECT_FALSE(queue_.is_partly_written(1));
  EXPECT_TRUE(queue_.is_partly_written(2));
  EXPECT_EQ(peek(), "wo");
  EXPECT_EQ(consume(2), Written{2});
}

TEST_F(OutputQueueTest, WhatIsAddedBetweenTwoWritesComesBehindTheTail) {
  add(1, "one");
  consume(1);
  add(2, "two");
  EXPECT_EQ(peek(), "netwo");
  EXPECT_EQ(consume(5), (Written{1, 2}));
  add(3, "three");
  EXPECT_EQ(peek(), "three");
}

TEST_F(OutputQueueTest, OfSeveralRequestsOnlySoManyBytesGoTogether) {
  const auto peek_together = [this](size_t most) {
    const OutputQueue::Gathered gathered = queue_.gather(segments_, kNoLimit, most);
    std::string text;
    for (int i = 0; i < gathered.segments; ++i) {
      const iovec& segment = segments_[static_cast<size_t>(i)];
      text.append(static_cast<const char*>(segment.iov_base), segment.iov_len);
    }
    return text;
  };
  add(1, "one");
  add(2, "two");
  add(3, "three");
  EXPECT_EQ(peek_together(11), "onetwothree");
  EXPECT_EQ(peek_together(10), "onetwo");
  EXPECT_EQ(peek_together(2), "one");  // more than that goes alone
  add(4, "head-", "payload");
  EXPECT_EQ(peek_together(22), "onetwothree");
  EXPECT_EQ(consume(4), Written{1});
  EXPECT_EQ(peek_together(100), "wo");  // and so does the rest of one
  EXPECT_EQ(consume(2), Written{2});
  EXPECT_EQ(peek_together(100), "threehead-payload");
}

TEST_F(OutputQueueTest, PayloadsAreSentFromWhereTheyLie) {
  add(1, "head-", "payload");
  const OutputQueue::Gathered gathered = gather();
  ASSERT_EQ(gathered.segments, 2);
  EXPECT_EQ(peek(), "head-payload");
  add(2, "tail");
  EXPECT_EQ(gather().segments, 3);
  EXPECT_EQ(peek(), "head-payloadtail");
}

TEST_F(OutputQueueTest, APayloadDiesWithItsLastByte) {
  add(1, "head-", "payload");
  add(2, "next");
  EXPECT_EQ(consume(11), Written{});
  EXPECT_EQ(alive_.use_count(), 2);
  EXPECT_EQ(consume(1), Written{1});
  EXPECT_EQ(alive_.use_count(), 1);
  EXPECT_EQ(peek(), "next");
}

TEST_F(OutputQueueTest, AnEmptyPayloadIsAPayload) {
  add(1, "head", "");
  add(2, "next");
  EXPECT_EQ(peek(), "headnext");
  EXPECT_EQ(consume(4), Written{1});
  EXPECT_EQ(alive_.use_count(), 1);
}

TEST_F(OutputQueueTest, FewSegmentsMeanMoreWrites) {
  for (uint32_t i = 0; i < 10; ++i) add(i, "<" + std::to_string(i), "payload>");
  std::string sent;
  while (!queue_.empty()) {
    const std::string some = peek(kNoLimit, 3);
    ASSERT_FALSE(some.empty());
    sent += some;
    consume(some.size());
  }
  std::string expected;
  for (int i = 0; i < 10; ++i) expected += "<" + std::to_string(i) + "payload>";
  EXPECT_EQ(sent, expected);
}

TEST_F(OutputQueueTest, TheWindowCountsRequests) {
  add(1, "one");
  add(2, "two", "-payload");
  add(3, "three");
  EXPECT_EQ(peek(0), "");
  EXPECT_EQ(peek(1), "one");
  EXPECT_EQ(peek(2), "onetwo-payload");
  consume(5);  // the second is half written, and counts
  EXPECT_EQ(peek(1), "o-payload");
  EXPECT_EQ(peek(2), "o-payloadthree");
}

TEST_F(OutputQueueTest, ALostConnectionMeansTheWholeHeadAgain) {
  add(1, "one");
  add(2, "two", "-payload");
  consume(8);
  EXPECT_TRUE(queue_.head_partly_written());
  queue_.rewind();
  EXPECT_FALSE(queue_.head_partly_written());
  EXPECT_EQ(peek(), "two-payload");
  EXPECT_EQ(consume(11), Written{2});
}

TEST_F(OutputQueueTest, DeadRequestsAreNeverWritten) {
  for (uint32_t i = 1; i <= 6; ++i) add(i, std::to_string(i) + ",");
  kill({4, 2, 6, 1});
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(peek(), "3,5,");
  EXPECT_EQ(peek(1), "3,");  // the dead do not count
  EXPECT_EQ(consume(3), Written{3});
  EXPECT_EQ(peek(), ",");
  EXPECT_EQ(consume(1), Written{5});
  EXPECT_EQ(peek(), "");
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutputQueueTest, ADeadRequestTakesItsPayloadAlong) {
  add(1, "one");
  add(2, "two", "payload");
  add(3, "three");
  kill(2);
  EXPECT_EQ(alive_.use_count(), 1);
  EXPECT_EQ(peek(), "onethree");
}

TEST_F(OutputQueueTest, WhatIsDeadBehindAHalfWrittenRequestDoesNotHoldUpWhatFollows) {
  add(1, "one");
  add(2, "two");
  add(3, "three");
  consume(1);
  kill(2);
  EXPECT_EQ(peek(), "nethree");
  EXPECT_EQ(consume(2), Written{1});
  EXPECT_EQ(peek(), "three");
}

TEST_F(OutputQueueTest, AQueueOfDeadRequestsIsEmpty) {
  for (uint32_t i = 1; i <= 3; ++i) add(i, "request", "payload");
  kill({2, 3, 1});
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.memory(), 0u);
  add(4, "four");
  EXPECT_EQ(peek(), "four");
}

TEST_F(OutputQueueTest, APayloadWhoseMemoryIsGoneStopsTheQueueAtItsRequest) {
  add(1, "one");
  TextPayload* const payload = add(2, "two", "-payload");
  add(3, "three");
  payload->lose();
  OutputQueue::Gathered gathered = gather();
  EXPECT_FALSE(gathered.payload_gone);
  EXPECT_EQ(peek(), "one");
  consume(3);
  gathered = gather();
  EXPECT_TRUE(gathered.payload_gone);
  EXPECT_EQ(gathered.bytes, 0u);
  EXPECT_EQ(queue_.head_opaque(), 2u);
  queue_.drop_head();
  EXPECT_EQ(peek(), "three");
}

TEST_F(OutputQueueTest, APayloadWhoseMemoryIsGoneHalfWayIsToldAsSuch) {
  TextPayload* const payload = add(1, "one", "-payload");
  consume(5);
  payload->lose();
  EXPECT_TRUE(gather().payload_gone);
  EXPECT_TRUE(queue_.head_partly_written());
}

TEST_F(OutputQueueTest, TheMemoryOfTheDeadIsGivenBackAndTheOthersAreKnownByTheirNewPlaces) {
  constexpr uint32_t kMany = 10'000;
  for (uint32_t i = 0; i < kMany; ++i) {
    if (i % 50 == 7) {
      add(i, "<" + std::to_string(i), "payload>");
    } else {
      add(i, "<" + std::to_string(i) + ">");
    }
  }
  const size_t memory = queue_.memory();
  consume(4);  // the second is half written, and stays so
  for (uint32_t i = 2; i < kMany; ++i) {
    if (i % 10 != 7) kill(i);
  }
  EXPECT_EQ(queue_.size(), kMany / 10 + 1);
  EXPECT_LT(queue_.memory(), memory / 4);
  EXPECT_TRUE(queue_.is_partly_written(1));
  for (uint32_t i = 7; i < kMany; i += 100) kill(i);
  std::string expected = peek(1);
  for (uint32_t i = 17; i < kMany; i += 10) {
    if (i % 100 != 7) expected += "<" + std::to_string(i) + (i % 50 == 7 ? "payload>" : ">");
  }
  std::string sent;
  while (!queue_.empty()) {
    const std::string some = peek();
    sent += some;
    consume(some.size());
  }
  EXPECT_EQ(sent, expected);
  EXPECT_EQ(alive_.use_count(), 1);
}

// Each death may be followed by a look at the queue, whatever is appended and written in between; all the
// looks together must cost no more than a few steps for each request.
TEST_F(OutputQueueTest, DeathsCostInTotalWhatTheyAreInNumber) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  std::vector<uint32_t> alive;
  uint32_t next = 0;
  size_t deaths = 0;
  add(next++, "written late");
  consume(1);
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 2000; ++i) {
      alive.push_back(next);
      add(next++, std::string(random() % 100 + 1, 'x'));
    }
    std::shuffle(alive.begin(), alive.end(), random);
    for (const size_t spared = random() % 200; alive.size() > spared; ++deaths) {
      kill(alive.back());
      alive.pop_back();
    }
  }
  EXPECT_EQ(queue_.size(), alive.size() + 1);
  EXPECT_LE(moved_, 2 * deaths);
}

TEST_F(OutputQueueTest, AnotherQueueIsAppendedWithoutWhatItHasWritten) {
  OutputQueue other(queued_);
  Batch batch;
  add_request(&batch, 1, "one", std::make_unique<TextPayload>("-first", alive_));
  add_request(&batch, 2, "two", std::make_unique<TextPayload>("-second", alive_));
  add_request(&batch, 3, "three");
  other.append(batch);
  other.consume(9, [](const Packet&, auto) { return false; });
  add(0, "zero");
  queue_.append(other, [this](uint32_t opaque, uint32_t sequence) { sequences_[opaque] = sequence; });
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(peek(), "zerotwo-secondthree");
  kill(2);
  EXPECT_EQ(peek(), "zerothree");
  Batch later;
  add_request(&later, 4, "four");
  other.append(later);
  EXPECT_EQ(other.size(), 1u);
}

TEST_F(OutputQueueTest, VisitsWhatIsStillToWriteInOrder) {
  for (uint32_t i = 1; i <= 4; ++i) add(i, "xx");
  consume(3);
  kill(3);
  Written seen;
  queue_.for_each([&](uint32_t opaque) { seen.push_back(opaque); });
  EXPECT_EQ(seen, (Written{2, 4}));
}

TEST_F(OutputQueueTest, CountsEachRequestUntilItHasLeftByWhicheverWay) {
  add(1, "one", "-first");
  add(2, "two");
  add(3, "three", "-third");
  add(4, "four");
  add(5, "five");
  EXPECT_EQ(queued_.now(), 31u);
  consume(8);  // counts until it has left whole
  EXPECT_EQ(queued_.now(), 31u);
  queue_.rewind();
  consume(9);
  EXPECT_EQ(queued_.now(), 22u);
  kill(3);
  EXPECT_EQ(queued_.now(), 11u);
  OutputQueue next(queued_);
  next.append(queue_, [](uint32_t, uint32_t) {});
  EXPECT_EQ(queued_.now(), 11u);
  next.drop_head();
  EXPECT_EQ(queued_.now(), 8u);
  next.reset();
  EXPECT_EQ(queued_.now(), 0u);
}

TEST_F(OutputQueueTest, WhatIsKeptElsewhereStaysCounted) {
  add(1, "one", "-first");
  add(2, "two");
  OutputQueue kept(queued_);
  queue_.consume(12, [&](const Packet& packet, auto request) {
    if (packet.opaque == 1) kept.append(request());
    return packet.opaque == 1;
  });
  EXPECT_EQ(queued_.now(), 9u);
  EXPECT_EQ(alive_.use_count(), 2);
  kept.kill(kept.next_sequence() - 1);
  EXPECT_EQ(queued_.now(), 0u);
  EXPECT_EQ(alive_.use_count(), 1);
}

TEST_F(OutputQueueTest, OneIsTakenFromWhereverItIs) {
  add(1, "one", "-first");
  add(2, "two");
  add(3, "three", "-third");
  add(4, "four");
  kill(2);
  Batch out;
  queue_.take(sequences_.at(3), &out);
  EXPECT_EQ(peek(), "one-firstfour");
  queue_.take(sequences_.at(1), &out);
  EXPECT_EQ(peek(), "four");
  EXPECT_EQ(queue_.size(), 1u);
  ASSERT_EQ(out.packets.size(), 2u);
  EXPECT_EQ(out.packets[0].opaque, 3u);
  EXPECT_EQ(as_text({out.bytes.data(), out.bytes.size()}), "threeone");
  EXPECT_EQ(as_text(out.attached(out.packets[1])->payload->bytes()), "-first");
  EXPECT_EQ(queued_.now(), 4u);
}

TEST_F(OutputQueueTest, WhatABurstNeededIsGivenBackWhenMostOfItIsDead) {
  const int64_t before = base::counters.mapped_bytes.load();
  constexpr uint32_t kMany = 2000;
  for (uint32_t i = 0; i < kMany; ++i) add(i, std::string(16 << 10, 'x'));
  EXPECT_GE(base::counters.mapped_bytes.load() - before, kMany * (16 << 10));
  for (uint32_t i = 1; i < kMany; ++i) kill(i);
  EXPECT_LE(base::counters.mapped_bytes.load() - before, 4 << 20);
  EXPECT_EQ(peek(), std::string(16 << 10, 'x'));
}

TEST_F(OutputQueueTest, ResetForgetsAll) {
  add(1, "one", "payload");
  add(2, "two");
  consume(2);
  queue_.reset();
  EXPECT_TRUE(queue_.empty());
  EXPECT_FALSE(queue_.head_partly_written());
  EXPECT_EQ(alive_.use_count(), 1);
  add(3, "three");
  EXPECT_EQ(peek(), "three");
}

}  // namespace
}  // namespace evenkeel::net
