// Response decoding: pure functions over byte spans, safe on any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "wire/big_endian.h"
#include "wire/memcache/protocol.h"

namespace evenkeel::wire::memcache {

struct ResponseHeader {
  uint8_t opcode = 0;
  uint8_t extras_length = 0;
  uint16_t key_length = 0;
  uint16_t status = 0;
  uint32_t body_length = 0;  // extras, key and value
  uint32_t opaque = 0;
  uint64_t cas = 0;

  // Not negative: decode_header() has checked it.
  uint32_t value_length() const { return body_length - extras_length - key_length; }
};

enum class HeaderFault : uint8_t {
  kNone,
  kIncomplete,  // fewer than kHeaderSize bytes: retry with more
  kBadMagic,    // not a response of this protocol
  kBadLengths,  // extras and key exceed the body
};

// Of kHeaderSize bytes, whatever they are.
inline void load_header(const std::byte* at, ResponseHeader* header) {
  header->opcode = static_cast<uint8_t>(at[1]);
  header->key_length = load_big_endian<uint16_t>(at + 2);
  header->extras_length = static_cast<uint8_t>(at[4]);
  header->status = load_big_endian<uint16_t>(at + 6);
  header->body_length = load_big_endian<uint32_t>(at + 8);
  std::memcpy(&header->opaque, at + 12, sizeof header->opaque);
  header->cas = load_big_endian<uint64_t>(at + 16);
}

HeaderFault decode_header(std::span<const std::byte> bytes, ResponseHeader* header);

// The u32 flags in the extras of a get; 0 when the answer has none. `body` must contain at least the extras.
uint32_t decode_flags(const ResponseHeader& header, std::span<const std::byte> body);

}  // namespace evenkeel::wire::memcache
