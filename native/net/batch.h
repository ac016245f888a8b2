// Batch: encoded requests in sending order, with what the I/O side needs to know about each. Plain data:
// created on one thread, handed over as a whole, and consumed on another.
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

// A value that is sent without copying. It is destroyed when the kernel has taken all of its bytes, or with
// its batch, on the thread that drives its queue.
class Payload {
 public:
  virtual ~Payload() = default;
  // Empty when the memory was detached meanwhile: the request cannot be sent any more.
  virtual std::span<const std::byte> bytes() const = 0;
  // Nobody knows yet how to say the request: it waits, and so does what is behind it.
  virtual bool is_awaited() const { return false; }

 private:
  base::Counted<&base::Counters::payloads> counted_;
};

struct Packet {
  static constexpr uint32_t kNoPayload = UINT32_MAX;

  base::Millis deadline;
  uint32_t opaque;
  uint32_t inline_length;         // bytes in Batch::bytes
  uint32_t started = 0;           // for a request that is sent again, as in pipeline::Flights; or 0
  uint32_t payload = kNoPayload;  // index into Batch::payloads; the payload follows the inline bytes
  uint8_t op;                     // a wire::Op
  uint8_t suffix_length = 0;      // the last inline bytes, which come after the payload
  bool discards_value;            // only whether the answer has a value matters
  bool dead = false;              // cancelled before any of it was sent; its payload is freed
  // Of the partitions, by which it is routed again when another server has its own; they are numbered anew
  // when there are more or fewer of them. 0: it is never routed again.
  uint8_t numbering = 0;
  uint8_t returns = 0;  // how often servers have sent it back because they did not have the partition
  uint16_t partition = 0;
};

struct Batch {
  struct Attached {
    std::unique_ptr<Payload> payload;
    uint32_t length;  // as submitted, even if the memory has been detached
  };

  base::ByteBuffer bytes;
  base::BulkVector<Packet> packets;
  base::BulkVector<Attached> payloads;  // in packet order

  bool empty() const { return packets.empty(); }
  size_t payload_length(const Packet& packet) const {
    return packet.payload == Packet::kNoPayload ? 0 : payloads[packet.payload].length;
  }
  size_t length(const Packet& packet) const { return packet.inline_length + payload_length(packet); }
  // The packet's inline bytes are at the end of `bytes`; a payload of `payload_length` bytes may follow them.
  [[gnu::always_inline]] void add(Packet packet, std::unique_ptr<Payload> payload, size_t payload_length) {
    if (payload != nullptr) {
      packet.payload = static_cast<uint32_t>(payloads.size());
      payloads.push_back({std::move(payload), static_cast<uint32_t>(payload_length)});
    }
    packets.push_back(packet);
  }
  // Of a request what belongs to it, where it lies.
  struct Item {
    const Packet& packet;
    std::span<const std::byte> bytes;  // the inline ones
    Attached* attached;                // null: there is no payload

    size_t length() const { return bytes.size() + (attached == nullptr ? 0 : attached->length); }
  };
  // Adds a copy; a payload goes over to it.
  void add(const Item& item) {
    bytes.append(item.bytes);
    Packet packet = item.packet;
    packet.dead = false;
    packet.payload = Packet::kNoPayload;
    if (item.attached == nullptr) return packets.push_back(packet);
    add(packet, std::move(item.attached->payload), item.attached->length);
  }
  template <typename Visit>
  void for_each(Visit visit) {
    size_t offset = 0;
    for (const Packet& packet : packets) {
      visit(Item{packet, {bytes.data() + offset, packet.inline_length}, attached(packet)});
      offset += packet.inline_length;
    }
  }
  Attached* attached(const Packet& packet) {
    return packet.payload == Packet::kNoPayload ? nullptr : &payloads[packet.payload];
  }
  void clear() {
    bytes.clear();
    base::clear(packets);
    base::clear(payloads);
  }
  // Moves everything from `other` to the end and leaves `other` empty.
  void append(Batch& other);
};

}  // namespace evenkeel::net
