#include "pipeline/in_flight.h"

namespace evenkeel::pipeline {

Flight& InFlightTable::insert(uint32_t opaque, uint16_t node, uint8_t opcode, bool discards_value) {
  const uint32_t slot = opaque & ((1u << layout::kSlotBits) - 1);
  const size_t block = slot / kBlock;
  if (block >= blocks_.size()) blocks_.resize(block + 1);
  if (blocks_[block] == nullptr) blocks_[block] = std::make_unique<Block>();
  Flight& flight = blocks_[block]->flights[slot % kBlock];
  flight.opaque = opaque;
  flight.node = node;
  flight.opcode = opcode;
  flight.discards_value = discards_value;
  flight.state = FlightState::kQueued;
  ++size_;
  return flight;
}

void InFlightTable::erase(Flight& flight) {
  flight.state = FlightState::kFree;
  --size_;
}

}  // namespace evenkeel::pipeline
