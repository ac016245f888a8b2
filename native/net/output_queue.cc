#include "net/output_queue.h"

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

OutputQueue::Gathered OutputQueue::gather_run(std::span<iovec> segments, size_t packets) const {
  Gathered gathered;
  if (packets == 0) return gathered;
  if (head_payload_ == pending_.payloads.size() && packets == size()) {  // one run, nothing to walk
    add_segment(segments, &gathered, pending_.bytes.data() + head_byte_ + head_written_,
                pending_.bytes.size() - head_byte_ - head_written_);
    return gathered;
  }
  size_t offset = head_byte_;
  size_t payload_index = head_payload_;
  size_t skip = head_written_;
  for (size_t i = head_packet_; i < head_packet_ + packets; ++i) {
    const Packet& packet = pending_.packets[i];
    const size_t inline_skip = std::min<size_t>(skip, packet.inline_length);
    skip -= inline_skip;
    std::span<const std::byte> payload;
    if (packet.has_payload) {
      payload = pending_.payloads[payload_index++]->bytes();
      if (payload.size() != packet.payload_length) {
        gathered.payload_gone = i == head_packet_;
        return gathered;
      }
    }
    if (!add_segment(segments, &gathered, pending_.bytes.data() + offset + inline_skip,
                     packet.inline_length - inline_skip)) {
      break;
    }
    offset += packet.inline_length;
    if (!add_segment(segments, &gathered, payload.data() + skip, payload.size() - skip)) break;
    skip = 0;
  }
  return gathered;
}

void OutputQueue::pop_head() {
  const Packet& packet = head();
  head_byte_ += packet.inline_length;
  if (packet.has_payload) pending_.payloads[head_payload_++].reset();
  ++head_packet_;
}

void OutputQueue::compact() {
  Batch kept;
  kept.bytes.append({pending_.bytes.data() + head_byte_, pending_.bytes.size() - head_byte_});
  kept.packets.assign(pending_.packets.begin() + static_cast<ptrdiff_t>(head_packet_),
                      pending_.packets.end());
  for (size_t i = head_payload_; i < pending_.payloads.size(); ++i)
    kept.payloads.push_back(std::move(pending_.payloads[i]));
  pending_ = std::move(kept);
  head_packet_ = head_byte_ = head_payload_ = 0;
}

void OutputQueue::reset() {
  pending_.clear();
  head_packet_ = head_byte_ = head_payload_ = head_written_ = 0;
}

}  // namespace evenkeel::net
