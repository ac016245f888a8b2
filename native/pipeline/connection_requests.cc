// The requests that a connection has and has not written: how they come to it, and how they leave it
// otherwise than by being written.
#include <utility>
#include <vector>

#include "pipeline/connection.h"

namespace evenkeel::pipeline {

void Connection::enqueue(net::Batch& batch, Flush flush) {
  const bool waits = accepts();
  const bool holds = flush == Flush::kHold;
  is_holding_ |= holds;
  net::OutputQueue& queue = holds ? held_ : queue_;
  uint32_t sequence = queue.next_sequence();
  for (const net::Packet& packet : batch.packets) {
    Flight& flight = flights_.start(packet, id_);
    flight.is_held = holds;
    flight.sequence = sequence++;
    if (waits) continue;
    queued_.subtract(batch.length(packet));
    refuse(flight);
  }
  if (!waits) {
    batch.clear();
    return;
  }
  queue.append(batch);
  tidy(queue);
  tell_meter();
}

void Connection::refuse(Flight& flight) {
  flights_.settle(flight, state_ == State::kClosed ? layout::kOutcomeClosed : layout::kOutcomeOffline);
}

bool Connection::adopt(const net::Batch::Item& request) {
  Flight& flight = *flights_.find(request.packet.opaque);
  flight.connection = id_;
  flight.state = FlightState::kQueued;
  flight.is_held = false;
  queued_.take_back(request.length());
  if (!accepts()) {
    queued_.subtract(request.length());
    refuse(flight);
    return false;
  }
  flight.sequence = queue_.next_sequence();
  queue_.append(request);
  tidy(queue_);
  return !std::exchange(has_adopted_, true);
}

void Connection::release_held() {
  is_holding_ = false;
  if (held_.empty()) return;
  queue_.append(held_, [this](uint32_t opaque, uint32_t sequence) {
    Flight* flight = flights_.find(opaque);
    flight->is_held = false;
    flight->sequence = sequence;
  });
}

void Connection::tidy(net::OutputQueue& queue) {
  queue.tidy([this](uint32_t opaque, uint32_t sequence) { flights_.find(opaque)->sequence = sequence; });
}

void Connection::take_over(Connection& other) {
  queue_.append(other.queue_, [this](uint32_t opaque, uint32_t sequence) {
    Flight* flight = flights_.find(opaque);
    flight->connection = id_;
    flight->sequence = sequence;
  });
  tell_meter();
  other.tell_meter();
}

void Connection::give_up(Flight& flight, uint32_t outcome) {
  const bool partly_written = queue_.is_partly_written(flight.opaque);
  if (flight.state == FlightState::kQueued && !partly_written) {
    net::OutputQueue& queue = flight.is_held ? held_ : queue_;
    queue.kill(flight.sequence);
    const uint32_t cause = flight.was_returned ? layout::kCauseSentBack : 0;
    flights_.settle(flight, outcome).detail = cause;
    tidy(queue);
  } else {
    due_.forget(flight);
    Completion* const completion = flights_.abandon(flight, outcome);
    if (completion != nullptr && flight.was_returned) completion->detail = layout::kCauseSentBack;
    if (partly_written) flight.state = FlightState::kLeaving;
  }
  // The operation may be one that never left: behind a full window or socket there is nobody else to notice.
  const bool in_vain = outcome == layout::kOutcomeTimedOut && state_ == State::kReady && is_owed();
  if (in_vain && !std::exchange(is_suspect_, true)) watch_peer();
  tell_meter();
}

void Connection::return_unwritten() {
  flights_.look_at_clock();
  for (net::OutputQueue* queue : {&queue_, &held_}) {
    std::vector<uint32_t> unwritten;
    queue->for_each([queue, &unwritten](uint32_t opaque) {
      if (!queue->is_partly_written(opaque)) unwritten.push_back(opaque);
    });
    for (const uint32_t opaque : unwritten) {
      Flight& flight = *flights_.find(opaque);
      queue->kill(flight.sequence);
      flights_.return_unwritten(flight, layout::kCauseOtherProtocol, base_.time());
    }
    tidy(*queue);
  }
  tell_meter();
}

}  // namespace evenkeel::pipeline
