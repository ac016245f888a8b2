// InFlightTable: the I/O side's state of each operation, found by the opaque of an answer in O(1). An entry
// leaves the table exactly once. A written request keeps its entry, as kAbandoned, until its answer has
// arrived or its connection is gone, so that a late answer can never match another operation in the same
// slot.
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
  kQueued,     // none of its bytes counts as written
  kWritten,    // waiting for its answer
  kLeaving,    // settled while partly written; becomes kAbandoned when the rest is written
  kAnswered,   // answered while partly written; becomes free when the rest is written
  kAbandoned,  // settled, but its answer may still arrive
  kParked,     // in no connection: see Parking
};

// The operation has its outcome; the entry only reserves its slot.
inline bool is_settled(FlightState state) {
  return state == FlightState::kLeaving || state == FlightState::kAnswered ||
         state == FlightState::kAbandoned;
}

// As a timer node, it fires at the operation's deadline. It fills one line of the cache.
struct alignas(64) Flight : base::TimerNode {
  uint32_t opaque = 0;
  uint16_t connection = 0;
  wire::Op op = wire::Op::kGet;
  FlightState state = FlightState::kFree;
  bool discards_value = false;
  bool is_held = false;       // which queue it is in: what waits for Flush::kAll, or what may be sent
  bool is_kept = false;       // its request is kept until the answer, because it may be sent again
  bool was_returned = false;  // a server has sent it back because it did not have the partition
  uint32_t sequence = 0;      // of its request in that queue, in Due or in Parking: one at a time has it
  uint32_t started = 0;       // the moment (Flights) at which the loop first received it
  uint32_t written = 0;       // the moment at which it was completely written, if it was
  // Links in the FlightList of its connection, while its answer is due.
  Flight* earlier = nullptr;
  Flight* later = nullptr;

  uint32_t slot() const { return opaque & ((1u << layout::kSlotBits) - 1); }
};
static_assert(sizeof(Flight) == 64);

// The operations whose answers one connection owes, in the order in which their requests were completely
// written.
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

  // The entry becomes kQueued. The slot must be free, which the allocator of slots ensures.
  Flight& insert(const net::Packet& packet, uint16_t connection);

  // The entry in flight with exactly this opaque, including the generation; null when there is none.
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
    Flight flights[kBlock];  // never moves, because the timer wheel points to it
  };

  std::vector<std::unique_ptr<Block>> blocks_;
  size_t size_ = 0;
};

}  // namespace evenkeel::pipeline
