// TimerWheel: a hierarchical timing wheel (Varghese and Lauck, 1987) with a resolution of one millisecond.
// Scheduling and cancelling are O(1) and allocate nothing, whether ten timers are pending or ten million:
// nodes are intrusive, owned by the caller, and linked into the wheel's slots. A timer never fires before its
// deadline.
//
// Threads: none of its own; every call from one thread.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace evenkeel::base {

struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* prev = nullptr;
};

// A place in the wheel. Embed or derive; it must not move or die while scheduled() (the destructor checks in
// debug builds).
class TimerNode : private TimerLink {
 public:
  TimerNode() = default;
  ~TimerNode() { assert(!scheduled()); }
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  bool scheduled() const { return next != nullptr; }
  Millis deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  Millis deadline_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(Millis now);
  // Nodes still scheduled are left unscheduled.
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Schedules, or re-schedules. A deadline already passed is due at once.
  void schedule(TimerNode* node, Millis deadline);
  // Does nothing when the node is not scheduled.
  void cancel(TimerNode* node);

  // Moves time forward and detaches one due node (deadline <= now) per call, null when none is left. The
  // caller may schedule and cancel any node between two calls, the due ones not yet returned included:
  //   while (TimerNode* node = wheel.pop_due(now)) { ... }
  // Nodes come in the order of their deadlines, equal ones in the order scheduled; one scheduled when its
  // deadline had already passed comes after all that were due by then. A `now` before an earlier one counts
  // as the earlier.
  TimerNode* pop_due(Millis now);

  // A time not later than the earliest deadline, and later than the last pop_due's now unless something is
  // due (then 0); kNever when empty. It may be early (a slot's lower bound), so whoever sleeps until then
  // looks again. O(1).
  Millis next_wakeup() const;

  size_t size() const { return size_; }

 private:
  // Eleven levels of 64 slots span all 64 bits of a deadline, so none is too far, and a level's occupancy is
  // one word.
  static constexpr int kSlotBits = 6;
  static constexpr size_t kSlots = size_t{1} << kSlotBits;
  static constexpr size_t kLevels = (64 + kSlotBits - 1) / kSlotBits;

  struct Earliest {
    size_t level;
    size_t slot;
    Millis lower_bound;
  };

  void place(TimerNode* node);
  void unlink(TimerNode* node);
  void advance(Millis now);
  Earliest earliest() const;

  // A pending node's level is that of the highest digit (base 64) in which its deadline differs from
  // current_; there its own digit is the greater one. Hence slots in use never wrap, and index order is the
  // order of time.
  Millis current_;
  size_t size_ = 0;
  uint32_t levels_in_use_ = 0;
  std::array<uint64_t, kLevels> slots_in_use_{};
  TimerLink due_;
  std::array<TimerLink, kLevels * kSlots> slots_;
};

}  // namespace evenkeel::base
