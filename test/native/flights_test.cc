#include "pipeline/flights.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "net/output_queue.h"
#include "pipeline/slots.h"

namespace evenkeel::pipeline {
namespace {

uint32_t opaque_of(uint32_t generation, uint32_t slot) { return generation << layout::kSlotBits | slot; }

net::Packet packet_of(uint32_t opaque, base::Millis deadline = 100) {
  return {.deadline = deadline, .opaque = opaque, .inline_length = 0, .op = 1, .discards_value = false};
}

TEST(InFlightTable, FindsByTheWholeOpaqueOnly) {
  InFlightTable table;
  net::Packet packet = packet_of(opaque_of(7, 600));
  packet.op = 0x1d;
  packet.discards_value = true;
  Flight& flight = table.insert(packet, 2);
  EXPECT_EQ(table.find(opaque_of(7, 600)), &flight);
  EXPECT_EQ(table.find(opaque_of(6, 600)), nullptr);
  EXPECT_EQ(table.find(opaque_of(7, 601)), nullptr);
  EXPECT_EQ(table.find(600), nullptr);
  EXPECT_EQ(flight.slot(), 600u);
  EXPECT_EQ(flight.connection, 2);
  EXPECT_EQ(flight.op, wire::Op::kGetAndTouch);
  EXPECT_TRUE(flight.discards_value);
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
  for (uint32_t slot = 0; slot < 4000; ++slot) table.erase(*table.find(slot));
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
  const base::BulkVector<Completion>& records() { return flights_.completions().records; }

  Flights flights_{0};
};

TEST_F(FlightsTest, SettlingIsTheEndOfAnOperation) {
  Flight& flight = start(opaque_of(3, 9));
  EXPECT_EQ(flights_.find(opaque_of(3, 9))->state, FlightState::kQueued);
  flights_.settle(flight, layout::kOutcomeTimedOut);
  ASSERT_EQ(records().size(), 1u);
  EXPECT_EQ(records()[0].slot, 9u);
  EXPECT_EQ(records()[0].outcome, layout::kOutcomeTimedOut | layout::kOutcomeReleaseBit);
  EXPECT_EQ(flights_.find(opaque_of(3, 9)), nullptr);
  EXPECT_EQ(flights_.find(opaque_of(3, 9)), nullptr);
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
  flights_.lose(start(1, 100), ECONNRESET, 99, false);
  flights_.lose(start(2, 100), ECONNRESET, 100, true);
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

// Slots and flights are shared by all nodes, the queues are not: while a request lies dead in the queue of
// one node, others may use its slot until its very opaque is in use again.
TEST_F(FlightsTest, ADeadRequestIsNotSentThoughItsOpaqueNamesALiveOneOfAnotherNode) {
  Slots slots(4);
  net::QueuedBytes queued;
  net::OutputQueue queue(queued);
  const auto finish = [&](uint32_t opaque) {
    flights_.settle(*flights_.find(opaque), layout::kOutcomeAnswered);
    const uint32_t slot = opaque & ((1u << layout::kSlotBits) - 1);
    slots.settle(slot);
    slots.release(slot);
  };
  net::Batch batch;
  for (int i = 0; i < 2; ++i) {
    net::Packet packet = packet_of(slots.acquire(0));
    packet.inline_length = 24;
    flights_.start(packet, 0);
    batch.bytes.reserve(24);
    batch.bytes.grow(24);
    batch.add(packet, nullptr, 0);
  }
  const uint32_t ahead = batch.packets[0].opaque;
  const uint32_t given_up = batch.packets[1].opaque;
  const uint32_t sequence = queue.next_sequence() + 1;
  queue.append(batch);
  queue.kill(sequence);
  finish(given_up);
  uint32_t opaque = slots.acquire(0);
  for (int i = 1; opaque != given_up; ++i) {
    ASSERT_LE(i, 1 << 16);
    flights_.start(packet_of(opaque), 1);
    finish(opaque);
    opaque = slots.acquire(0);
  }
  flights_.start(packet_of(opaque), 1);
  std::array<iovec, 4> segments;
  EXPECT_EQ(queue.gather(segments, 100).bytes, 24u);
  EXPECT_EQ(queue.head_opaque(), ahead);
  finish(opaque);
  finish(ahead);
}

}  // namespace
}  // namespace evenkeel::pipeline
