#include "pipeline/parking.h"

#include <algorithm>

namespace evenkeel::pipeline {

namespace {

base::Millis pause_after(uint8_t returns) {
  base::Millis pause = Parking::kShortestPause;
  for (; returns > 1 && pause < Parking::kLongestPause; --returns) pause *= 2;
  return std::min(pause, Parking::kLongestPause);
}

}  // namespace

void Parking::add(const net::Batch::Item& request, uint16_t refused_by, base::Millis now) {
  const net::Packet& packet = request.packet;
  if (packet.partition >= waits_.size()) waits_.resize(size_t{packet.partition} + 1);
  Wait& wait = waits_[packet.partition];
  if (wait.requests++ == 0) ++partitions_;
  if (refused_by != kNoServer && packet.returns > wait.returns) {
    wait.refused_by = refused_by;
    wait.returns = packet.returns;
    wait.due = now + pause_after(packet.returns);
    next_due_ = std::min(next_due_, wait.due);
  }
  Flight& flight = *flights_.find(packet.opaque);
  flight.state = FlightState::kParked;
  flight.is_held = false;
  flight.sequence = requests_.next_sequence();
  requests_.append(request);
  tidy();
}

void Parking::remove(const Flight& flight) {
  Wait& wait = waits_[requests_.at(flight.sequence).partition];
  if (wait.requests == 1) {
    wait = {};
    --partitions_;
  } else {
    --wait.requests;
  }
  requests_.kill(flight.sequence);
  tidy();
}

void Parking::close() {
  requests_.for_each(
      [this](uint32_t opaque) { flights_.settle(*flights_.find(opaque), layout::kOutcomeClosed); });
  requests_.reset();
  waits_.clear();
  partitions_ = 0;
  next_due_ = base::kNever;
}

void Parking::tidy() {
  requests_.tidy([this](uint32_t opaque, uint32_t sequence) { flights_.find(opaque)->sequence = sequence; });
}

}  // namespace evenkeel::pipeline
