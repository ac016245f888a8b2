// What waits for a server that has its partition, and until when.
#include "pipeline/parking.h"

#include <gtest/gtest.h>

#include <vector>

#include "packets.h"

namespace evenkeel::pipeline {
namespace {

constexpr base::Millis kNow = 5000;

class ParkingTest : public testing::Test {
 protected:
  void add(uint32_t opaque, uint16_t partition, uint8_t returns = 0, uint16_t refused_by = kNoServer,
           base::Millis now = kNow) {
    const net::Packet packet{.deadline = 100'000,
                             .opaque = opaque,
                             .inline_length = 3,
                             .op = 0,
                             .discards_value = false,
                             .numbering = 1,
                             .returns = returns,
                             .partition = partition};
    flights_.start(packet, 0);
    queued_.add(3);
    parking_.add({packet, test::as_bytes("xyz"), nullptr}, refused_by, now);
  }
  Flight& flight(uint32_t opaque) { return *flights_.find(opaque); }
  std::vector<uint32_t> take(uint16_t partition) {
    net::Batch out;
    parking_.extract(&out, kNow, [&](uint16_t each, const Parking::Wait&) { return each == partition; });
    std::vector<uint32_t> opaques;
    for (const net::Packet& packet : out.packets) {
      opaques.push_back(packet.opaque);
      flights_.release(flight(packet.opaque));
    }
    return opaques;
  }
  // Looks at all of them.
  Parking::Wait wait_of(uint16_t partition, base::Millis now = kNow) {
    Parking::Wait found;
    net::Batch out;
    parking_.extract(&out, now, [&](uint16_t each, const Parking::Wait& wait) {
      if (each == partition) found = wait;
      return false;
    });
    return found;
  }
  ~ParkingTest() override {
    parking_.close();
    EXPECT_EQ(flights_.size(), 0u);
  }

  Flights flights_{0};
  net::QueuedBytes queued_;
  Parking parking_{flights_, queued_};
};

using Opaques = std::vector<uint32_t>;

TEST_F(ParkingTest, APartitionLeavesWholeAndInOrder) {
  add(1, 5);
  add(2, 6);
  add(3, 5);
  EXPECT_TRUE(parking_.has(5));
  EXPECT_FALSE(parking_.has(4));
  EXPECT_FALSE(parking_.has(60'000));
  EXPECT_EQ(parking_.partitions(), 2u);
  EXPECT_EQ(take(5), (Opaques{1, 3}));
  EXPECT_FALSE(parking_.has(5));
  EXPECT_TRUE(parking_.has(6));
}

TEST_F(ParkingTest, ThePauseIsThatOfWhatHasComeBackMostOften) {
  EXPECT_EQ(parking_.next_due(), base::kNever);
  add(1, 5, 2, 7);
  add(2, 5, 1, 8, kNow + 50);
  EXPECT_EQ(wait_of(5).due, kNow + 200);
  EXPECT_EQ(wait_of(5).refused_by, 7);
  add(3, 6, 1, 7);
  EXPECT_EQ(parking_.next_due(), kNow + 100);
  wait_of(5, kNow + 100);
  EXPECT_EQ(parking_.next_due(), kNow + 200);
  wait_of(5, kNow + 200);
  EXPECT_EQ(parking_.next_due(), base::kNever);
  for (uint8_t returns = 3; returns < 100; ++returns) add(returns + 100u, 5, returns, 7);
  EXPECT_EQ(wait_of(5).due, kNow + Parking::kLongestPause);
}

// However often it has come back before.
TEST_F(ParkingTest, WhatHasOnlyLostItsServerPausesNot) {
  add(1, 5, 8);
  EXPECT_EQ(wait_of(5).refused_by, kNoServer);
  EXPECT_EQ(wait_of(5).due, 0u);
  EXPECT_EQ(parking_.next_due(), base::kNever);
}

TEST_F(ParkingTest, WithItsLastRequestThePauseIsForgotten) {
  add(1, 5, 3, 7);
  add(2, 5);
  parking_.remove(flight(1));
  flights_.release(flight(1));
  EXPECT_EQ(wait_of(5).returns, 3);
  parking_.remove(flight(2));
  flights_.release(flight(2));
  EXPECT_TRUE(parking_.empty());
  EXPECT_EQ(queued_.now(), 0u);
  add(3, 5);
  EXPECT_EQ(wait_of(5).returns, 0);
}

}  // namespace
}  // namespace evenkeel::pipeline
