#include <gtest/gtest.h>

#include <string>

#include "packets.h"
#include "wire/memcache/response.h"

namespace evenkeel::wire::memcache {
namespace {

using test::as_bytes;
using test::unhex;

// A hit, as the protocol document shows it: flags deadbeef, no key, "World".
const std::string kHit = unhex(
    "81 00 00 00 04 00 00 00 00 00 00 09 77 77 77 77 00 00 00 00 00 00 00 01"
    "de ad be ef 57 6f 72 6c 64");

HeaderFault fault_of(const std::string& bytes) {
  ResponseHeader header;
  return decode_header(as_bytes(bytes), &header);
}

TEST(DecodeHeader, ReadsEveryField) {
  const std::string bytes = unhex("81 1d 01 02 03 04 05 06 00 00 09 0a 77 77 77 77 11 22 33 44 55 66 77 88");
  ResponseHeader header;
  ASSERT_EQ(decode_header(as_bytes(bytes), &header), HeaderFault::kNone);
  EXPECT_EQ(header.opcode, 0x1d);
  EXPECT_EQ(header.key_length, 0x0102);
  EXPECT_EQ(header.extras_length, 3);
  EXPECT_EQ(header.status, 0x0506);
  EXPECT_EQ(header.body_length, 0x090au);
  EXPECT_EQ(header.opaque, 0x77777777u);
  EXPECT_EQ(header.cas, 0x1122334455667788u);
  EXPECT_EQ(header.value_length(), 0x090au - 0x0102 - 3);
}

TEST(DecodeHeader, AsksForMoreAtEveryTruncation) {
  for (size_t length = 0; length < kHeaderSize; ++length) {
    // A copy of its own, so that a sanitizer sees a read beyond it.
    const std::string cut(kHit.data(), length);
    EXPECT_EQ(fault_of(cut), HeaderFault::kIncomplete) << length;
  }
  EXPECT_EQ(fault_of(kHit.substr(0, kHeaderSize)), HeaderFault::kNone);
  EXPECT_EQ(fault_of(kHit), HeaderFault::kNone);
}

TEST(DecodeHeader, RefusesEveryOtherMagicFromTheFirstByteOn) {
  for (int magic = 0; magic < 256; ++magic) {
    if (magic == kResponseMagic) continue;
    std::string bytes = kHit;
    bytes[0] = static_cast<char>(magic);
    EXPECT_EQ(fault_of(bytes), HeaderFault::kBadMagic) << magic;
    EXPECT_EQ(fault_of(bytes.substr(0, 1)), HeaderFault::kBadMagic) << magic;
  }
}

TEST(DecodeHeader, RefusesLengthsThatContradictEachOther) {
  const auto with = [](const char* key, const char* extras, const char* body) {
    std::string bytes = kHit;
    bytes.replace(2, 2, unhex(key));
    bytes.replace(4, 1, unhex(extras));
    bytes.replace(8, 4, unhex(body));
    return fault_of(bytes);
  };
  EXPECT_EQ(with("00 00", "04", "00 00 00 03"), HeaderFault::kBadLengths);
  EXPECT_EQ(with("00 05", "04", "00 00 00 08"), HeaderFault::kBadLengths);
  EXPECT_EQ(with("ff ff", "ff", "00 00 00 00"), HeaderFault::kBadLengths);
  EXPECT_EQ(with("ff ff", "ff", "00 01 00 fd"), HeaderFault::kBadLengths);  // one byte less than they say
  EXPECT_EQ(with("ff ff", "ff", "00 01 00 fe"), HeaderFault::kNone);
  EXPECT_EQ(with("00 05", "04", "00 00 00 09"), HeaderFault::kNone);
  EXPECT_EQ(with("00 00", "00", "ff ff ff ff"), HeaderFault::kNone);
}

TEST(DecodeHeader, RoundTripsWithAnIndependentEncoder) {
  const std::string bytes = test::encode({.opcode = 0x05,
                                          .status = 0x0084,
                                          .opaque = 0x12345678,
                                          .cas = 42,
                                          .extras = "abcd",
                                          .key = "key",
                                          .value = "value"});
  ResponseHeader header;
  ASSERT_EQ(decode_header(as_bytes(bytes), &header), HeaderFault::kNone);
  EXPECT_EQ(header.opcode, 0x05);
  EXPECT_EQ(header.status, 0x0084);
  EXPECT_EQ(header.opaque, 0x12345678u);
  EXPECT_EQ(header.cas, 42u);
  EXPECT_EQ(header.extras_length, 4);
  EXPECT_EQ(header.key_length, 3);
  EXPECT_EQ(header.value_length(), 5u);
}

TEST(DecodeFlags, ReadsTheFirstFourBytesOfTheExtrasAndNothingElse) {
  ResponseHeader header;
  ASSERT_EQ(decode_header(as_bytes(kHit), &header), HeaderFault::kNone);
  const std::string body = kHit.substr(kHeaderSize);
  EXPECT_EQ(decode_flags(header, as_bytes(body)), 0xdeadbeefu);
  EXPECT_EQ(decode_flags(header, as_bytes(body.substr(0, 3))), 0u);
  // Without extras the body begins with the key or the value.
  header.extras_length = 0;
  EXPECT_EQ(decode_flags(header, as_bytes(body)), 0u);
  header.extras_length = 3;
  EXPECT_EQ(decode_flags(header, as_bytes(body)), 0u);
}

}  // namespace
}  // namespace evenkeel::wire::memcache
