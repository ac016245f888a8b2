// The numbers of the memcached binary protocol, except for the opcodes, which are in wire::Op. Source:
// memcached's protocol_binary.h and the protocol document "BinaryProtocolRevamped"; integers on the wire are
// big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/request.h"

namespace evenkeel::wire::memcache {

inline constexpr size_t kHeaderSize = 24;
inline constexpr size_t kMaxKeyLength = 250;

inline constexpr uint8_t kRequestMagic = 0x80;
inline constexpr uint8_t kResponseMagic = 0x81;

inline constexpr uint16_t kStatusSuccess = 0x00;
inline constexpr uint16_t kStatusKeyNotFound = 0x01;

}  // namespace evenkeel::wire::memcache
