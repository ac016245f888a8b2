// The memcached binary protocol's numbers. Source: memcached's protocol_binary.h and the protocol document
// "BinaryProtocolRevamped"; integers on the wire are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace evenkeel::wire::memcache {

inline constexpr size_t kHeaderSize = 24;
inline constexpr size_t kMaxKeyLength = 250;

inline constexpr uint8_t kRequestMagic = 0x80;
inline constexpr uint8_t kResponseMagic = 0x81;

enum class Opcode : uint8_t {
  kGet = 0x00,
  kSet = 0x01,
  kAdd = 0x02,
  kReplace = 0x03,
  kDelete = 0x04,
  kIncrement = 0x05,
  kDecrement = 0x06,
  kNoop = 0x0a,
  kVersion = 0x0b,
  kAppend = 0x0e,
  kPrepend = 0x0f,
  kTouch = 0x1c,
  kGetAndTouch = 0x1d,
};

inline constexpr uint16_t kStatusSuccess = 0x00;
inline constexpr uint16_t kStatusKeyNotFound = 0x01;

}  // namespace evenkeel::wire::memcache
