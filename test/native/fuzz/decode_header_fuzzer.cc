// Any bytes as the head of a response: what is accepted must be what the bytes say, read one by one, and
// leave a body whose parts fit in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "wire/memcache/response.h"

namespace {

using evenkeel::wire::memcache::decode_flags;
using evenkeel::wire::memcache::decode_header;
using evenkeel::wire::memcache::HeaderFault;
using evenkeel::wire::memcache::kHeaderSize;
using evenkeel::wire::memcache::ResponseHeader;

void require(bool condition) {
  if (!condition) std::abort();
}

uint64_t number(const uint8_t* bytes, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  ResponseHeader header;
  switch (decode_header(bytes, &header)) {
    case HeaderFault::kIncomplete:
      require(size < kHeaderSize && (size == 0 || data[0] == 0x81));
      return 0;
    case HeaderFault::kBadMagic:
      require(size > 0 && data[0] != 0x81);
      return 0;
    case HeaderFault::kBadLengths:
      require(size >= kHeaderSize && number(data + 2, 2) + data[4] > number(data + 8, 4));
      return 0;
    case HeaderFault::kNone:
      break;
  }
  require(size >= kHeaderSize && data[0] == 0x81);
  require(header.opcode == data[1]);
  require(header.key_length == number(data + 2, 2));
  require(header.extras_length == data[4]);
  require(header.status == number(data + 6, 2));
  require(header.body_length == number(data + 8, 4));
  require(std::memcmp(&header.opaque, data + 12, sizeof header.opaque) == 0);
  require(header.cas == number(data + 16, 8));
  require(uint64_t{header.value_length()} + header.key_length + header.extras_length == header.body_length);

  const std::span<const std::byte> body = bytes.subspan(kHeaderSize);
  const bool has_flags = header.extras_length >= 4 && body.size() >= 4;
  require(decode_flags(header, body) == (has_flags ? number(data + kHeaderSize, 4) : 0));
  return 0;
}
