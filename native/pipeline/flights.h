// Flights: the life of every operation on the I/O side, from its packet to its one completion. Settling,
// abandoning and releasing happen here and nowhere else, so "exactly once" has one place to be right in.
//
// Threads: the loop's only.
#pragma once

#include "base/timer_wheel.h"
#include "net/batch.h"
#include "pipeline/completions.h"
#include "pipeline/in_flight.h"

namespace evenkeel::pipeline {

class Flights {
 public:
  // `slow`: the µs from which on an operation counts as slow.
  explicit Flights(base::Millis now, uint32_t slow = kNothingIsSlow) : slow_(slow), deadlines_(now) {}

  static constexpr uint32_t kNothingIsSlow = UINT32_MAX;

  // What begins, is written or ends from here on does so at this moment: µs, which wrap after 71 minutes.
  void look_at_clock() { moment_ = static_cast<uint32_t>(base::now_nanos() / 1000); }
  uint32_t moment() const { return moment_; }

  Flight& start(const net::Packet& packet, uint16_t connection) {
    Flight& flight = table_.insert(packet, connection);
    flight.started = packet.started != 0 ? packet.started : moment_;
    deadlines_.schedule(&flight, packet.deadline);
    return flight;
  }

  Flight* find(uint32_t opaque) { return table_.find(opaque); }

  // The operation's only outcome, and the end of its entry. `outcome` without the release bit.
  Completion& settle(Flight& flight, uint32_t outcome) {
    deadlines_.cancel(&flight);
    Completion& completion = add(flight, outcome | layout::kOutcomeReleaseBit);
    table_.erase(flight);
    return completion;
  }

  // The operation's only outcome while its answer may still come: the entry stays until release().
  // Null where its caller has settled it already (kOutcomeReleased).
  Completion* abandon(Flight& flight, uint32_t outcome) {
    deadlines_.cancel(&flight);
    Completion* const completion =
        outcome == layout::kOutcomeReleased ? nullptr : &add(flight, outcome | layout::kOutcomeWrittenBit);
    flight.state = FlightState::kAbandoned;
    return completion;
  }

  // A part of its answer; more follows. The first `name` bytes of the value are its name.
  void item(const Flight& flight, size_t name, std::span<const std::byte> value) {
    add_item(flight, name, value.size(), 0);
    completions_.values.append(value);
  }
  void large_item(const Flight& flight, size_t name, std::unique_ptr<LargeValue> value) {
    add_item(flight, name, value->bytes().size(), layout::kOutcomeLargeBit);
    completions_.larges.push_back(std::move(value));
  }

  // Its answer has come before all of the request was written. The operation's only outcome, null when it has
  // had one; the entry stays until release().
  Completion* answer_early(Flight& flight, uint32_t outcome) {
    deadlines_.cancel(&flight);
    Completion* const completion = is_settled(flight.state) ? nullptr : &add(flight, outcome);
    flight.state = FlightState::kAnswered;
    return completion;
  }

  void release(Flight& flight) { settle(flight, layout::kOutcomeReleased); }

  // `blamed`: the connection ended on the very answer to this operation.
  void lose(Flight& flight, uint32_t cause, base::Millis now, bool blamed) {
    end_unanswered(flight, cause, now, layout::kOutcomeWrittenBit | (blamed ? layout::kOutcomeBlamedBit : 0));
  }

  // Nothing of it was written, nor will be.
  void return_unwritten(Flight& flight, uint32_t cause, base::Millis now) {
    const bool is_held = flight.is_held;
    end_unanswered(flight, cause, now, 0).flags = is_held ? 1 : 0;
  }
  void control(uint16_t connection, uint32_t outcome, uint32_t detail, std::span<const std::byte> value = {},
               uint32_t flags = 0) {
    Completion& completion = completions_.records.emplace_back();
    completion.slot = layout::kControlSlot;
    completion.outcome = outcome;
    completion.connection = connection;
    completion.flags = flags;
    completion.detail = detail;
    completion.value_length = static_cast<uint32_t>(value.size());
    completions_.values.append(value);
  }

  void large_control(uint16_t connection, uint32_t outcome, uint32_t detail,
                     std::unique_ptr<LargeValue> value, uint32_t flags) {
    control(connection, outcome | layout::kOutcomeLargeBit, detail, {}, flags);
    completions_.records.back().value_length = static_cast<uint32_t>(value->bytes().size());
    completions_.larges.push_back(std::move(value));
  }

  CompletionBatch& completions() { return completions_; }
  base::TimerWheel& deadlines() { return deadlines_; }
  size_t size() const { return table_.size(); }

 private:
  Completion& end_unanswered(Flight& flight, uint32_t cause, base::Millis now, uint32_t bits) {
    const base::Millis deadline = flight.deadline();
    const uint32_t started = flight.started;
    Completion& completion = settle(flight, layout::kOutcomeLost | bits);
    completion.detail = cause;
    completion.late = deadline <= now;
    completion.started = started;
    completion.deadline = deadline;
    return completion;
  }

  void add_item(const Flight& flight, size_t name, size_t length, uint32_t bits) {
    Completion& completion = add(flight, layout::kOutcomeItem | layout::kOutcomeWrittenBit | bits);
    completion.flags = static_cast<uint32_t>(name);
    completion.value_length = static_cast<uint32_t>(length);
  }

  Completion& add(const Flight& flight, uint32_t outcome) {
    Completion& completion = completions_.records.emplace_back();
    completion.slot = flight.slot();
    completion.outcome = outcome;
    completion.connection = flight.connection;
    const uint32_t took = moment_ - flight.started;
    if (took >= slow_) tell_slow(flight, took, completion);
    return completion;
  }

  void tell_slow(const Flight& flight, uint32_t took, Completion& completion) const {
    const bool is_written = flight.state == FlightState::kWritten;
    completion.outcome |= layout::kOutcomeSlowBit;
    completion.took = took;
    completion.queued = is_written ? flight.written - flight.started : took;
  }

  const uint32_t slow_;
  uint32_t moment_ = 0;
  InFlightTable table_;
  base::TimerWheel deadlines_;
  CompletionBatch completions_;
};

}  // namespace evenkeel::pipeline
