#include "pipeline/in_flight.h"

namespace evenkeel::pipeline {

Flight& InFlightTable::insert(const net::Packet& packet, uint16_t connection) {
  const uint32_t slot = packet.opaque & ((1u << layout::kSlotBits) - 1);
  const size_t block = slot / kBlock;
  if (block >= blocks_.size()) blocks_.resize(block + 1);
  if (blocks_[block] == nullptr) blocks_[block] = std::make_unique<Block>();
  Flight& flight = blocks_[block]->flights[slot % kBlock];
  flight.opaque = packet.opaque;
  flight.connection = connection;
  flight.op = static_cast<wire::Op>(packet.op);
  flight.discards_value = packet.discards_value;
  flight.state = FlightState::kQueued;
  flight.is_kept = flight.was_returned = false;
  ++size_;
  return flight;
}

void InFlightTable::erase(Flight& flight) {
  flight.state = FlightState::kFree;
  --size_;
}

}  // namespace evenkeel::pipeline
