// TimerWheel: a hierarchical timing wheel (Varghese and Lauck, 1987) with a resolution of one millisecond.
// Scheduling and cancelling are O(1) without allocation, for ten pending timers as for ten million: nodes are
// intrusive, owned by the caller, and linked into the wheel's slots. A timer never fires before its deadline.
//
// Threads: all calls on one thread.
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

// A node of the wheel. Embed or derive; it must not move or be destroyed while scheduled() (the destructor
// checks this in debug builds).
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

  // Schedules or reschedules. A deadline in the past is due at once.
  void schedule(TimerNode* node, Millis deadline);
  // Has no effect on a node that is not scheduled.
  void cancel(TimerNode* node);

  // Advances the time and detaches one due node (deadline <= now) for each call; null when none is left.
  // Between two calls, the caller may schedule and cancel any node, including due ones not returned yet:
  //   while (TimerNode* node = wheel.pop_due(now)) { ... }
  // Nodes are returned in the order of their deadlines, equal ones in the order of scheduling. A node
  // scheduled with a past deadline comes after all that were due by then. A `now` earlier than a previous one
  // counts as that one.
  TimerNode* pop_due(Millis now);

  // A time not later than the earliest deadline, and later than the `now` of the last pop_due() unless
  // something is due (then 0); kNever when empty. It may be early (a slot's lower bound), so a caller that
  // sleeps until then must look again. O(1).
  Millis next_wakeup() const;

  size_t size() const { return size_; }

 private:
  // Eleven levels of 64 slots cover all 64 bits of a deadline, so that none is too far, and one word holds
  // the occupancy of a level.
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

  // The level of a pending node is that of the highest digit (base 64) in which its deadline differs from
  // current_; the deadline's digit is the greater one. Therefore used slots never wrap, and index order is
  // time order.
  Millis current_;
  size_t size_ = 0;
  uint32_t levels_in_use_ = 0;
  std::array<uint64_t, kLevels> slots_in_use_{};
  TimerLink due_;
  std::array<TimerLink, kLevels * kSlots> slots_;
};

}  // namespace evenkeel::base
