#include "pipeline/parking.h"

#include <algorithm>
#include <utility>

namespace evenkeel::pipeline {

namespace {

base::Millis pause_after(uint8_t returns) {
  base::Millis pause = Parking::kShortestPause;
  for (; returns > 1 && pause < Parking::kLongestPause; --returns) pause *= 2;
  return std::min(pause, Parking::kLongestPause);
}

}  // namespace

void Parking::add(net::Batch& batch, uint16_t connection, uint64_t version, const net::QueuedBytes* queued,
                  bool were_sent) {
  const base::Millis now = base_.refresh_time();
  base::Millis earliest = Timer::scheduled() ? Timer::deadline() : base::kNever;
  batch.for_each([&](const net::Batch::Item& item) {
    while (parked_.contains(next_)) ++next_;
    Flight& flight = *flights_.find(item.packet.opaque);
    flight.state = FlightState::kParked;
    flight.is_held = false;
    flight.sequence = next_;
    Parked& parked = parked_[next_++];
    parked.packet = item.packet;
    parked.bytes.assign(item.bytes.begin(), item.bytes.end());
    if (item.attached != nullptr) {
      parked.payload = std::move(item.attached->payload);
      parked.payload_length = item.attached->length;
    }
    parked.connection = connection;
    parked.version = version;
    parked.queued = queued == nullptr ? nullptr : queued->whole();
    if (were_sent) {
      if (parked.packet.returns < UINT8_MAX) ++parked.packet.returns;
      parked.due = now + pause_after(parked.packet.returns);
      if (parked.queued != nullptr) parked.queued->take_back(parked.length());
    }
    earliest = std::min(earliest, parked.due);
  });
  batch.clear();
  wait_until(earliest);
}

void Parking::remove(const Flight& flight) {
  const auto found = parked_.find(flight.sequence);
  if (found->second.queued != nullptr) found->second.queued->subtract(found->second.length());
  parked_.erase(found);
}

void Parking::wait_until(base::Millis due) {
  if (due == base::kNever) return Timer::cancel();
  base_.schedule(this, due);
}

}  // namespace evenkeel::pipeline
