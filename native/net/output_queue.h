// OutputQueue: the requests that one connection has yet to write, in order. It knows where each begins, so
// that a connection's end splits them exactly: a request that left whole may have been executed, any other
// cannot have been and is sent anew on the next connection.
//
// Threads: the loop's only.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "net/batch.h"

namespace evenkeel::net {

class OutputQueue {
 public:
  // Moves everything of `other` behind what is here; nothing of `other` may be partly written.
  void append(OutputQueue& other) {
    other.compact();
    append(other.pending_);
  }
  void append(Batch& batch) {
    if (head_packet_ > kCompactAbove && head_packet_ > size()) compact();
    pending_.append(batch);
  }

  bool empty() const { return head_packet_ == pending_.packets.size(); }
  size_t size() const { return pending_.packets.size() - head_packet_; }
  // True while some bytes of this request have left and others have not.
  bool is_partly_written(uint32_t opaque) const { return head_partly_written() && head().opaque == opaque; }
  bool head_partly_written() const { return head_written_ > 0; }

  struct Gathered {
    int segments = 0;
    size_t bytes = 0;
    bool payload_gone = false;  // the head's value lost its memory: it cannot be sent any more
  };
  // The bytes to write next, of at most max_packets requests and up to the next one for which
  // is_dead(opaque); dead requests at the head are dropped on the way. `any_dead` false promises that none
  // is, and saves the look.
  template <typename IsDead>
  Gathered gather(std::span<iovec> segments, size_t max_packets, bool any_dead, IsDead is_dead) {
    if (any_dead && head_written_ == 0) {
      while (!empty() && is_dead(head().opaque)) pop_head();
      if (empty()) reset();
    }
    size_t packets = std::min(max_packets, size());
    if (any_dead) {
      packets = std::min(packets, kMostWalked);
      for (size_t i = head_written_ > 0 ? 1 : 0; i < packets; ++i) {
        if (is_dead(pending_.packets[head_packet_ + i].opaque)) packets = i;
      }
    }
    return gather_run(segments, packets);
  }

  // Removes the head; its bytes must not have left in part.
  void drop_head() {
    pop_head();
    if (empty()) reset();
  }
  uint32_t head_opaque() const { return head().opaque; }

  // `length` bytes were taken by the kernel. Calls on_written(opaque) for each request whose last byte was
  // among them.
  template <typename OnWritten>
  void consume(size_t length, OnWritten on_written) {
    head_written_ += length;
    while (head_packet_ < pending_.packets.size()) {
      const Packet& packet = head();
      const size_t total = size_t{packet.inline_length} + packet.payload_length;
      if (head_written_ < total) break;
      head_written_ -= total;
      const uint32_t opaque = packet.opaque;
      pop_head();
      on_written(opaque);
    }
    if (empty()) reset();
  }

  // The connection is gone: what it took of the head counts for nothing.
  void rewind() { head_written_ = 0; }

  // Removes every request for which is_dead(opaque), except a partly written head. O(size()).
  template <typename IsDead>
  void drop_if(IsDead is_dead) {
    Batch kept;
    size_t offset = head_byte_;
    size_t payload = head_payload_;
    for (size_t i = head_packet_; i < pending_.packets.size(); ++i) {
      const Packet& packet = pending_.packets[i];
      const bool keep = (i == head_packet_ && head_written_ > 0) || !is_dead(packet.opaque);
      if (keep) {
        kept.bytes.append({pending_.bytes.data() + offset, packet.inline_length});
        kept.packets.push_back(packet);
        if (packet.has_payload) kept.payloads.push_back(std::move(pending_.payloads[payload]));
      }
      offset += packet.inline_length;
      payload += packet.has_payload ? 1 : 0;
    }
    const size_t written = head_written_;
    reset();
    pending_ = std::move(kept);
    head_written_ = written;
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (size_t i = head_packet_; i < pending_.packets.size(); ++i) visit(pending_.packets[i].opaque);
  }

  void reset();

 private:
  static constexpr size_t kCompactAbove = 1024;
  static constexpr size_t kMostWalked = 4096;

  Gathered gather_run(std::span<iovec> segments, size_t packets) const;
  const Packet& head() const { return pending_.packets[head_packet_]; }
  void pop_head();
  // Gives back what the written requests occupied, while newer ones keep the queue from ever being empty.
  void compact();

  Batch pending_;
  size_t head_packet_ = 0;
  size_t head_byte_ = 0;
  size_t head_payload_ = 0;
  size_t head_written_ = 0;  // bytes of the head request that the kernel has taken
};

}  // namespace evenkeel::net
