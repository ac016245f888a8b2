// What is sent, to the byte; and that nothing in a key, a value or a number can be read as anything else, by
// a reader of requests that is written here after the protocol's text.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "packets.h"
#include "seed.h"
#include "wire/memcache_meta/meta.h"

namespace evenkeel::wire::memcache_meta {
namespace {

using test::as_bytes;

// `capacity`: what is known of the value's length before the place of the line is fixed.
std::string encode(Request request, std::string_view key, std::string_view value, size_t capacity) {
  const Encoder& encoder = kMeta.encoder;
  request.encodes_key = encoder.check_key(request, as_bytes(key)).needs_encoding;
  const size_t prefix = encoder.prefix_size(request, as_bytes(key), capacity);
  const size_t suffix = encoder.suffix_size(request.op);
  std::string bytes(prefix + suffix, '\x5a');
  const auto space = std::as_writable_bytes(std::span(bytes));
  encoder.encode(request, as_bytes(key), value.size(), space.first(prefix), space.last(suffix));
  EXPECT_LE(bytes.size(), kMeta.most_head + key.size());
  return bytes.substr(0, prefix) + std::string(value) + bytes.substr(prefix);
}

struct Example {
  const char* name;
  Request request;
  std::string key;
  std::string value;
  std::string bytes;
};

class MetaRequest : public testing::TestWithParam<Example> {};

TEST_P(MetaRequest, IsExactToTheByte) {
  const Example& example = GetParam();
  EXPECT_EQ(encode(example.request, example.key, example.value, example.value.size()), example.bytes);
}

constexpr uint32_t kOpaque = 0x1a2b3c;
constexpr uint64_t kMost = UINT64_MAX;

const Example kExamples[] = {
    {"get", {.op = Op::kGet, .opaque = kOpaque}, "Hello", "", "mg Hello v f O001a2b3c\r\n"},
    {"getRecord",
     {.op = Op::kGet, .wants_cas = true, .opaque = kOpaque},
     "k",
     "",
     "mg k v f c O001a2b3c\r\n"},
    {"getDetails",
     {.op = Op::kGetDetails, .wants_cas = true, .opaque = kOpaque},
     "k",
     "",
     "mg k v f c t l h u O001a2b3c\r\n"},
    {"getOrClaim",
     {.op = Op::kGetOrClaim, .wants_cas = true, .opaque = kOpaque, .expiry = 30},
     "k",
     "",
     "mg k v f c N30 O001a2b3c\r\n"},
    {"getOrClaimEarly",
     {.op = Op::kGetOrClaim, .wants_cas = true, .opaque = kOpaque, .expiry = 30, .recache = 600},
     "k",
     "",
     "mg k v f c N30 R600 O001a2b3c\r\n"},
    {"invalidate", {.op = Op::kInvalidate, .opaque = kOpaque}, "k", "", "md k I O001a2b3c\r\n"},
    {"invalidateForAWhile",
     {.op = Op::kInvalidate, .opaque = kOpaque, .cas = 77, .expiry = 60},
     "k",
     "",
     "md k I T60 C77 O001a2b3c\r\n"},
    {"exists", {.op = Op::kGet, .discards_value = true, .opaque = kOpaque}, "k", "", "mg k O001a2b3c\r\n"},
    {"getAndTouch",
     {.op = Op::kGetAndTouch, .opaque = kOpaque, .expiry = 300},
     "k",
     "",
     "mg k v f T300 O001a2b3c\r\n"},
    {"touch",
     {.op = Op::kTouch, .discards_value = true, .opaque = UINT32_MAX - 1},
     "k",
     "",
     "mg k T0 Offfffffe\r\n"},
    {"touchBeyondInt32",
     {.op = Op::kTouch, .opaque = 1, .expiry = 4000000000},
     "k",
     "",
     "mg k T2147483647 O00000001\r\n"},
    {"set", {.op = Op::kSet, .opaque = kOpaque}, "k", "value", "ms k 5 c O000000000001a2b3c\r\nvalue\r\n"},
    {"setWithAVersion",
     {.op = Op::kSet, .opaque = kOpaque, .cas = 5, .new_cas = UINT64_MAX, .expiry = 60},
     "k",
     "v",
     "ms k 1 c T60 E18446744073709551615 C5 O000000000001a2b3c\r\nv\r\n"},
    {"appendHasNoVersion",
     {.op = Op::kAppend, .opaque = kOpaque, .new_cas = 7},
     "k",
     "v",
     "ms k 1 c MA O000000000001a2b3c\r\nv\r\n"},
    {"setOfNothing", {.op = Op::kSet, .opaque = kOpaque}, "k", "", "ms k 0 c O000000000001a2b3c\r\n\r\n"},
    {"setWithEverything",
     {.op = Op::kSet, .opaque = kOpaque, .cas = kMost, .flags = UINT32_MAX, .expiry = 60},
     "k",
     "0123456789",
     "ms k 10 c F4294967295 T60 C18446744073709551615 O00000000001a2b3c\r\n0123456789\r\n"},
    {"add",
     {.op = Op::kAdd, .opaque = kOpaque, .flags = 7},
     "k",
     "v",
     "ms k 1 c ME F7 O000000000001a2b3c\r\nv\r\n"},
    {"replace",
     {.op = Op::kReplace, .opaque = kOpaque, .cas = 9},
     "k",
     "v",
     "ms k 1 c MR C9 O000000000001a2b3c\r\nv\r\n"},
    {"append",
     {.op = Op::kAppend, .opaque = kOpaque, .cas = 9, .flags = 7, .expiry = 5},
     "k",
     "v",
     "ms k 1 c MA C9 O000000000001a2b3c\r\nv\r\n"},
    {"prepend", {.op = Op::kPrepend, .opaque = kOpaque}, "k", "v", "ms k 1 c MP O000000000001a2b3c\r\nv\r\n"},
    {"remove", {.op = Op::kDelete, .opaque = kOpaque}, "k", "", "md k O001a2b3c\r\n"},
    {"removeByCas", {.op = Op::kDelete, .opaque = kOpaque, .cas = 77}, "k", "", "md k C77 O001a2b3c\r\n"},
    {"increment",
     {.op = Op::kIncrement, .opaque = kOpaque, .expiry = UINT32_MAX, .delta = kMost},
     "k",
     "",
     "ma k v D18446744073709551615 O001a2b3c\r\n"},
    {"decrementOrCreate",
     {.op = Op::kDecrement, .opaque = kOpaque, .cas = 3, .expiry = 60, .delta = 2, .initial = 10},
     "k",
     "",
     "ma k v MD D2 J10 N60 C3 O001a2b3c\r\n"},
    {"base64", {.op = Op::kGet, .opaque = kOpaque}, "a b", "", "mg YSBi b v f O001a2b3c\r\n"},
    {"base64OfTwoBytes", {.op = Op::kDelete, .opaque = kOpaque}, "\r\n", "", "md DQo= b O001a2b3c\r\n"},
    {"base64OfOneByte",
     {.op = Op::kSet, .opaque = kOpaque},
     std::string(1, '\0'),
     "v",
     "ms AA== 1 b c O000000000001a2b3c\r\nv\r\n"},
    {"base64ofHighBytes",
     {.op = Op::kGet, .opaque = kOpaque},
     "\x7f\xff\xfe",
     "",
     "mg f//+ b v f O001a2b3c\r\n"},
    {"keyOfHighBytes", {.op = Op::kGet, .opaque = kOpaque}, "\xc3\xbc", "", "mg \xc3\xbc v f O001a2b3c\r\n"},
    {"keyLikeAFlag", {.op = Op::kGet, .opaque = kOpaque}, "b", "", "mg b v f O001a2b3c\r\n"},
    {"stats", {.op = Op::kStat, .opaque = kOpaque}, "", "", "stats\r\n"},
    {"statsOfAGroup", {.op = Op::kStat, .opaque = kOpaque}, "items", "", "stats items\r\n"},
    {"flushAll", {.op = Op::kFlush, .opaque = kOpaque}, "", "", "flush_all 0\r\n"},
    {"flushAllLater", {.op = Op::kFlush, .opaque = kOpaque, .expiry = 10}, "", "", "flush_all 10\r\n"},
    {"clusterConfig", {.op = Op::kClusterConfig, .opaque = kOpaque}, "", "", "config get cluster\r\n"},
    {"clusterConfigAsARecord",
     {.op = Op::kClusterConfig, .opaque = kOpaque},
     "AmazonElastiCache:cluster",
     "",
     "get AmazonElastiCache:cluster\r\n"},
    {"version", {.op = Op::kVersion, .opaque = kOpaque}, "", "", "version\r\n"},
};

TEST(MetaArgument, TakesNoArgumentThatCouldBeACommand) {
  for (const std::string argument : {"a b", "items\r\nflush_all", "\n"})
    EXPECT_EQ(kMeta.encoder.check_argument(as_bytes(argument)), KeyFault::kForbiddenByte);
  EXPECT_EQ(kMeta.encoder.check_argument(as_bytes("")), KeyFault::kNone);
  EXPECT_EQ(kMeta.encoder.check_argument(as_bytes("items")), KeyFault::kNone);
}

INSTANTIATE_TEST_SUITE_P(Operations, MetaRequest, testing::ValuesIn(kExamples),
                         [](const auto& example) { return std::string(example.param.name); });

TEST(MetaKeys, HaveWhatFitsIntoTheServersLimit) {
  const auto fault = [](const std::string& key) { return kMeta.encoder.check_key({}, as_bytes(key)).fault; };
  EXPECT_EQ(fault(""), KeyFault::kEmpty);
  EXPECT_EQ(fault(std::string(250, 'k')), KeyFault::kNone);
  EXPECT_EQ(fault(std::string(251, 'k')), KeyFault::kTooLong);
  EXPECT_EQ(fault(std::string(186, ' ')), KeyFault::kNone);
  EXPECT_EQ(fault(std::string(187, ' ')), KeyFault::kForbiddenByte);
  EXPECT_EQ(fault(std::string(251, ' ')), KeyFault::kTooLong);
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(fault(std::string(1, static_cast<char>(byte))), KeyFault::kNone);
}

// A server's reading of one request: what is left of the bytes is the next one.
struct Understood {
  std::vector<std::string> words;
  std::string value;
};

std::optional<Understood> understand(std::string_view* bytes) {
  const size_t end = bytes->find('\n');
  if (end == std::string_view::npos || end == 0 || (*bytes)[end - 1] != '\r') return std::nullopt;
  Understood request;
  std::string word;
  for (const char c : bytes->substr(0, end - 1)) {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      request.words.push_back(std::exchange(word, ""));
    }
  }
  if (!word.empty()) request.words.push_back(word);
  bytes->remove_prefix(end + 1);
  if (request.words.at(0) != "ms") return request;
  const size_t length = std::stoul(request.words.at(2));
  if (bytes->size() < length + 2 || bytes->substr(length, 2) != "\r\n") return std::nullopt;
  request.value = bytes->substr(0, length);
  bytes->remove_prefix(length + 2);
  return request;
}

std::string from_base64(std::string_view text) {
  static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (const char digit : text.substr(0, text.find('='))) {
    group = group << 6 | static_cast<uint32_t>(kDigits.find(digit));
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits);
    group &= (1u << bits) - 1;
  }
  return bytes;
}

