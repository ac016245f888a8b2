#include "wire/memcache/response.h"

#include "wire/big_endian.h"

namespace evenkeel::wire::memcache {

HeaderFault decode_header(std::span<const std::byte> bytes, ResponseHeader* header) {
  if (bytes.size() < kHeaderSize) {
    if (!bytes.empty() && bytes[0] != std::byte{kResponseMagic}) return HeaderFault::kBadMagic;
    return HeaderFault::kIncomplete;
  }
  if (bytes[0] != std::byte{kResponseMagic}) return HeaderFault::kBadMagic;
  load_header(bytes.data(), header);
  if (uint32_t{header->extras_length} + header->key_length > header->body_length)
    return HeaderFault::kBadLengths;
  return HeaderFault::kNone;
}

uint32_t decode_flags(const ResponseHeader& header, std::span<const std::byte> body) {
  if (header.extras_length < 4 || body.size() < 4) return 0;
  return load_big_endian<uint32_t>(body.data());
}

}  // namespace evenkeel::wire::memcache
