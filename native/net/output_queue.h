// OutputQueue: the requests that one connection has yet to write, in order. It knows where each one begins,
// so that the end of a connection separates them exactly: a request that was sent completely may have been
// executed; any other cannot have been, and is sent again on the next connection.
//
// A request is identified by its sequence number, from which its place follows in O(1). A cancelled request
// is marked as dead in place and never sent. The memory of dead and written requests is freed when it exceeds
// that of the others (tidy()), so that n cancellations cost O(n), in any order.
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
  // `queued` must outlive the queue; it is updated whenever requests leave, except to another queue.
  explicit OutputQueue(QueuedBytes& queued) : queued_(queued) {}

  // The sequence number of the next request appended; the following ones get consecutive numbers (modulo
  // 2^32).
  uint32_t next_sequence() const { return base_ + static_cast<uint32_t>(pending_.packets.size()); }
  void append(Batch& batch) {
    payloads_ += batch.payloads.size();
    pending_.append(batch);
  }
  // Moves everything from `other` to the end and calls on_moved(opaque, sequence) for each request; no
  // request of `other` may be partly written.
  template <typename OnMoved>
  void append(OutputQueue& other, OnMoved on_moved) {
    other.compact();
    uint32_t sequence = next_sequence();
    for (const Packet& packet : other.pending_.packets) on_moved(packet.opaque, sequence++);
    append(other.pending_);
    other.payloads_ = 0;
  }

  // The bytes of the request are counted already.
  void append(const Batch::Item& item) {
    payloads_ += item.attached == nullptr ? 0 : 1;
    pending_.add(item);
  }
  // Moves the requests for which leaves(packet) is true to `out`. Their bytes stay counted in the whole. A
  // request that is partly written stays.
  template <typename Leaves>
  void extract(Batch* out, Leaves leaves) {
    size_t offset = head_byte_;
    for (size_t i = head_packet_; i < pending_.packets.size(); ++i) {
      Packet& packet = pending_.packets[i];
      const std::span<const std::byte> bytes(pending_.bytes.data() + offset, packet.inline_length);
      offset += packet.inline_length;
      const bool is_leaving = i == head_packet_ && head_partly_written();
      if (!packet.dead && !is_leaving && leaves(packet)) hand_over(packet, bytes, out);
    }
    close_up();
  }
  // The same of one request, of which no byte has been sent. O(1) for the first one.
  void take(uint32_t sequence, Batch* out) {
    const size_t index = sequence - base_;
    size_t offset = head_byte_;
    for (size_t i = head_packet_; i < index; ++i) offset += pending_.packets[i].inline_length;
    Packet& packet = pending_.packets[index];
    hand_over(packet, {pending_.bytes.data() + offset, packet.inline_length}, out);
    close_up();
  }

  // empty() and size() do not count dead requests.
  bool empty() const { return head_packet_ == pending_.packets.size(); }
  size_t size() const { return pending_.packets.size() - head_packet_ - dead_; }
  // True while some bytes of this request have been sent and others have not.
  bool is_partly_written(uint32_t opaque) const { return head_partly_written() && head().opaque == opaque; }
  bool head_partly_written() const { return head_written_ > 0; }
  uint32_t head_opaque() const { return head().opaque; }
  const Packet& at(uint32_t sequence) const { return pending_.packets[sequence - base_]; }

  // The memory of the requests here without payloads, including written or dead ones that are not yet tidied
  // away.
  size_t memory() const { return pending_.bytes.size() + pending_.packets.size() * sizeof(Packet); }

  // Cancels a request of which no byte has been sent, and frees its payload. O(1).
  void kill(uint32_t sequence);

  struct Gathered {
    int segments = 0;
    size_t bytes = 0;
    bool payload_gone = false;  // the head's value was detached, so it cannot be sent
  };
  // The next bytes to write, of at most max_packets requests. If most_together is a limit, several requests
  // have at most that many bytes together, and a partly written one is continued alone.
  Gathered gather(std::span<iovec> segments, size_t max_packets, size_t most_together = SIZE_MAX) const;

  // Removes the head, which must not be partly written.
  void drop_head() {
    queued_.subtract(pending_.length(head()));
    pop_head();
    if (empty()) reset();
  }

  // The kernel has taken `length` bytes. Calls on_written(packet, item) for each request whose last byte was
  // among them, where item() is what else belongs to it. True: it is kept elsewhere, and its bytes stay
  // counted.
  template <typename OnWritten>
  void consume(size_t length, OnWritten on_written) {
    head_written_ += length;
    size_t written = 0;
    while (!empty()) {
      const Packet& packet = head();
      const size_t total = pending_.length(packet);
      if (head_written_ < total) break;
      head_written_ -= total;
      const bool is_kept = on_written(packet, [this, &packet] {
        const std::byte* const bytes = pending_.bytes.data() + head_byte_;
        return Batch::Item{packet, {bytes, packet.inline_length}, pending_.attached(packet)};
      });
      if (!is_kept) written += total;
      pop_head();
    }
    queued_.subtract(written);
    if (empty()) reset();
  }

  // The connection is gone: the written part of the head does not count.
  void rewind() { head_written_ = 0; }

  // Frees memory when it is worthwhile, and calls on_moved(opaque, sequence) for each request whose sequence
  // number changes. Call after append() and kill().
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
  // Less waste than this is not worth a walk.
  static constexpr size_t kWasteKept = size_t{64} << 10;
  // The limit for a walk over the requests: the kernel does not take more at once.
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
  void hand_over(Packet& packet, std::span<const std::byte> bytes, Batch* out) {
    queued_.pass_on(pending_.length(packet));
    Batch::Attached* const attached = pending_.attached(packet);
    if (attached != nullptr) --payloads_;
    out->add({packet, bytes, attached});
    bury(packet);
  }
  void bury(Packet& packet) {
    packet.dead = true;
    ++dead_;
    dead_bytes_ += packet.inline_length;
  }
  // Skips dead requests, because all other code relies on a live head.
  void pass_dead();
  void close_up() {
    pass_dead();
    if (empty()) reset();
  }
  bool is_wasteful() const;
  // Removes everything but what is still to be written. Returns the number of leading requests whose sequence
  // numbers have changed.
  size_t compact();

  QueuedBytes& queued_;
  Batch pending_;
  uint32_t base_ = 0;  // the sequence number of pending_.packets[0]
  size_t head_packet_ = 0;
  size_t head_byte_ = 0;
  size_t head_written_ = 0;  // bytes of the head that the kernel has taken
  size_t payloads_ = 0;      // not yet freed
  size_t dead_ = 0;          // requests after the head
  size_t dead_bytes_ = 0;    // theirs, in pending_.bytes
};

}  // namespace evenkeel::net
