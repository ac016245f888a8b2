#include "pipeline/slots.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace evenkeel::pipeline {
namespace {

uint32_t slot_of(uint32_t opaque) { return opaque & ((1u << layout::kSlotBits) - 1); }

void finish(Slots* slots, uint32_t opaque) {
  slots->settle(slot_of(opaque));
  slots->release(slot_of(opaque));
}

TEST(Slots, HandsOutUpToItsLimit) {
  Slots slots(3);
  std::set<uint32_t> given;
  for (int i = 0; i < 3; ++i) given.insert(slot_of(slots.acquire(0)));
  EXPECT_EQ(given.size(), 3u);
  EXPECT_EQ(slots.available(), 0u);
  EXPECT_EQ(slots.active(), 3u);
}

TEST(Slots, TheLimitIsNotTheirNumber) {
  Slots slots(1);
  std::vector<uint32_t> given;
  for (int i = 0; i < 3; ++i) given.push_back(slots.acquire(0));
  EXPECT_EQ(std::set(given.begin(), given.end()).size(), 3u);
  EXPECT_EQ(slots.available(), 0u);
  EXPECT_EQ(slots.active(), 3u);
  EXPECT_FALSE(slots.is_exhausted());
  finish(&slots, given[0]);
  finish(&slots, given[1]);
  EXPECT_EQ(slots.available(), 0u);
  finish(&slots, given[2]);
  EXPECT_EQ(slots.available(), 1u);
}

TEST(Slots, AreExhaustedAtLast) {
  Slots slots(1);
  for (uint32_t i = 0; i < layout::kMaxSlots; ++i) {
    ASSERT_FALSE(slots.is_exhausted());
    slots.acquire(0);
  }
  EXPECT_TRUE(slots.is_exhausted());
  finish(&slots, 0);
  EXPECT_FALSE(slots.is_exhausted());
}

TEST(Slots, ASettledSlotIsInactiveButNotFree) {
  Slots slots(1);
  const uint32_t slot = slot_of(slots.acquire(0));
  EXPECT_TRUE(slots.is_active(slot));
  EXPECT_TRUE(slots.settle(slot));
  EXPECT_FALSE(slots.is_active(slot));
  EXPECT_EQ(slots.active(), 0u);
  EXPECT_EQ(slots.available(), 0u);
  slots.release(slot);
  EXPECT_EQ(slots.available(), 1u);
}

TEST(Slots, SettlesOnce) {
  Slots slots(2);
  const uint32_t slot = slot_of(slots.acquire(0));
  slots.acquire(0);
  EXPECT_TRUE(slots.settle(slot));
  EXPECT_FALSE(slots.settle(slot));
  EXPECT_EQ(slots.active(), 1u);
}

TEST(Slots, NamesNothingThatWasNeverHandedOut) {
  Slots slots(8);
  EXPECT_FALSE(slots.is_active(0));
  EXPECT_FALSE(slots.is_active(UINT32_MAX));
}

TEST(Slots, TheLastOneFreedIsTheFirstOneReusedUnderAnotherOpaque) {
  Slots slots(8);
  const uint32_t first = slots.acquire(0);
  const uint32_t second = slots.acquire(0);
  finish(&slots, first);
  finish(&slots, second);
  const uint32_t third = slots.acquire(0);
  EXPECT_EQ(slot_of(third), slot_of(second));
  EXPECT_NE(third, second);
  EXPECT_EQ(slots.opaque(slot_of(third)), third);
}

TEST(Slots, AnOpaqueComesBackOnlyAfterAllGenerations) {
  constexpr uint32_t kGenerations = 1u << (32 - layout::kSlotBits);
  Slots slots(1);
  std::set<uint32_t> opaques;
  for (uint32_t i = 0; i < kGenerations; ++i) {
    const uint32_t opaque = slots.acquire(0);
    EXPECT_EQ(slot_of(opaque), 0u);
    EXPECT_TRUE(opaques.insert(opaque).second);
    finish(&slots, opaque);
  }
  EXPECT_TRUE(opaques.contains(slots.acquire(0)));
}

}  // namespace
}  // namespace evenkeel::pipeline
