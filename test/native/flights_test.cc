#include "pipeline/flights.h"

#include <gtest/gtest.h>

#include <vector>

namespace evenkeel::pipeline {
namespace {

uint32_t opaque_of(uint32_t generation, uint32_t slot) { return generation << layout::kSlotBits | slot; }

net::Packet packet_of(uint32_t opaque, base::Millis deadline = 100) {
  return {.deadline = deadline,
          .opaque = opaque,
          .inline_length = 0,
          .payload_length = 0,
          .opcode = 1,
          .has_payload = false,
          .discards_value = false};
}

TEST(InFlightTable, FindsByTheWholeOpaqueOnly) {
  InFlightTable table;
  net::Packet packet = packet_of(opaque_of(7, 600));
  packet.opcode = 0x1d;
  packet.discards_value = true;
  packet.payload_length = 99;
  Flight& flight = table.insert(packet, 2);
  EXPECT_EQ(table.find(opaque_of(7, 600)), &flight);
  EXPECT_EQ(table.find(opaque_of(6, 600)), nullptr);
  EXPECT_EQ(table.find(opaque_of(7, 601)), nullptr);
  EXPECT_EQ(table.find(600), nullptr);
  EXPECT_EQ(flight.slot(), 600u);
  EXPECT_EQ(flight.node, 2);
  EXPECT_EQ(flight.opcode, 0x1d);
  EXPECT_TRUE(flight.discards_value);
  EXPECT_EQ(flight.payload_length, 99u);
  EXPECT_EQ(flight.state, FlightState::kQueued);
  table.erase(flight);
}

TEST(InFlightTable, LooksInPlacesThatDoNotExistYet) {
  InFlightTable table;
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(UINT32_MAX), nullptr);
  table.erase(table.insert(packet_of(5000), 0));
  EXPECT_EQ(table.find(1), nullptr);  // a block that was skipped
  EXPECT_EQ(table.find(5000), nullptr);
}

TEST(InFlightTable, EntriesStayWhereTheyAreWhileOthersCome) {
  InFlightTable table;
  Flight* const first = &table.insert(packet_of(0), 0);
  for (uint32_t slot = 1; slot < 4000; ++slot) table.insert(packet_of(slot), 0);
  EXPECT_EQ(table.find(0), first);
  EXPECT_EQ(table.size(), 4000u);
  table.for_each([&](Flight& flight) { table.erase(flight); });
  EXPECT_EQ(table.size(), 0u);
}

TEST(InFlightTable, OperationsThatGoDownWithItAreCounted) {
  const auto unsettled = [] { return base::counters.unsettled.load(); };
  const int64_t before = unsettled();
  {
    InFlightTable table;
    table.insert(packet_of(1), 0);
    table.insert(packet_of(2), 0);
    table.erase(*table.find(1));
  }
  EXPECT_EQ(unsettled(), before + 1);
  base::counters.unsettled.fetch_sub(1);
}

class FlightsTest : public testing::Test {
 protected:
  Flight& start(uint32_t opaque, base::Millis deadline = 100) {
    flights_.start(packet_of(opaque, deadline), 0);
    return *flights_.find(opaque);
  }
  const std::vector<Completion>& records() { return flights_.completions().records; }

  Flights flights_{0};
};

TEST_F(FlightsTest, SettlingIsTheEndOfAnOperation) {
  Flight& flight = start(opaque_of(3, 9));
  EXPECT_TRUE(flights_.is_queued(opaque_of(3, 9)));
  flights_.settle(flight, layout::kOutcomeTimedOut);
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].slot, 9u);
  EXPECT_EQ(records()[0].outcome, layout::kOutcomeTimedOut | layout::kOutcomeReleaseBit);
  EXPECT_EQ(flights_.find(opaque_of(3, 9)), nullptr);
  EXPECT_FALSE(flights_.is_queued(opaque_of(3, 9)));
  EXPECT_EQ(flights_.deadlines().size(), 0u);
}

TEST_F(FlightsTest, AnAbandonedOperationKeepsItsSlotUntilItIsReleased) {
  Flight& flight = start(9);
  flight.state = FlightState::kWritten;
  flights_.abandon(flight, layout::kOutcomeTimedOut);
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].outcome, layout::kOutcomeTimedOut | layout::kOutcomeWrittenBit);
  EXPECT_EQ(flights_.find(9), &flight);
  EXPECT_EQ(flights_.deadlines().size(), 0u);
  flights_.release(flight);
  ASSERT_EQ(records().size(), 2u);
  EXPECT_EQ(records()[1].outcome, layout::kOutcomeReleased | layout::kOutcomeReleaseBit);
  EXPECT_EQ(flights_.size(), 0u);
}

TEST_F(FlightsTest, WhoeverGaveUpItselfHearsOfTheReleaseOnly) {
  Flight& flight = start(9);
  flights_.abandon(flight, layout::kOutcomeReleased);
  EXPECT_TRUE(records().empty());
  flights_.release(flight);
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(FlightsTest, ALostOperationTellsTheCauseAndItsDeadline) {
  flights_.lose(start(1, 100), ECONNRESET, 99);
  flights_.lose(start(2, 100), ECONNRESET, 100);
  ASSERT_EQ(records().size(), 2u);
  EXPECT_EQ(records()[0].outcome,
            layout::kOutcomeLost | layout::kOutcomeWrittenBit | layout::kOutcomeReleaseBit);
  EXPECT_EQ(records()[0].detail, static_cast<uint32_t>(ECONNRESET));
  EXPECT_EQ(records()[0].deadline, 100u);
  EXPECT_FALSE(records()[0].late);
  EXPECT_TRUE(records()[1].late);
}

TEST_F(FlightsTest, DeadlinesComeInTheirOrder) {
  start(1, 300);
  start(2, 100);
  start(3, 200);
  std::vector<uint32_t> order;
  while (base::TimerNode* due = flights_.deadlines().pop_due(250)) {
    auto& flight = *static_cast<Flight*>(due);
    order.push_back(flight.opaque);
    flights_.settle(flight, layout::kOutcomeTimedOut);
  }
  EXPECT_EQ(order, (std::vector<uint32_t>{2, 3}));
  flights_.settle(*flights_.find(1), layout::kOutcomeClosed);
}

}  // namespace
}  // namespace evenkeel::pipeline
