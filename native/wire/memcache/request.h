// Request encoding: pure functions over byte spans. A request is `head` (header and extras, written by
// encode_head), then the key, then the value, which the caller lays down behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/memcache/protocol.h"

namespace evenkeel::wire::memcache {

// What stands between header and key; which one is a property of the opcode.
enum class Extras : uint8_t {
  kNone = 0,     // get, delete, append, prepend, noop, version
  kStore = 8,    // flags u32, expiry u32
  kExpiry = 4,   // expiry u32: touch, get-and-touch
  kCounter = 20  // delta u64, initial u64, expiry u32
};

constexpr Extras extras_of(Opcode opcode) {
  switch (opcode) {
    case Opcode::kSet:
    case Opcode::kAdd:
    case Opcode::kReplace:
      return Extras::kStore;
    case Opcode::kIncrement:
    case Opcode::kDecrement:
      return Extras::kCounter;
    case Opcode::kTouch:
    case Opcode::kGetAndTouch:
      return Extras::kExpiry;
    default:
      return Extras::kNone;
  }
}

constexpr size_t head_size(Opcode opcode) { return kHeaderSize + static_cast<size_t>(extras_of(opcode)); }

inline constexpr size_t kMaxHeadSize = kHeaderSize + static_cast<size_t>(Extras::kCounter);

struct RequestHead {
  Opcode opcode = Opcode::kNoop;
  uint32_t opaque = 0;   // echoed by the server; its byte order is ours
  uint64_t cas = 0;      // 0: unconditional
  uint32_t flags = 0;    // Extras::kStore
  uint32_t expiry = 0;   // seconds; absolute Unix time above 30 days; counters: 0xffffffff = fail on a miss
  uint64_t delta = 0;    // Extras::kCounter
  uint64_t initial = 0;  // Extras::kCounter
};

// Writes head_size(head.opcode) bytes to `out`.
void encode_head(const RequestHead& head, size_t key_length, size_t value_length, std::byte* out);

enum class KeyFault : uint8_t { kNone, kEmpty, kTooLong, kForbiddenByte };

// A key is 1 to 250 bytes without control characters and spaces: the text protocol's rule, kept here so that
// every key stays reachable by text clients and proxies.
KeyFault check_key(std::span<const std::byte> key);

}  // namespace evenkeel::wire::memcache
