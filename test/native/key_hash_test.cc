#include "pipeline/key_hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "packets.h"

namespace evenkeel::pipeline {
namespace {

using test::as_bytes;

struct Vector {
  std::string key;
  uint32_t md5;
  uint32_t one_at_a_time;
};

const Vector kVectors[] = {
    {"foo", 0xdb18bdac, 0x238678dd},
    {"bar", 0x191db537, 0x80409109},
    {"Hello", 0x53991a8b, 0x715ce7ec},
    {"hello", 0x2a40415d, 0xc8fd181b},
    {"counter", 0x3bb76b88, 0x19b39fbd},
    {"mykey", 0xb3e0db9a, 0x6f3ddc50},
    {"key_0", 0xcccb539a, 0xc8a8230e},
    {"key_1", 0x6bf7c0bc, 0xd7d5c169},
    {"key_2", 0x246afd24, 0xea1b65f4},
    {"key_19", 0x22211a8d, 0x95f982e4},
    {"user:1001", 0xe4d46b12, 0xa3ac13e0},
    {"user:1002", 0x354b99e8, 0x25799779},
    {"airline_10", 0x8c455f64, 0xdac21041},
    {"airport_1254", 0x8c323d4d, 0xe8ab57f8},
    {"session::9f8e7d", 0x9e8ddc05, 0x6a005a0b},
    {"a", 0xb975c10c, 0xca2e9442},
    {"", 0xd98c1dd4, 0x00000000},
    {"0", 0x8420cdcf, 0x6e3c5c6b},
    {"\xc3\xa9t\xc3\xa9", 0x1e6aafde, 0x7fcb4b35},
    {std::string(250, 'x'), 0x4b51c179, 0x0316a9fe},
};

TEST(KeyHash, OfThePublishedVectors) {
  for (const Vector& vector : kVectors) {
    EXPECT_EQ(md5_word(as_bytes(vector.key)), vector.md5) << vector.key;
    EXPECT_EQ(one_at_a_time(as_bytes(vector.key)), vector.one_at_a_time) << vector.key;
  }
}

// The digests of RFC 1321, and of texts whose padding just fits into their last block and just does not.
TEST(KeyHash, Md5PadsToWholeBlocks) {
  const struct {
    std::string text;
    uint32_t word;
  } examples[] = {
      {"abc", 0x98500190},
      {"message digest", 0x7d696bf9},
      {"abcdefghijklmnopqrstuvwxyz", 0xd7d3fcc3},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0x98ab74d1},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890", 0xa2f4ed57},
      {std::string(55, 'x'), 0x20443604},
      {std::string(56, 'x'), 0xd5728a66},
      {std::string(63, 'x'), 0x20cac27d},
      {std::string(64, 'x'), 0x814fbbc1},
      {std::string(65, 'x'), 0x0532c91b},
      {std::string(119, 'x'), 0x5f7a34ab},
      {std::string(120, 'x'), 0x7f6698fb},
      {std::string(128, 'x'), 0x1ab69cd6},
      {std::string(250, 'x'), 0x4b51c179},
  };
  for (const auto& [text, word] : examples) EXPECT_EQ(md5_word(as_bytes(text)), word) << text.size();
}

// What "…".hashCode() is in Java, and Math.abs() of it in JavaScript.
TEST(KeyHash, JavaCountsUtf16UnitsAndLosesTheSign) {
  EXPECT_EQ(java_hash({}), 0u);
  EXPECT_EQ(java_hash(as_bytes("foo")), 101574u);
  EXPECT_EQ(java_hash(as_bytes("hello world")), 1794106052u);
  EXPECT_EQ(java_hash(as_bytes("polygenelubricants")), 2147483648u);
  EXPECT_EQ(java_hash(as_bytes("\xc3\xa9")), 233u);
  EXPECT_EQ(java_hash(as_bytes("\xe2\x82\xac")), 8364u);
  EXPECT_EQ(java_hash(as_bytes("\xf0\x9f\x98\x80")), 1772899u);
  EXPECT_EQ(java_hash(as_bytes("xxx")), 119160u);
}

// No bytes are read behind the end, which the address sanitizer would see.
TEST(KeyHash, JavaTakesBytesThatAreNoUtf8ForSomething) {
  for (unsigned first = 0; first < 256; ++first)
    for (size_t length = 1; length <= 4; ++length) {
      std::vector<std::byte> bytes(length, std::byte{0x80});
      bytes[0] = static_cast<std::byte>(first);
      EXPECT_LE(java_hash(bytes), uint32_t{1} << 31) << first;
    }
}

}  // namespace
}  // namespace evenkeel::pipeline
