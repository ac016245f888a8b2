// Request encoding: pure functions over byte spans. A request is `head` (header and extras, written by
// encode_head), followed by the key and the value, which the caller appends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/big_endian.h"
#include "wire/memcache/protocol.h"
#include "wire/protocol.h"

namespace evenkeel::wire::memcache {

// The extras between header and key; the operation determines which.
enum class Extras : uint8_t {
  kNone = 0,     // get, delete, append, prepend
  kStore = 8,    // flags u32, expiry u32
  kExpiry = 4,   // expiry u32: touch, get-and-touch, get-and-lock, flush
  kCounter = 20  // delta u64, initial u64, expiry u32
};

constexpr Extras extras_of(Op op) {
  switch (op) {
    case Op::kSet:
    case Op::kAdd:
    case Op::kReplace:
      return Extras::kStore;
    case Op::kIncrement:
    case Op::kDecrement:
      return Extras::kCounter;
    case Op::kTouch:
    case Op::kGetAndTouch:
    case Op::kGetAndLock:
    case Op::kFlush:
      return Extras::kExpiry;
    default:
      return Extras::kNone;
  }
}

constexpr size_t head_size(Op op) { return kHeaderSize + static_cast<size_t>(extras_of(op)); }

inline constexpr size_t kMaxHeadSize = kHeaderSize + static_cast<size_t>(Extras::kCounter);

// kHeaderSize bytes to `out`; without a partition and a datatype, which memcached does not have.
void encode_header(const Request& request, size_t key_length, size_t extras_length, size_t value_length,
                   std::byte* out);
// As many bytes as `extras` says.
inline void encode_extras(const Request& request, Extras extras, std::byte* at) {
  switch (extras) {
    case Extras::kNone:
      break;
    case Extras::kStore:
      store_big_endian(at, request.flags);
      store_big_endian(at + 4, request.expiry);
      break;
    case Extras::kExpiry:
      store_big_endian(at, request.expiry);
      break;
    case Extras::kCounter:
      store_big_endian(at, request.delta);
      store_big_endian(at + 8, request.initial);
      store_big_endian(at + 16, request.expiry);
      break;
  }
}

// Writes head_size(request.op) bytes to `out`.
void encode_head(const Request& request, size_t key_length, size_t value_length, std::byte* out);

// A key has 1 to 250 bytes without control characters and spaces: the rule of the text protocol, applied here
// so that text clients and proxies can reach every key.
KeyFault check_key(std::span<const std::byte> key);
// The same, but may be empty.
KeyFault check_argument(std::span<const std::byte> argument);

}  // namespace evenkeel::wire::memcache
