#include "wire/memcache/response.h"

#include <cstring>

#include "wire/big_endian.h"

namespace evenkeel::wire::memcache {

HeaderFault decode_header(std::span<const std::byte> bytes, ResponseHeader* header) {
  if (bytes.size() < kHeaderSize) {
    if (!bytes.empty() && bytes[0] != std::byte{kResponseMagic}) return HeaderFault::kBadMagic;
    return HeaderFault::kIncomplete;
  }
  if (bytes[0] != std::byte{kResponseMagic}) return HeaderFault::kBadMagic;
  *header = load_header(bytes.data());
  if (uint32_t{header->extras_length} + header->key_length > header->body_length)
    return HeaderFault::kBadLengths;
  return HeaderFault::kNone;
}

ResponseHeader load_header(const std::byte* at) {
  ResponseHeader header;
  header.opcode = static_cast<uint8_t>(at[1]);
  header.key_length = load_big_endian<uint16_t>(at + 2);
  header.extras_length = static_cast<uint8_t>(at[4]);
  header.status = load_big_endian<uint16_t>(at + 6);
  header.body_length = load_big_endian<uint32_t>(at + 8);
  std::memcpy(&header.opaque, at + 12, sizeof header.opaque);
  header.cas = load_big_endian<uint64_t>(at + 16);
  return header;
}

uint32_t decode_flags(const ResponseHeader& header, std::span<const std::byte> body) {
  if (header.extras_length < 4 || body.size() < 4) return 0;
  return load_big_endian<uint32_t>(body.data());
}

}  // namespace evenkeel::wire::memcache
