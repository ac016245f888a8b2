// Unsigned LEB128 in its shortest form, as the ids of collections stand before keys: seven bits a byte, the
// lowest ones first, and the eighth says that more follow.
#pragma once

#include <cstddef>
#include <cstdint>

namespace evenkeel::wire::couchbase {

inline constexpr size_t kMostLeb128 = 5;

constexpr size_t leb128_size(uint32_t number) {
  size_t size = 1;
  for (; number > 0x7f; number >>= 7) ++size;
  return size;
}

// Writes leb128_size(number) bytes; returns what lies behind them.
inline std::byte* store_leb128(std::byte* to, uint32_t number) {
  for (; number > 0x7f; number >>= 7) *to++ = static_cast<std::byte>(number | 0x80);
  *to++ = static_cast<std::byte>(number);
  return to;
}

}  // namespace evenkeel::wire::couchbase
