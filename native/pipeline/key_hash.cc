#include "pipeline/key_hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace evenkeel::pipeline {
namespace {

constexpr size_t kBlock = 64;
constexpr size_t kLengthAt = 56;

// 2^32 times the sines of 1 to 64.
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
// By round: how far step after step rotates, and which word of the block it takes.
constexpr int kRotations[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
constexpr size_t kStrides[4] = {1, 5, 3, 7};
constexpr size_t kStarts[4] = {0, 1, 5, 0};

struct Md5 {
  uint32_t a = 0x67452301;
  uint32_t b = 0xefcdab89;
  uint32_t c = 0x98badcfe;
  uint32_t d = 0x10325476;
};
using Block = std::array<uint32_t, kBlock / sizeof(uint32_t)>;

// `b` is the result of the step before, for which nothing else has to wait.
template <size_t kRound>
inline uint32_t mix(const Md5& s) {
  if constexpr (kRound == 0) return s.d ^ (s.b & (s.c ^ s.d));
  if constexpr (kRound == 1) return (s.c & ~s.d) + (s.b & s.d);
  if constexpr (kRound == 2) return s.b ^ (s.c ^ s.d);
  if constexpr (kRound == 3) return s.c ^ (s.b | ~s.d);
}

template <size_t kStep>
inline Md5 step(const Block& block, const Md5& s) {
  constexpr size_t kRound = kStep / 16;
  const uint32_t word = block[(kStarts[kRound] + kStrides[kRound] * kStep) % block.size()];
  const uint32_t sum = s.a + word + kSines[kStep] + mix<kRound>(s);
  return {s.d, s.b + std::rotl(sum, kRotations[kRound][kStep % 4]), s.b, s.c};
}

// By value, so that the state stays in registers; inlined, as compress() is, so that of the last block
// nothing is computed that the first word of the digest does not depend on.
template <size_t... kSteps>
[[gnu::always_inline]] inline Md5 steps(const Block& block, Md5 s, std::index_sequence<kSteps...>) {
  ((s = step<kSteps>(block, s)), ...);
  return s;
}

[[gnu::always_inline]] inline void compress(const std::byte* bytes, Md5* state) {
  Block block;
  std::memcpy(block.data(), bytes, kBlock);
  if constexpr (std::endian::native == std::endian::big)
    for (uint32_t& word : block) word = __builtin_bswap32(word);
  const Md5 s = steps(block, *state, std::make_index_sequence<kSines.size()>());
  *state = {state->a + s.a, state->b + s.b, state->c + s.c, state->d + s.d};
}

}  // namespace

uint32_t md5_word(std::span<const std::byte> key) {
  Md5 state;
  const uint64_t bits = uint64_t{key.size()} * 8;
  for (; key.size() >= kBlock; key = key.subspan(kBlock)) compress(key.data(), &state);
  std::array<std::byte, 2 * kBlock> padded{};
  std::copy(key.begin(), key.end(), padded.begin());
  padded[key.size()] = std::byte{0x80};
  std::byte* last = padded.data();
  if (key.size() >= kLengthAt) {
    compress(last, &state);
    last += kBlock;
  }
  for (size_t i = 0; i < sizeof bits; ++i) last[kLengthAt + i] = static_cast<std::byte>(bits >> (8 * i));
  compress(last, &state);
  return state.a;
}

uint32_t one_at_a_time(std::span<const std::byte> key) {
  uint32_t hash = 0;
  for (const std::byte byte : key) {
    hash += static_cast<uint32_t>(static_cast<signed char>(byte));
    hash += hash << 10;
    hash ^= hash >> 6;
  }
  hash += hash << 3;
  hash ^= hash >> 11;
  return hash + (hash << 15);
}

uint32_t java_hash(std::span<const std::byte> key) {
  uint32_t hash = 0;
  size_t at = 0;
  const auto more = [&] { return at < key.size() ? std::to_integer<uint32_t>(key[at++]) & 0x3f : 0; };
  while (at < key.size()) {
    uint32_t point = std::to_integer<uint32_t>(key[at++]);
    if (point >= 0xf0) {
      point = (point & 0x07) << 18;
      point |= more() << 12;
      point |= more() << 6;
      point |= more();
    } else if (point >= 0xe0) {
      point = (point & 0x0f) << 12;
      point |= more() << 6;
      point |= more();
    } else if (point >= 0xc0) {
      point = (point & 0x1f) << 6;
      point |= more();
    }
    if (point >= 0x10000) {
      hash = 31 * hash + (0xd800 + ((point - 0x10000) >> 10));
      point = 0xdc00 + ((point - 0x10000) & 0x3ff);
    }
    hash = 31 * hash + point;
  }
  return hash > INT32_MAX ? 0 - hash : hash;
}

}  // namespace evenkeel::pipeline
