// The part of memcached's binary protocol that the floor client and the canned responder share
// (memcached's doc/protocol-binary, "Packet Structure"). Big-endian on the wire; the opaque is echoed
// bit for bit, so it is kept in host order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bench {

constexpr uint8_t kRequestMagic = 0x80;
constexpr uint8_t kResponseMagic = 0x81;
constexpr size_t kHeaderSize = 24;

enum Opcode : uint8_t {
  kGet = 0x00,
  kSet = 0x01,
  kIncrement = 0x05,
  kDecrement = 0x06,
  kQuit = 0x07,
  kGetQ = 0x09,
  kNoop = 0x0a,
  kVersion = 0x0b,
  kGetK = 0x0c,
  kGetKQ = 0x0d,
  kStat = 0x10,
  kSetQ = 0x11,
  kPrependQ = 0x1a,
  kGat = 0x1d,
  kGatQ = 0x1e,
  kHello = 0x1f,
  kSaslAuth = 0x21,
};

enum Status : uint16_t { kSuccess = 0x00, kUnknownCommand = 0x81 };

inline uint16_t load_be16(const char* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}

inline uint32_t load_be32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}

inline void store_be16(char* p, uint16_t v) {
  v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}

inline void store_be32(char* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}

struct Header {
  uint8_t magic = 0;
  uint8_t opcode = 0;
  uint16_t key_length = 0;
  uint8_t extras_length = 0;
  uint16_t status = 0;  // vbucket id in a request
  uint32_t body_length = 0;
  uint32_t opaque = 0;

  static Header parse(const char* p) {
    Header h;
    h.magic = static_cast<uint8_t>(p[0]);
    h.opcode = static_cast<uint8_t>(p[1]);
    h.key_length = load_be16(p + 2);
    h.extras_length = static_cast<uint8_t>(p[4]);
    h.status = load_be16(p + 6);
    h.body_length = load_be32(p + 8);
    std::memcpy(&h.opaque, p + 12, sizeof h.opaque);
    return h;
  }

  void write(char* p) const {
    std::memset(p, 0, kHeaderSize);
    p[0] = static_cast<char>(magic);
    p[1] = static_cast<char>(opcode);
    store_be16(p + 2, key_length);
    p[4] = static_cast<char>(extras_length);
    store_be16(p + 6, status);
    store_be32(p + 8, body_length);
    std::memcpy(p + 12, &opaque, sizeof opaque);
  }
};

}  // namespace bench
