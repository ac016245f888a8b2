// Unaligned big-endian loads and stores.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace evenkeel::wire {

template <typename T>
constexpr T swap_to_big_endian(T value) {
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
}

template <typename T>
T load_big_endian(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return swap_to_big_endian(value);
}

template <typename T>
void store_big_endian(std::byte* to, T value) {
  value = swap_to_big_endian(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace evenkeel::wire
