// OutputQueue: the requests that one connection has yet to write, in order. It knows where each begins, so
// that a connection's end splits them exactly: a request that left whole may have been executed, any other
// cannot have been and is sent anew on the next connection.
//
// A request is named by its sequence number, which tells its place in O(1). One that is given up is marked
// dead where it lies and never sent; what the dead and the written occupy is given back when it is more than
// what the others need (tidy()), so that n deaths cost O(n), in whatever order they come.
//
// Threads: the loop's only.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/batch.h"
#include "net/queued_bytes.h"

namespace evenkeel::net {

class OutputQueue {
 public:
  // `queued` outlives the queue; it hears of what leaves, by whichever way but to another queue.
  explicit OutputQueue(QueuedBytes& queued) : queued_(queued) {}

  // The next request appended gets this sequence number, the one behind it the next, and so on (modulo 2^32).
  uint32_t next_sequence() const { return base_ + static_cast<uint32_t>(pending_.packets.size()); }
  void append(Batch& batch) {
    payloads_ += batch.payloads.size();
    pending_.append(batch);
  }
  // Moves everything of `other` behind what is here and calls on_moved(opaque, sequence) for each request;
  // nothing of `other` may be partly written.
  template <typename OnMoved>
  void append(OutputQueue& other, OnMoved on_moved) {
    other.compact();
    uint32_t sequence = next_sequence();
    for (const Packet& packet : other.pending_.packets) on_moved(packet.opaque, sequence++);
    append(other.pending_);
    other.payloads_ = 0;
  }

  // Of those that are not dead.
  bool empty() const { return head_packet_ == pending_.packets.size(); }
  size_t size() const { return pending_.packets.size() - head_packet_ - dead_; }
  // True while some bytes of this request have left and others have not.
  bool is_partly_written(uint32_t opaque) const { return head_partly_written() && head().opaque == opaque; }
  bool head_partly_written() const { return head_written_ > 0; }
  uint32_t head_opaque() const { return head().opaque; }

  // What the requests occupy here, payloads apart: also those written or dead that have not been tidied away.
  size_t memory() const { return pending_.bytes.size() + pending_.packets.size() * sizeof(Packet); }

  // Gives up a request of which no byte has left, and frees its payload. O(1).
  void kill(uint32_t sequence);

  struct Gathered {
    int segments = 0;
    size_t bytes = 0;
    bool payload_gone = false;  // the head's value lost its memory: it cannot be sent any more
  };
  // The bytes to write next, of at most max_packets requests; of several, most_together bytes at most, and
  // of one that is partly written nothing but the rest, where that is a limit at all.
  Gathered gather(std::span<iovec> segments, size_t max_packets, size_t most_together = SIZE_MAX) const;

  // Removes the head; its bytes must not have left in part.
  void drop_head() {
    queued_.subtract(pending_.length(head()));
    pop_head();
    if (empty()) reset();
  }

  // `length` bytes were taken by the kernel. Calls on_written(opaque) for each request whose last byte was
  // among them.
  template <typename OnWritten>
  void consume(size_t length, OnWritten on_written) {
    head_written_ += length;
    size_t written = 0;
    while (!empty()) {
      const Packet& packet = head();
      const size_t total = pending_.length(packet);
      if (head_written_ < total) break;
      head_written_ -= total;
      written += total;
      const uint32_t opaque = packet.opaque;
      pop_head();
      on_written(opaque);
    }
    queued_.subtract(written);
    if (empty()) reset();
  }

  // The connection is gone: what it took of the head counts for nothing.
  void rewind() { head_written_ = 0; }

  // Gives memory back when it is worth it, and calls on_moved(opaque, sequence) for each request whose
  // sequence number that changes. To be called after append() and kill().
  template <typename OnMoved>
  void tidy(OnMoved on_moved) {
    if (!is_wasteful()) return;
    const size_t moved = compact();
    for (size_t i = 0; i < moved; ++i) on_moved(pending_.packets[i].opaque, base_ + static_cast<uint32_t>(i));
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (size_t i = head_packet_; i < pending_.packets.size(); ++i) {
      if (!pending_.packets[i].dead) visit(pending_.packets[i].opaque);
    }
  }

  void reset();

 private:
  // Not worth a walk.
  static constexpr size_t kWasteKept = size_t{64} << 10;
  // Where the requests have to be walked: more than the kernel takes at once is walked in vain.
  static constexpr size_t kMostGathered = size_t{1} << 20;

  const Packet& head() const { return pending_.packets[head_packet_]; }
  void pop_head() {
    const Packet& packet = head();
    if (packet.payload != Packet::kNoPayload) free_payload(packet);
    head_byte_ += packet.inline_length;
    ++head_packet_;
    if (dead_ > 0) pass_dead();
  }
  void free_payload(const Packet& packet);
  // Keeps the head alive: everything else takes it for granted.
  void pass_dead();
  bool is_wasteful() const;
  // Leaves nothing but what is still to be written. Returns how many requests, the first ones, have other
  // sequence numbers now.
  size_t compact();

  QueuedBytes& queued_;
  Batch pending_;
  uint32_t base_ = 0;  // the sequence number of the first of pending_.packets
  size_t head_packet_ = 0;
  size_t head_byte_ = 0;
  size_t head_written_ = 0;  // bytes of the head request that the kernel has taken
  size_t payloads_ = 0;      // those not yet freed
  size_t dead_ = 0;          // requests behind the head
  size_t dead_bytes_ = 0;    // of theirs, in pending_.bytes
};

}  // namespace evenkeel::net
