// Batch: encoded requests in the order in which they will leave, with what the I/O side must know of each.
// Plain data, made on one thread, handed over whole, consumed on another.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_buffer.h"
#include "base/clock.h"
#include "base/counters.h"

namespace evenkeel::net {

// A value that is sent from where it lies. It dies when the kernel holds all of its bytes, or with its batch,
// on the thread that drives the queue it is in.
class Payload {
 public:
  virtual ~Payload() = default;
  // Empty when the owner took the memory away in the meantime: the request cannot be sent any more.
  virtual std::span<const std::byte> bytes() const = 0;

 private:
  base::Counted<&base::Counters::payloads> counted_;
};

struct Packet {
  base::Millis deadline;
  uint32_t opaque;
  uint32_t inline_length;   // bytes in Batch::bytes
  uint32_t payload_length;  // 0, or the size of the next of Batch::payloads, which follows the inline bytes
  uint8_t opcode;
  bool has_payload;
  bool discards_value;  // only whether the answer has a value is of interest
};

struct Batch {
  base::ByteBuffer bytes;
  std::vector<Packet> packets;
  std::vector<std::unique_ptr<Payload>> payloads;

  bool empty() const { return packets.empty(); }
  void clear() {
    bytes.clear();
    packets.clear();
    payloads.clear();
  }
  // Moves everything of `other` behind what is here and leaves it empty.
  void append(Batch& other);
};

}  // namespace evenkeel::net
