#include <gtest/gtest.h>

#include <array>
#include <string>

#include "packets.h"
#include "wire/memcache/binary.h"
#include "wire/memcache/request.h"

namespace evenkeel::wire::memcache {
namespace {

using test::as_bytes;
using test::as_text;
using test::unhex;

// The opaque is ours, so its bytes here are the same in either order.
constexpr uint32_t kOpaque = 0x77777777;

std::string encode(Request request, std::string_view key, std::string_view value) {
  request.opaque = kOpaque;
  std::string bytes(head_size(request.op), '\x5a');
  encode_head(request, key.size(), value.size(), reinterpret_cast<std::byte*>(bytes.data()));
  return bytes + std::string(key) + std::string(value);
}

struct Example {
  const char* name;
  Request request;
  const char* key;
  const char* value;
  const char* bytes;
};

class RequestEncoding : public testing::TestWithParam<Example> {};

TEST_P(RequestEncoding, IsExactToTheByte) {
  const Example& example = GetParam();
  EXPECT_EQ(encode(example.request, example.key, example.value), unhex(example.bytes));
}

//             magic op  klen  ext dt status body        opaque      cas
const Example kExamples[] = {
    {"get",
     {.op = Op::kGet},
     "Hello",
     "",
     "80 00 00 05 00 00 00 00 00 00 00 05 77 77 77 77 00 00 00 00 00 00 00 00"
     "48 65 6c 6c 6f"},
    {"set",
     {.op = Op::kSet, .cas = 0x0102030405060708, .flags = 0xdeadbeef, .expiry = 0x00000e10},
     "Hello",
     "World",
     "80 01 00 05 08 00 00 00 00 00 00 12 77 77 77 77 01 02 03 04 05 06 07 08"
     "de ad be ef 00 00 0e 10 48 65 6c 6c 6f 57 6f 72 6c 64"},
    {"add",
     {.op = Op::kAdd, .flags = 0xdeadbeef, .expiry = 0x00000e10},
     "Hello",
     "World",
     "80 02 00 05 08 00 00 00 00 00 00 12 77 77 77 77 00 00 00 00 00 00 00 00"
     "de ad be ef 00 00 0e 10 48 65 6c 6c 6f 57 6f 72 6c 64"},
    {"replace",
     {.op = Op::kReplace, .flags = 1, .expiry = 2},
     "k",
     "",
     "80 03 00 01 08 00 00 00 00 00 00 09 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 01 00 00 00 02 6b"},
    {"delete",
     {.op = Op::kDelete, .cas = UINT64_MAX},
     "Hello",
     "",
     "80 04 00 05 00 00 00 00 00 00 00 05 77 77 77 77 ff ff ff ff ff ff ff ff"
     "48 65 6c 6c 6f"},
    {"increment",
     {.op = Op::kIncrement, .expiry = 0x00000e10, .delta = 1, .initial = 0x1122334455667788},
     "counter",
     "",
     "80 05 00 07 14 00 00 00 00 00 00 1b 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 00 00 00 00 01 11 22 33 44 55 66 77 88 00 00 0e 10"
     "63 6f 75 6e 74 65 72"},
    {"decrement_without_creation",
     {.op = Op::kDecrement, .expiry = 0xffffffff, .delta = UINT64_MAX},
     "c",
     "",
     "80 06 00 01 14 00 00 00 00 00 00 15 77 77 77 77 00 00 00 00 00 00 00 00"
     "ff ff ff ff ff ff ff ff 00 00 00 00 00 00 00 00 ff ff ff ff 63"},
    {"append",
     {.op = Op::kAppend, .cas = 9},
     "Hello",
     "!",
     "80 0e 00 05 00 00 00 00 00 00 00 06 77 77 77 77 00 00 00 00 00 00 00 09"
     "48 65 6c 6c 6f 21"},
    {"prepend",
     {.op = Op::kPrepend},
     "Hello",
     "!",
     "80 0f 00 05 00 00 00 00 00 00 00 06 77 77 77 77 00 00 00 00 00 00 00 00"
     "48 65 6c 6c 6f 21"},
    {"touch",
     {.op = Op::kTouch, .expiry = 0x01020304},
     "k",
     "",
     "80 1c 00 01 04 00 00 00 00 00 00 05 77 77 77 77 00 00 00 00 00 00 00 00"
     "01 02 03 04 6b"},
    {"get_and_touch",
     {.op = Op::kGetAndTouch, .expiry = 0x01020304},
     "k",
     "",
     "80 1d 00 01 04 00 00 00 00 00 00 05 77 77 77 77 00 00 00 00 00 00 00 00"
     "01 02 03 04 6b"},
    {"flush",
     {.op = Op::kFlush, .expiry = 0x01020304},
     "",
     "",
     "80 08 00 00 04 00 00 00 00 00 00 04 77 77 77 77 00 00 00 00 00 00 00 00"
     "01 02 03 04"},
    {"stat",
     {.op = Op::kStat},
     "ab",
     "",
     "80 10 00 02 00 00 00 00 00 00 00 02 77 77 77 77 00 00 00 00 00 00 00 00 61 62"},
    {"version",
     {.op = Op::kVersion},
     "",
     "",
     "80 0b 00 00 00 00 00 00 00 00 00 00 77 77 77 77 00 00 00 00 00 00 00 00"},
};

INSTANTIATE_TEST_SUITE_P(EveryOpcode, RequestEncoding, testing::ValuesIn(kExamples),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(RequestEncoding, ReadsBackWithAnIndependentDecoder) {
  for (const Example& example : kExamples) {
    std::string bytes = encode(example.request, example.key, example.value);
    test::Packet packet;
    ASSERT_TRUE(test::decode(&bytes, &packet)) << example.name;
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ(packet.magic, 0x80);
    EXPECT_EQ(packet.opcode, static_cast<uint8_t>(example.request.op));
    EXPECT_EQ(packet.opaque, kOpaque);
    EXPECT_EQ(packet.cas, example.request.cas);
    EXPECT_EQ(packet.extras.size(), static_cast<size_t>(extras_of(example.request.op)));
    EXPECT_EQ(packet.key, example.key);
    EXPECT_EQ(packet.value, example.value);
  }
}

TEST(RequestEncoding, WritesNothingBehindTheHead) {
  for (const Example& example : kExamples) {
    std::array<std::byte, kMaxHeadSize + 8> out;
    out.fill(std::byte{0x5a});
    encode_head(example.request, 250, 1u << 20, out.data());
    for (size_t i = head_size(example.request.op); i < out.size(); ++i)
      EXPECT_EQ(out[i], std::byte{0x5a}) << example.name << " at " << i;
  }
}

TEST(RequestEncoding, TheProtocolsPrefixIsHeadAndKey) {
  for (const Example& example : kExamples) {
    Request request = example.request;
    request.opaque = kOpaque;
    const size_t value_length = std::string_view(example.value).size();
    const auto key = as_bytes(example.key);
    std::string prefix(kBinary.encoder.prefix_size(request, key, value_length), '\0');
    ASSERT_LE(prefix.size(), kBinary.most_head + key.size());
    EXPECT_EQ(kBinary.encoder.suffix_size(request.op), 0u);
    kBinary.encoder.encode(request, key, value_length, std::as_writable_bytes(std::span(prefix)), {});
    EXPECT_EQ(prefix + example.value, unhex(example.bytes));
  }
}

TEST(RequestEncoding, TheLongestKeyAndALargeValueFitTheirFields) {
  const std::string key(kMaxKeyLength, 'k');
  const std::string bytes = encode({.op = Op::kSet}, key, std::string(1 << 20, 'v'));
  EXPECT_EQ(bytes.substr(2, 2), unhex("00 fa"));
  EXPECT_EQ(bytes.substr(8, 4), unhex("00 10 01 02"));  // 8 + 250 + 1048576
}

KeyFault fault_of(std::string_view key) { return check_key(as_bytes(key)); }

TEST(CheckKey, TakesOneTo250Bytes) {
  EXPECT_EQ(fault_of(""), KeyFault::kEmpty);
  EXPECT_EQ(fault_of("k"), KeyFault::kNone);
  EXPECT_EQ(fault_of(std::string(250, 'k')), KeyFault::kNone);
  EXPECT_EQ(fault_of(std::string(251, 'k')), KeyFault::kTooLong);
  EXPECT_EQ(fault_of(std::string(251, ' ')), KeyFault::kTooLong);
}

TEST(CheckKey, KnowsEveryByteAtEveryPosition) {
  for (int value = 0; value < 256; ++value) {
    const bool forbidden = value <= 0x20 || value == 0x7f;
    for (const size_t length : {1, 7, 8, 9, 15, 16, 17, 250}) {
      for (size_t at = 0; at < length; ++at) {
        std::string key(length, 'k');
        key[at] = static_cast<char>(value);
        ASSERT_EQ(fault_of(key), forbidden ? KeyFault::kForbiddenByte : KeyFault::kNone)
            << "byte " << value << " at " << at << " of " << length;
      }
    }
  }
}

}  // namespace
}  // namespace evenkeel::wire::memcache
