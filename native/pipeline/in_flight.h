// InFlightTable: what the I/O side knows of each operation, found by the opaque of an answer in O(1). An
// entry leaves the table exactly once; a request that was written keeps its entry, as kAbandoned, until its
// answer has come or its connection is gone, so that no late answer can ever meet another operation in the
// same slot.
//
// Threads: the loop's only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/counters.h"
#include "base/timer_wheel.h"
#include "net/batch.h"
#include "pipeline/layout.h"
#include "wire/request.h"

namespace evenkeel::pipeline {

enum class FlightState : uint8_t {
  kFree,
  kQueued,     // no byte of it counts as written
  kWritten,    // waiting for its answer
  kLeaving,    // settled while part of it was written: kAbandoned as soon as the rest is
  kAnswered,   // answered while part of it was written: free as soon as the rest is
  kAbandoned,  // settled, but its answer may still come
};

// It has had its outcome, and the entry is only kept for its slot.
inline bool is_settled(FlightState state) {
  return state == FlightState::kLeaving || state == FlightState::kAnswered ||
         state == FlightState::kAbandoned;
}

// The timer node fires at the operation's deadline.
struct Flight : base::TimerNode {
  uint32_t opaque = 0;
  uint16_t connection = 0;
  wire::Op op = wire::Op::kGet;
  FlightState state = FlightState::kFree;
  bool discards_value = false;
  bool is_held = false;   // where it is queued: with what waits for Flush::kAll, or with what may leave
  uint32_t sequence = 0;  // its request's in that queue, while queued
  uint32_t started = 0;   // the moment (Flights) at which the loop got it first
  uint32_t written = 0;   // the moment at which all of it was, if it was
  // In the FlightList of its connection, while its answer is due.
  Flight* earlier = nullptr;
  Flight* later = nullptr;

  uint32_t slot() const { return opaque & ((1u << layout::kSlotBits) - 1); }
};

// The operations whose answers one connection owes, in the order in which their requests were written whole.
class FlightList {
 public:
  FlightList() = default;
  FlightList(const FlightList&) = delete;
  FlightList& operator=(const FlightList&) = delete;

  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  Flight* first() const { return first_; }

  void append(Flight& flight) {
    flight.earlier = last_;
    flight.later = nullptr;
    (last_ == nullptr ? first_ : last_->later) = &flight;
    last_ = &flight;
    ++size_;
  }
  void remove(Flight& flight) {
    (flight.earlier == nullptr ? first_ : flight.earlier->later) = flight.later;
    (flight.later == nullptr ? last_ : flight.later->earlier) = flight.earlier;
    flight.earlier = flight.later = nullptr;
    --size_;
  }

 private:
  Flight* first_ = nullptr;
  Flight* last_ = nullptr;
  size_t size_ = 0;
};

class InFlightTable {
 public:
  InFlightTable() = default;
  ~InFlightTable() {
    base::counters.unsettled.fetch_add(static_cast<int64_t>(size_), std::memory_order_relaxed);
  }
  InFlightTable(const InFlightTable&) = delete;
  InFlightTable& operator=(const InFlightTable&) = delete;

  // The entry becomes kQueued. The slot is free: whoever hands out slots sees to it.
  Flight& insert(const net::Packet& packet, uint16_t connection);

  // The entry in flight under exactly this opaque, generation included; null when there is none.
  Flight* find(uint32_t opaque) {
    const uint32_t slot = opaque & ((1u << layout::kSlotBits) - 1);
    const size_t block = slot / kBlock;
    if (block >= blocks_.size() || blocks_[block] == nullptr) return nullptr;
    Flight& flight = blocks_[block]->flights[slot % kBlock];
    return flight.state != FlightState::kFree && flight.opaque == opaque ? &flight : nullptr;
  }

  // The entry must not be in the timer wheel any more.
  void erase(Flight& flight);

  size_t size() const { return size_; }

 private:
  static constexpr size_t kBlock = 512;
  struct Block {
    Flight flights[kBlock];  // never moves: the timer wheel points into it
  };

  std::vector<std::unique_ptr<Block>> blocks_;
  size_t size_ = 0;
};

}  // namespace evenkeel::pipeline
