// QueuedBytes: how many bytes of requests to one server, or of a whole client, have been submitted but not
// sent. Two counters that only grow, each written by one thread, so no lock is needed.
//
// Threads: add(), remove() and now() on the submitting thread, subtract() on the loop's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace evenkeel::net {

class QueuedBytes {
 public:
  QueuedBytes() = default;
  // A part of `whole`, which counts its bytes, too.
  explicit QueuedBytes(QueuedBytes* whole) : whole_(whole) {}

  void add(size_t bytes) {
    added_ += bytes;
    if (whole_ != nullptr) whole_->add(bytes);
  }
  // Of what was not submitted.
  void remove(size_t bytes) { add(0 - bytes); }
  void subtract(size_t bytes) {
    if (whole_ != nullptr) whole_->subtract(bytes);
    pass_on(bytes);
  }
  // Of the part: they are those of another part from here on, and the whole still has them.
  void pass_on(size_t bytes) {
    subtracted_.store(subtracted_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  // The other way round, and also of what has left and waits to be written again.
  void take_back(size_t bytes) { pass_on(0 - bytes); }
  QueuedBytes* whole() const { return whole_; }
  uint64_t now() const { return added_ - subtracted_.load(std::memory_order_relaxed); }

 private:
  QueuedBytes* const whole_ = nullptr;
  uint64_t added_ = 0;
  std::atomic<uint64_t> subtracted_{0};
};

}  // namespace evenkeel::net
