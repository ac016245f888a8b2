// Key hashes: 32 bits of a key, computed as in the clients whose placements are supported. The TypeScript
// versions are in lib/cluster/placement/key-hash.ts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pipeline/layout.h"

namespace evenkeel::pipeline {

enum class KeyHash : uint8_t {
  kMd5 = layout::kKeyHashMd5,
  kOneAtATime = layout::kKeyHashOneAtATime,
  kJava = layout::kKeyHashJava,
};

// The first four bytes of the digest (RFC 1321), little-endian.
uint32_t md5_word(std::span<const std::byte> key);

// Jenkins's one-at-a-time hash over signed bytes, as in libmemcached.
uint32_t one_at_a_time(std::span<const std::byte> key);

// Java's String.hashCode() of the UTF-16 units of a UTF-8 key, without its sign, as in memjs. For invalid
// UTF-8 the result is arbitrary.
uint32_t java_hash(std::span<const std::byte> key);

inline uint32_t hash_key(KeyHash hash, std::span<const std::byte> key) {
  switch (hash) {
    case KeyHash::kMd5:
      return md5_word(key);
    case KeyHash::kOneAtATime:
      return one_at_a_time(key);
    case KeyHash::kJava:
      return java_hash(key);
  }
  return 0;
}

}  // namespace evenkeel::pipeline