class AnyRequest : public testing::Test {
 protected:
  std::string bytes(size_t length) {
    static constexpr std::string_view kNasty{
        "\r\n \0\t\x7f\xff"
        "bOq",
        10};
    std::string all;
    while (all.size() < length) {
      const uint64_t kind = random_() % 8;
      if (kind < 5) {
        all += kNasty[random_() % kNasty.size()];
      } else if (kind < 7) {
        all += static_cast<char>(random_());
      } else {
        all += "\r\nflush_all\r\nmd k\r\n";
      }
    }
    return all.substr(0, length);
  }
  // Of any size.
  uint64_t number() { return random_() >> (random_() % 64); }

  const uint64_t seed_ = test::choose_seed();
  std::mt19937_64 random_{seed_};
};

TEST_F(AnyRequest, IsReadAsWhatItIs) {
  SCOPED_TRACE(test::describe_seed(seed_));
  static constexpr Op kOps[] = {Op::kGet,        Op::kSet,       Op::kAdd,         Op::kReplace,
                                Op::kDelete,     Op::kIncrement, Op::kDecrement,   Op::kAppend,
                                Op::kPrepend,    Op::kTouch,     Op::kGetAndTouch, Op::kGetOrClaim,
                                Op::kGetDetails, Op::kInvalidate};
  for (int round = 0; round < 20000; ++round) {
    const Request request{.op = kOps[random_() % std::size(kOps)],
                          .discards_value = random_() % 2 == 0,
                          .wants_cas = random_() % 2 == 0,
                          .opaque = static_cast<uint32_t>(number()),
                          .cas = number(),
                          .flags = static_cast<uint32_t>(number()),
                          .expiry = static_cast<uint32_t>(number()),
                          .recache = static_cast<uint32_t>(number()),
                          .delta = number(),
                          .initial = number()};
    std::string key = bytes(random_() % 186 + 1);
    if (random_() % 2 == 0)
      std::erase_if(key, [](char c) { return static_cast<uint8_t>(c) <= 0x20 || c == 0x7f; });
    if (key.empty()) continue;
    const bool stores = kMeta.encoder.suffix_size(request.op) > 0;
    const std::string value = stores ? bytes(random_() % 300) : "";
    const std::string sent = encode(request, key, value, value.size() + random_() % 1000);
    std::string_view rest = sent;
    const std::optional<Understood> understood = understand(&rest);
    ASSERT_TRUE(understood.has_value());
    ASSERT_TRUE(rest.empty());
    ASSERT_EQ(understood->value, value);
    const std::vector<std::string>& words = understood->words;
    const size_t first_flag = stores ? 3 : 2;
    ASSERT_GT(words.size(), first_flag);
    ASSERT_LE(words.size(), 19u);  // that memcached takes
    ASSERT_LE(words.at(1).size(), 250u);
    const bool is_base64 = words.at(first_flag) == "b";
    ASSERT_EQ(is_base64 ? from_base64(words.at(1)) : words.at(1), key);
    ASSERT_EQ(words.back().at(0), 'O');
    ASSERT_LE(words.back().size(), 32u);
    ASSERT_EQ(std::stoul(words.back().substr(1), nullptr, 16), request.opaque);
    std::string seen;
    for (size_t i = first_flag; i < words.size(); ++i) {
      ASSERT_EQ(seen.find(words[i][0]), std::string::npos) << sent;  // memcached takes none twice
      seen += words[i][0];
    }
  }
}

// A value that is sent from where it lies is not counted before the line's place is fixed.
TEST(MetaRequestOfALargeValue, HasRoomForAnyLength) {
  const Request request{.op = Op::kSet, .opaque = kOpaque};
  const size_t prefix = kMeta.encoder.prefix_size(request, as_bytes("k"), 0);
  for (const size_t length : {size_t{0}, size_t{99'999}, size_t{1} << 30, size_t{UINT32_MAX}}) {
    std::string line(prefix, '\x5a');
    std::string end(2, '\x5a');
    kMeta.encoder.encode(request, as_bytes("k"), length, std::as_writable_bytes(std::span(line)),
                         std::as_writable_bytes(std::span(end)));
    EXPECT_EQ(line.substr(0, 5 + std::to_string(length).size()), "ms k " + std::to_string(length));
    EXPECT_EQ(line.substr(prefix - 8) + end, "1a2b3c\r\n\r\n");
  }
}

}  // namespace
}  // namespace evenkeel::wire::memcache_meta
