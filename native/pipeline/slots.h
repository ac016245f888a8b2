// Slots: the identifiers of operations, allocated and freed on the JavaScript side. A reused slot has a new
// generation, so its old opaques are invalid. The last slot freed is the first one reused, because it is in
// the cache.
//
// Threads: only the JavaScript thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/layout.h"

namespace evenkeel::pipeline {

class Slots {
 public:
  // At most layout::kMaxSlots.
  explicit Slots(uint32_t limit) : limit_(limit) {}

  // Below the limit, which what was accepted before may exceed.
  uint32_t available() const { return used_ < limit_ ? limit_ - used_ : 0; }
  // There are no more slots at all.
  bool is_exhausted() const { return used_ >= layout::kMaxSlots; }
  // Operations that JavaScript still waits for; abandoned ones keep their slot but are not active.
  uint32_t active() const { return active_; }

  // The number of slots in use for a server's operations.
  uint32_t held_by(uint16_t server) const { return server < held_.size() ? held_[server] : 0; }

  // Requires that they are not exhausted. Returns the opaque.
  uint32_t acquire(uint16_t server) {
    uint32_t slot;
    if (!free_.empty()) {
      slot = free_.back();
      free_.pop_back();
    } else {
      slot = static_cast<uint32_t>(states_.size());
      states_.emplace_back();
    }
    ++used_;
    ++active_;
    if (server >= held_.size()) held_.resize(size_t{server} + 1);
    ++held_[server];
    State& state = states_[slot];
    state.active = true;
    state.server = server;
    return uint32_t{state.generation} << layout::kSlotBits | slot;
  }

  // Instead of an operation that is to be submitted later.
  void set_aside() { ++used_; }
  void give_back() { --used_; }

  // False when it was settled before.
  bool settle(uint32_t slot) {
    State& state = states_[slot];
    const bool was_active = state.active;
    state.active = false;
    active_ -= was_active ? 1 : 0;
    return was_active;
  }

  void release(uint32_t slot) {
    State& state = states_[slot];
    state.generation = static_cast<uint16_t>((state.generation + 1) & kGenerationMask);
    --held_[state.server];
    free_.push_back(slot);
    --used_;
  }

  uint32_t opaque(uint32_t slot) const {
    return uint32_t{states_[slot].generation} << layout::kSlotBits | slot;
  }
  bool is_active(uint32_t slot) const { return slot < states_.size() && states_[slot].active; }

 private:
  static constexpr uint32_t kGenerationMask = (1u << (32 - layout::kSlotBits)) - 1;
  struct State {
    uint16_t generation = 0;
    uint16_t server = 0;
    bool active = false;
  };

  const uint32_t limit_;
  uint32_t used_ = 0;
  uint32_t active_ = 0;
  std::vector<State> states_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> held_;  // by server
};

}  // namespace evenkeel::pipeline
