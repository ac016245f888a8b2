#include "wire/memcache/request.h"

#include <cstring>

#include "wire/big_endian.h"

namespace evenkeel::wire::memcache {

void encode_head(const RequestHead& head, size_t key_length, size_t value_length, std::byte* out) {
  const Extras extras = extras_of(head.opcode);
  const size_t extras_length = static_cast<size_t>(extras);
  out[0] = std::byte{kRequestMagic};
  out[1] = static_cast<std::byte>(head.opcode);
  store_big_endian(out + 2, static_cast<uint16_t>(key_length));
  out[4] = static_cast<std::byte>(extras_length);
  out[5] = std::byte{0};
  store_big_endian(out + 6, uint16_t{0});
  store_big_endian(out + 8, static_cast<uint32_t>(extras_length + key_length + value_length));
  std::memcpy(out + 12, &head.opaque, sizeof head.opaque);
  store_big_endian(out + 16, head.cas);
  std::byte* at = out + kHeaderSize;
  switch (extras) {
    case Extras::kNone:
      break;
    case Extras::kStore:
      store_big_endian(at, head.flags);
      store_big_endian(at + 4, head.expiry);
      break;
    case Extras::kExpiry:
      store_big_endian(at, head.expiry);
      break;
    case Extras::kCounter:
      store_big_endian(at, head.delta);
      store_big_endian(at + 8, head.initial);
      store_big_endian(at + 16, head.expiry);
      break;
  }
}

KeyFault check_key(std::span<const std::byte> key) {
  if (key.empty()) return KeyFault::kEmpty;
  if (key.size() > kMaxKeyLength) return KeyFault::kTooLong;
  bool forbidden = false;
  for (const std::byte b : key) {  // no early exit: the loop vectorises
    forbidden |= (b <= std::byte{0x20}) | (b == std::byte{0x7f});
  }
  return forbidden ? KeyFault::kForbiddenByte : KeyFault::kNone;
}

}  // namespace evenkeel::wire::memcache
