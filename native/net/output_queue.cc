#include "net/output_queue.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace evenkeel::net {

namespace {

// Joins a run of bytes to the segment before it when they touch.
bool add_segment(std::span<iovec> segments, OutputQueue::Gathered* gathered, const std::byte* data,
                 size_t length) {
  if (length == 0) return true;
  gathered->bytes += length;
  if (gathered->segments > 0) {
    iovec& last = segments[static_cast<size_t>(gathered->segments) - 1];
    if (static_cast<const std::byte*>(last.iov_base) + last.iov_len == data) {
      last.iov_len += length;
      return true;
    }
  }
  if (static_cast<size_t>(gathered->segments) == segments.size()) {
    gathered->bytes -= length;
    return false;
  }
  segments[static_cast<size_t>(gathered->segments++)] = {const_cast<std::byte*>(data), length};
  return true;
}

}  // namespace

OutputQueue::Gathered OutputQueue::gather(std::span<iovec> segments, size_t max_packets,
                                          size_t most_together) const {
  Gathered gathered;
  if (empty() || max_packets == 0) return gathered;
  const size_t inline_left = pending_.bytes.size() - head_byte_ - head_written_;
  const bool is_alone = head_partly_written() && most_together != SIZE_MAX;
  const bool is_within = !is_alone && inline_left <= most_together;
  if (payloads_ == 0 && dead_ == 0 && max_packets >= size() && is_within) {  // one run, nothing to walk
    add_segment(segments, &gathered, pending_.bytes.data() + head_byte_ + head_written_, inline_left);
    return gathered;
  }
  size_t offset = head_byte_;
  size_t skip = head_written_;
  for (size_t i = head_packet_; i < pending_.packets.size() && max_packets > 0; ++i) {
    const Packet& packet = pending_.packets[i];
    const std::byte* const inline_bytes = pending_.bytes.data() + offset;
    offset += packet.inline_length;
    if (packet.dead) continue;
    if (gathered.bytes >= kMostGathered) break;
    if (gathered.bytes > 0 && (is_alone || gathered.bytes + pending_.length(packet) > most_together)) break;
    --max_packets;
    std::span<const std::byte> payload;
    size_t suffix = 0;
    if (packet.payload != Packet::kNoPayload) {
      const Batch::Attached& attached = pending_.payloads[packet.payload];
      payload = attached.payload->bytes();
      if (payload.size() != attached.length) {
        gathered.payload_gone = i == head_packet_ && !attached.payload->is_awaited();
        return gathered;
      }
      suffix = packet.suffix_length;
    }
    const std::array<std::span<const std::byte>, 3> parts{
        std::span(inline_bytes, packet.inline_length - suffix), payload,
        std::span(inline_bytes + packet.inline_length - suffix, suffix)};
    for (const std::span<const std::byte> part : parts) {
      const size_t skipped = std::min(skip, part.size());
      skip -= skipped;
      if (!add_segment(segments, &gathered, part.data() + skipped, part.size() - skipped)) return gathered;
    }
  }
  return gathered;
}

void OutputQueue::kill(uint32_t sequence) {
  Packet& packet = pending_.packets[sequence - base_];
  queued_.subtract(pending_.length(packet));
  bury(packet);
  if (packet.payload != Packet::kNoPayload) free_payload(packet);
  close_up();
}

void OutputQueue::free_payload(const Packet& packet) {
  pending_.payloads[packet.payload].payload.reset();
  --payloads_;
}

void OutputQueue::pass_dead() {
  for (; dead_ > 0 && head().dead; --dead_) {
    head_byte_ += head().inline_length;
    dead_bytes_ -= head().inline_length;
    ++head_packet_;
  }
}

bool OutputQueue::is_wasteful() const {
  const size_t wasted = head_byte_ + dead_bytes_ + (head_packet_ + dead_) * sizeof(Packet);
  return wasted > kWasteKept && wasted > memory() - wasted;
}

size_t OutputQueue::compact() {
  Batch& all = pending_;
  size_t moved = 0;
  size_t packets = 0;
  size_t payloads = 0;
  size_t bytes = 0;
  // Bytes are moved in runs, from one dead request to the next.
  size_t run = head_byte_;
  size_t run_end = run;
  const auto move_run = [&] {
    std::memmove(all.bytes.data() + bytes, all.bytes.data() + run, run_end - run);
    bytes += run_end - run;
  };
  for (size_t i = head_packet_; i < all.packets.size(); ++i) {
    Packet packet = all.packets[i];
    if (packet.dead) {
      moved = packets;
      move_run();
      run_end += packet.inline_length;
      run = run_end;
      continue;
    }
    run_end += packet.inline_length;
    if (packet.payload != Packet::kNoPayload) {
      if (packet.payload != payloads) all.payloads[payloads] = std::move(all.payloads[packet.payload]);
      packet.payload = static_cast<uint32_t>(payloads++);
    }
    all.packets[packets++] = packet;
  }
  if (run_end > run) move_run();
  base_ += static_cast<uint32_t>(all.packets.size() - packets);
  all.bytes.truncate(bytes);
  all.packets.resize(packets);
  all.payloads.resize(payloads);
  all.bytes.shrink();
  base::shrink(all.packets);
  base::shrink(all.payloads);
  head_packet_ = head_byte_ = dead_ = dead_bytes_ = 0;
  return moved;
}

void OutputQueue::reset() {
  for (size_t i = head_packet_; i < pending_.packets.size(); ++i) {
    if (!pending_.packets[i].dead) queued_.subtract(pending_.length(pending_.packets[i]));
  }
  pending_.clear();
  head_packet_ = head_byte_ = head_written_ = payloads_ = dead_ = dead_bytes_ = 0;
}

}  // namespace evenkeel::net
