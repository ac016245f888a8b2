// What is counted of a server's connections, and which operations are told of as slow.
#include "pipeline/meter.h"

#include <gtest/gtest.h>

#include <vector>

#include "client_test.h"

namespace evenkeel::test {
namespace {

using pipeline::latency_bucket;

constexpr size_t kBuckets = layout::kMeterWords - layout::kMeterLatency;

uint32_t lower_bound(size_t bucket) {
  if (bucket < 32) return static_cast<uint32_t>(bucket);
  return static_cast<uint32_t>(16 + bucket % 16) << (bucket / 16 - 1);
}

TEST(LatencyBuckets, AreSixteenToAnOctaveWithoutGaps) {
  EXPECT_EQ(latency_bucket(0), 0u);
  for (size_t bucket = 1; bucket < kBuckets; ++bucket) {
    EXPECT_EQ(latency_bucket(lower_bound(bucket)), bucket);
    EXPECT_EQ(latency_bucket(lower_bound(bucket) - 1), bucket - 1);
  }
  EXPECT_EQ(latency_bucket(UINT32_MAX), kBuckets - 1);
}

class ClientMeter : public ClientTest {
 protected:
  // From 1 µs on everything is slow.
  static pipeline::Options slow() {
    pipeline::Options options;
    options.slow = 1;
    return options;
  }
  uint64_t word(size_t index) {
    std::vector<double> words(layout::kMeterWords);
    client_->client().read_meter(0, words);
    return static_cast<uint64_t>(words[index]);
  }
  uint64_t answers() {
    uint64_t sum = 0;
    for (size_t i = layout::kMeterLatency; i < layout::kMeterWords; ++i) sum += word(i);
    return sum;
  }
  [[nodiscard]] bool becomes(size_t index, uint64_t count) {
    return client_->until([&] { return word(index) == count; });
  }
};
INSTANTIATE_TEST_SUITE_P(, ClientMeter, kBothDrives, drive_name);

TEST_P(ClientMeter, CountsAnswersReadsHitsAndBytes) {
  start_connected();
  EXPECT_EQ(word(layout::kMeterReads), 0u);
  const uint64_t greeted = word(layout::kMeterReceived);
  const size_t hit = client_->send({.key = "hit"});
  const size_t miss = client_->send({.key = "miss"});
  const size_t set = client_->send({.opcode = Opcode::kSet, .key = "set", .value = "value"});
  std::vector<Packet> requests(3);
  for (Packet& request : requests) ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_TRUE(becomes(layout::kMeterInFlight, 3));
  answer(requests[0], "value");
  answer(requests[1], "", 1);
  answer(requests[2]);
  for (const size_t operation : {hit, miss, set}) ASSERT_NO_FATAL_FAILURE(wait_for(operation));
  EXPECT_TRUE(becomes(layout::kMeterInFlight, 0));
  EXPECT_EQ(answers(), 3u);
  EXPECT_EQ(word(layout::kMeterReads), 2u);
  EXPECT_EQ(word(layout::kMeterHits), 1u);
  EXPECT_EQ(word(layout::kMeterSent), 24u + 3 + 24 + 4 + 24 + 8 + 3 + 5);
  EXPECT_EQ(word(layout::kMeterReceived) - greeted, 24u + 4 + 5 + 24 + 24);
}

TEST_P(ClientMeter, CountsWhatWaitsForAConnection) {
  start();
  const size_t early = client_->send({.key = "early"});
  EXPECT_TRUE(becomes(layout::kMeterQueued, 1));
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(shake_hands());
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_TRUE(becomes(layout::kMeterQueued, 0));
  client_->cancel(early);
  answer(request);
  EXPECT_TRUE(client_->until([&] { return answers() == 1; }));
  EXPECT_TRUE(becomes(layout::kMeterInFlight, 0));
}

TEST_P(ClientMeter, HasNothingInFlightOrQueuedOnceTheConnectionHasEnded) {
  pipeline::Options options;
  options.offline = pipeline::Offline::kFail;
  start_connected(options);
  const size_t get = client_->send({.key = "k"});
  ASSERT_NO_FATAL_FAILURE(expect_key("k"));
  peer_.reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_TRUE(becomes(layout::kMeterInFlight, 0));
  EXPECT_EQ(word(layout::kMeterQueued), 0u);
}

TEST_P(ClientMeter, ToldAsSlowIsWhatTookAsLong) {
  start_connected(slow());
  const size_t get = client_->send({.key = "k"});
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  answer(request, "value");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "value");
  EXPECT_GE(client_->operation(get).took, 2000u);
  EXPECT_LE(client_->operation(get).queued, client_->operation(get).took);
}

TEST_P(ClientMeter, WhatNeverLeftWasQueuedAllTheTime) {
  start(slow());
  const size_t get = client_->send({.key = "k", .timeout = 1});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).outcome, layout::kOutcomeTimedOut);
  EXPECT_GT(client_->operation(get).took, 0u);
  EXPECT_EQ(client_->operation(get).queued, client_->operation(get).took);
}

TEST_P(ClientMeter, ByDefaultNothingIsSlow) {
  start_connected();
  const size_t get = client_->send({.key = "k", .timeout = 1});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).took, 0u);
}

}  // namespace
}  // namespace evenkeel::test
