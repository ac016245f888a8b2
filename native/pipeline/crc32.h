// CRC-32 as zlib and IEEE 802.3 have it: what Couchbase hashes keys with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace evenkeel::pipeline {

uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace evenkeel::pipeline
