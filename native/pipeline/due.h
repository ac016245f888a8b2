// Due: the operations whose answers one connection owes, in the order in which their requests were written
// whole, and the requests of those that may have to be sent again: to another server, when this one does not
// have their partition. What is kept of a request goes with the operation's outcome.
//
// Threads: the loop's only.
#pragma once

#include <utility>

#include "net/output_queue.h"
#include "pipeline/flights.h"

namespace evenkeel::pipeline {

class Due {
 public:
  // `queued` counts what is kept.
  explicit Due(net::QueuedBytes& queued) : sent_(queued) {}

  bool empty() const { return list_.empty(); }
  size_t size() const { return list_.size(); }
  Flight* first() const { return list_.first(); }

  void append(Flight& flight) { list_.append(flight); }
  // And keeps its request, whose bytes are counted already.
  void append(Flight& flight, const net::Batch::Item& request) {
    list_.append(flight);
    flight.is_kept = true;
    flight.sequence = sent_.next_sequence();
    sent_.append(request);
  }
  void remove(Flight& flight) {
    list_.remove(flight);
    forget(flight);
  }
  // Its request will not be sent again.
  void forget(Flight& flight) {
    if (!flight.is_kept) return;
    flight.is_kept = false;
    sent_.kill(flight.sequence);
  }

  // It is kept: its server has sent it back.
  void send_back(Flight& flight) {
    list_.remove(flight);
    sent_.take(flight.sequence, &sent_back_);
    flight.is_kept = false;
    flight.was_returned = true;
    flight.state = FlightState::kParked;
  }
  // The requests that were sent back since the last time.
  net::Batch collect() { return std::exchange(sent_back_, {}); }
  void tidy(Flights& flights) {
    sent_.tidy([&flights](uint32_t opaque, uint32_t sequence) { flights.find(opaque)->sequence = sequence; });
  }

 private:
  FlightList list_;
  net::OutputQueue sent_;
  net::Batch sent_back_;
};

}  // namespace evenkeel::pipeline
