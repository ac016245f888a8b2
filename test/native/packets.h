// Packets of the memcached binary protocol, put together byte by byte and independently of the code under
// test, and text with which tests write bytes down.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace evenkeel::test {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// "80 0a 00" -> three bytes; anything between the pairs of digits but digits is for the eye.
inline std::string unhex(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (std::string_view("0123456789abcdef").find(c) == std::string_view::npos) continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::strtoul(digits.c_str(), nullptr, 16));
    digits.clear();
  }
  return bytes;
}

inline std::string big_endian(uint64_t value, size_t width) {
  std::string bytes(width, '\0');
  for (size_t i = width; i-- > 0; value >>= 8) bytes[i] = static_cast<char>(value & 0xff);
  return bytes;
}

inline uint64_t from_big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

struct Packet {
  uint8_t magic = 0x81;
  uint8_t opcode = 0;
  uint16_t status = 0;
  uint32_t opaque = 0;  // as the client counts: its own byte order
  uint64_t cas = 0;
  std::string extras{};
  std::string key{};
  std::string value{};
};

inline std::string encode(const Packet& packet) {
  std::string bytes;
  bytes += static_cast<char>(packet.magic);
  bytes += static_cast<char>(packet.opcode);
  bytes += big_endian(packet.key.size(), 2);
  bytes += static_cast<char>(packet.extras.size());
  bytes += '\0';
  bytes += big_endian(packet.status, 2);
  bytes += big_endian(packet.extras.size() + packet.key.size() + packet.value.size(), 4);
  bytes.append(reinterpret_cast<const char*>(&packet.opaque), sizeof packet.opaque);
  bytes += big_endian(packet.cas, 8);
  return bytes + packet.extras + packet.key + packet.value;
}

// Takes the first whole packet off `bytes`; false while it is not complete.
inline bool decode(std::string* bytes, Packet* packet) {
  if (bytes->size() < 24) return false;
  const std::string_view head(bytes->data(), 24);
  const size_t key = from_big_endian(head.substr(2, 2));
  const size_t extras = static_cast<uint8_t>(head[4]);
  const size_t body = from_big_endian(head.substr(8, 4));
  if (bytes->size() < 24 + body) return false;
  packet->magic = static_cast<uint8_t>(head[0]);
  packet->opcode = static_cast<uint8_t>(head[1]);
  packet->status = static_cast<uint16_t>(from_big_endian(head.substr(6, 2)));
  std::memcpy(&packet->opaque, head.data() + 12, sizeof packet->opaque);
  packet->cas = from_big_endian(head.substr(16, 8));
  packet->extras = bytes->substr(24, extras);
  packet->key = bytes->substr(24 + extras, key);
  packet->value = bytes->substr(24 + extras + key, body - extras - key);
  bytes->erase(0, 24 + body);
  return true;
}

}  // namespace evenkeel::test
