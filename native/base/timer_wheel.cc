#include "base/timer_wheel.h"

#include <bit>

namespace evenkeel::base {

namespace {

void make_empty(TimerLink* head) { head->next = head->prev = head; }

bool is_empty(const TimerLink* head) { return head->next == head; }

void append(TimerLink* head, TimerLink* link) {
  link->next = head;
  link->prev = head->prev;
  head->prev->next = link;
  head->prev = link;
}

// Moves all of `from`, in order, to the end of `to`. `from` must not be empty.
void splice(TimerLink* to, TimerLink* from) {
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  make_empty(from);
}

void forget(TimerLink* head) {
  for (TimerLink* link = head->next; link != head;) {
    TimerLink* next = link->next;
    *link = {};
    link = next;
  }
}

}  // namespace

TimerWheel::TimerWheel(Millis now) : current_(now) {
  make_empty(&due_);
  for (TimerLink& slot : slots_) make_empty(&slot);
}

TimerWheel::~TimerWheel() {
  forget(&due_);
  for (TimerLink& slot : slots_) forget(&slot);
}

void TimerWheel::schedule(TimerNode* node, Millis deadline) {
  if (node->scheduled()) {
    unlink(node);
  } else {
    ++size_;
  }
  node->deadline_ = deadline;
  place(node);
}

void TimerWheel::cancel(TimerNode* node) {
  if (!node->scheduled()) return;
  unlink(node);
  --size_;
}

TimerNode* TimerWheel::pop_due(Millis now) {
  // All that is due is gathered at once, so that what a caller schedules in between lands behind it.
  if (now > current_) advance(now);
  if (is_empty(&due_)) return nullptr;
  auto* node = static_cast<TimerNode*>(due_.next);
  cancel(node);
  return node;
}

Millis TimerWheel::next_wakeup() const {
  if (!is_empty(&due_)) return 0;
  return levels_in_use_ == 0 ? kNever : earliest().lower_bound;
}

void TimerWheel::place(TimerNode* node) {
  if (node->deadline_ <= current_) {
    append(&due_, node);
    return;
  }
  const auto highest_difference = static_cast<size_t>(std::bit_width(node->deadline_ ^ current_)) - 1;
  const size_t level = highest_difference / kSlotBits;
  const size_t slot = (node->deadline_ >> (level * kSlotBits)) % kSlots;
  append(&slots_[level * kSlots + slot], node);
  slots_in_use_[level] |= uint64_t{1} << slot;
  levels_in_use_ |= uint32_t{1} << level;
}

void TimerWheel::unlink(TimerNode* node) {
  TimerLink* const next = node->next;
  TimerLink* const prev = node->prev;
  next->prev = prev;
  prev->next = next;
  static_cast<TimerLink&>(*node) = {};
  // Neighbours that coincide are the list's head, and the list is empty now.
  if (next != prev || next == &due_) return;
  const auto index = static_cast<size_t>(next - slots_.data());
  const size_t level = index / kSlots;
  slots_in_use_[level] &= ~(uint64_t{1} << (index % kSlots));
  if (slots_in_use_[level] == 0) levels_in_use_ &= ~(uint32_t{1} << level);
}

void TimerWheel::advance(Millis now) {
  while (levels_in_use_ != 0) {
    const Earliest first = earliest();
    if (first.lower_bound > now) break;
    current_ = first.lower_bound;

    TimerLink* const slot = &slots_[first.level * kSlots + first.slot];
    slots_in_use_[first.level] &= ~(uint64_t{1} << first.slot);
    if (slots_in_use_[first.level] == 0) levels_in_use_ &= ~(uint32_t{1} << first.level);
    if (first.level == 0) {
      splice(&due_, slot);
      continue;
    }
    TimerLink cascading;
    make_empty(&cascading);
    splice(&cascading, slot);
    for (TimerLink* link = cascading.next; link != &cascading;) {
      TimerLink* const next = link->next;
      place(static_cast<TimerNode*>(link));
      link = next;
    }
  }
  // No slot in use begins in (current_, now], so every pending node keeps its level and slot.
  current_ = now;
}

TimerWheel::Earliest TimerWheel::earliest() const {
  const auto level = static_cast<size_t>(std::countr_zero(levels_in_use_));
  const auto slot = static_cast<size_t>(std::countr_zero(slots_in_use_[level]));
  const size_t shift = level * kSlotBits;
  const Millis digits_above = (current_ >> shift) & ~Millis{kSlots - 1};
  return {level, slot, (digits_above | slot) << shift};
}

}  // namespace evenkeel::base
