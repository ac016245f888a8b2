// Batch: encoded requests in the order in which they will leave, with what the I/O side must know of each.
// Plain data, made on one thread, handed over whole, consumed on another.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/byte_buffer.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/pages.h"

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
  static constexpr uint32_t kNoPayload = UINT32_MAX;

  base::Millis deadline;
  uint32_t opaque;
  uint32_t inline_length;         // bytes in Batch::bytes
  uint32_t started = 0;           // of a request that is made again, as pipeline::Flights has it; or 0
  uint32_t payload = kNoPayload;  // an index into Batch::payloads; its bytes follow the inline ones
  uint8_t op;                     // a wire::Op
  uint8_t suffix_length = 0;      // the last of the inline bytes, which come behind the payload
  bool discards_value;            // only whether the answer has a value is of interest
  bool dead = false;              // given up before any of it had left; its payload is gone
};

struct Batch {
  struct Attached {
    std::unique_ptr<Payload> payload;
    uint32_t length;  // as it was handed in, whatever has become of the memory
  };

  base::ByteBuffer bytes;
  base::BulkVector<Packet> packets;
  base::BulkVector<Attached> payloads;  // in the order of their packets

  bool empty() const { return packets.empty(); }
  size_t payload_length(const Packet& packet) const {
    return packet.payload == Packet::kNoPayload ? 0 : payloads[packet.payload].length;
  }
  size_t length(const Packet& packet) const { return packet.inline_length + payload_length(packet); }
  // The packet's inline bytes lie at the end of `bytes`; a payload of `payload_length` bytes may follow them.
  void add(Packet packet, std::unique_ptr<Payload> payload, size_t payload_length) {
    if (payload != nullptr) {
      packet.payload = static_cast<uint32_t>(payloads.size());
      payloads.push_back({std::move(payload), static_cast<uint32_t>(payload_length)});
    }
    packets.push_back(packet);
  }
  void clear() {
    bytes.clear();
    base::clear(packets);
    base::clear(payloads);
  }
  // Moves everything of `other` behind what is here and leaves it empty.
  void append(Batch& other);
};

}  // namespace evenkeel::net
