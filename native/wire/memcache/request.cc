#include "wire/memcache/request.h"

#include <cstring>

#include "wire/big_endian.h"

namespace evenkeel::wire::memcache {

namespace {

constexpr uint64_t in_each_byte(uint8_t byte) { return uint64_t{0x0101010101010101} * byte; }

// Whether any of the eight bytes is below `limit`, which is at most 0x80 (S. E. Anderson, Bit Twiddling
// Hacks).
constexpr bool has_byte_below(uint64_t bytes, uint8_t limit) {
  return ((bytes - in_each_byte(limit)) & ~bytes & in_each_byte(0x80)) != 0;
}

constexpr bool has_byte(uint64_t bytes, uint8_t byte) {
  return has_byte_below(bytes ^ in_each_byte(byte), 1);
}

constexpr bool has_forbidden(uint64_t bytes) { return has_byte_below(bytes, 0x21) || has_byte(bytes, 0x7f); }

uint64_t load_eight(const std::byte* from) {
  uint64_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

}  // namespace

void encode_header(const Request& request, size_t key_length, size_t extras_length, size_t value_length,
                   std::byte* out) {
  out[0] = std::byte{kRequestMagic};
  out[1] = static_cast<std::byte>(request.op);
  store_big_endian(out + 2, static_cast<uint16_t>(key_length));
  out[4] = static_cast<std::byte>(extras_length);
  out[5] = std::byte{0};
  store_big_endian(out + 6, uint16_t{0});
  store_big_endian(out + 8, static_cast<uint32_t>(extras_length + key_length + value_length));
  std::memcpy(out + 12, &request.opaque, sizeof request.opaque);
  store_big_endian(out + 16, request.cas);
}

void encode_head(const Request& request, size_t key_length, size_t value_length, std::byte* out) {
  const Extras extras = extras_of(request.op);
  encode_header(request, key_length, static_cast<size_t>(extras), value_length, out);
  encode_extras(request, extras, out + kHeaderSize);
}

KeyFault check_key(std::span<const std::byte> key) {
  if (key.empty()) return KeyFault::kEmpty;
  if (key.size() > kMaxKeyLength) return KeyFault::kTooLong;
  if (key.size() < sizeof(uint64_t)) {
    uint64_t bytes = in_each_byte('x');
    std::memcpy(&bytes, key.data(), key.size());
    return has_forbidden(bytes) ? KeyFault::kForbiddenByte : KeyFault::kNone;
  }
  // The last eight bytes may have some in common with the eight before.
  const std::byte* const last = key.data() + key.size() - sizeof(uint64_t);
  for (const std::byte* at = key.data(); at < last; at += sizeof(uint64_t)) {
    if (has_forbidden(load_eight(at))) return KeyFault::kForbiddenByte;
  }
  return has_forbidden(load_eight(last)) ? KeyFault::kForbiddenByte : KeyFault::kNone;
}

KeyFault check_argument(std::span<const std::byte> argument) {
  return argument.empty() ? KeyFault::kNone : check_key(argument);
}

}  // namespace evenkeel::wire::memcache
