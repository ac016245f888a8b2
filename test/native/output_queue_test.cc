#include "net/output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "batches.h"

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
    queue_.append(batch);
  }
  TextPayload* add(uint32_t opaque, std::string_view bytes, std::string payload) {
    auto owned = std::make_unique<TextPayload>(std::move(payload), alive_);
    TextPayload* const observer = owned.get();
    Batch batch;
    add_request(&batch, opaque, bytes, std::move(owned));
    queue_.append(batch);
    return observer;
  }

  OutputQueue::Gathered gather(size_t max_packets = kNoLimit, size_t max_segments = 64) {
    return queue_.gather(std::span(segments_).first(max_segments), max_packets, !dead_.empty(),
                         [this](uint32_t opaque) { return dead_.contains(opaque); });
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
    queue_.consume(length, [&](uint32_t opaque) { written.push_back(opaque); });
    return written;
  }
  void drop_dead() {
    queue_.drop_if([this](uint32_t opaque) { return dead_.contains(opaque); });
  }

  OutputQueue queue_;
  std::set<uint32_t> dead_;
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
  dead_ = {1, 2, 4, 6};
  EXPECT_EQ(peek(), "3,");  // up to the next dead one
  EXPECT_EQ(consume(2), Written{3});
  EXPECT_EQ(peek(), "5,");
  EXPECT_EQ(consume(2), Written{5});
  EXPECT_EQ(peek(), "");
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutputQueueTest, ADeadRequestTakesItsPayloadAlong) {
  add(1, "one", "payload");
  add(2, "two");
  dead_ = {1};
  EXPECT_EQ(peek(), "two");
  EXPECT_EQ(alive_.use_count(), 1);
}

TEST_F(OutputQueueTest, AHalfWrittenRequestIsFinishedThoughItIsDead) {
  add(1, "one");
  add(2, "two");
  add(3, "three");
  consume(1);
  dead_ = {1, 2};
  EXPECT_EQ(peek(), "ne");
  EXPECT_EQ(consume(2), Written{1});
  EXPECT_EQ(peek(), "three");
}

TEST_F(OutputQueueTest, AfterALostConnectionADeadHeadIsNotSentAgain) {
  add(1, "one");
  add(2, "two");
  consume(1);
  dead_ = {1};
  queue_.rewind();
  EXPECT_EQ(peek(), "two");
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

TEST_F(OutputQueueTest, DropsRequestsFromAnywhere) {
  add(1, "one", "-first");
  add(2, "two");
  add(3, "three", "-second");
  add(4, "four");
  dead_ = {1, 4};
  drop_dead();
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(alive_.use_count(), 2);
  EXPECT_EQ(peek(), "twothree-second");
  dead_ = {2, 3};
  drop_dead();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(alive_.use_count(), 1);
}

TEST_F(OutputQueueTest, DroppingSparesAHalfWrittenHead) {
  add(1, "one", "-first");
  add(2, "two");
  add(3, "three");
  consume(5);
  dead_ = {1, 2};
  drop_dead();
  EXPECT_TRUE(queue_.is_partly_written(1));
  dead_.clear();
  EXPECT_EQ(peek(), "irstthree");
}

TEST_F(OutputQueueTest, AnotherQueueIsAppendedWithoutWhatItHasWritten) {
  OutputQueue other;
  Batch batch;
  add_request(&batch, 1, "one", std::make_unique<TextPayload>("-first", alive_));
  add_request(&batch, 2, "two", std::make_unique<TextPayload>("-second", alive_));
  add_request(&batch, 3, "three");
  other.append(batch);
  other.consume(9, [](uint32_t) {});
  add(0, "zero");
  queue_.append(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(peek(), "zerotwo-secondthree");
  Batch later;
  add_request(&later, 4, "four");
  other.append(later);
  EXPECT_EQ(other.size(), 1u);
}

TEST_F(OutputQueueTest, VisitsWhatIsStillToWriteInOrder) {
  for (uint32_t i = 1; i <= 4; ++i) add(i, "xx");
  consume(3);
  Written seen;
  queue_.for_each([&](uint32_t opaque) { seen.push_back(opaque); });
  EXPECT_EQ(seen, (Written{2, 3, 4}));
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
