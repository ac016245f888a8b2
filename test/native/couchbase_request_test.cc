// What is sent to Couchbase, to the byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "packets.h"
#include "wire/couchbase/couchbase.h"
#include "wire/couchbase/leb128.h"
#include "wire/memcache/binary.h"
#include "wire/memcache_meta/meta.h"

namespace evenkeel::wire::couchbase {
namespace {

using test::as_bytes;
using test::unhex;

// The opaque is ours, so its bytes here are the same in either order.
constexpr uint32_t kOpaque = 0x77777777;

std::string encode(const Protocol& protocol, Request request, std::string_view key, std::string_view value) {
  request.opaque = kOpaque;
  const size_t size = protocol.encoder.prefix_size(request, as_bytes(key), value.size());
  std::string bytes(size, '\x5a');
  protocol.encoder.encode(request, as_bytes(key), value.size(), std::as_writable_bytes(std::span(bytes)), {});
  EXPECT_LE(bytes.size(), protocol.most_head + key.size());
  EXPECT_EQ(protocol.encoder.suffix_size(request.op), 0u);
  return bytes + std::string(value);
}

struct Example {
  const char* name;
  Request request;
  const char* key;
  std::string value;
  const char* bytes;
};

const std::string kScan = unhex("00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f");

//             magic op  klen  ext dt part  body        opaque      cas
const Example kExamples[] = {
    {"get",
     {.op = Op::kGet, .partition = 977},
     "Hello",
     "",
     "80 00 00 06 00 00 03 d1 00 00 00 06 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 48 65 6c 6c 6f"},
    {"getOfACollection",
     {.op = Op::kGet, .partition = 1, .collection = 0x555},
     "k",
     "",
     "80 00 00 03 00 00 00 01 00 00 00 03 77 77 77 77 00 00 00 00 00 00 00 00"
     "d5 0a 6b"},
    {"set",
     {.op = Op::kSet,
      .cas = 0x0102030405060708,
      .flags = 0x02000000,
      .expiry = 0x0e10,
      .datatype = kIsJson,
      .partition = 0x0102,
      .collection = 8},
     "k",
     "{}",
     "80 01 00 02 08 01 01 02 00 00 00 0c 77 77 77 77 01 02 03 04 05 06 07 08"
     "02 00 00 00 00 00 0e 10 08 6b 7b 7d"},
    {"setWithDurability",
     {.op = Op::kSet, .durability = Durability::kMajority},
     "k",
     "v",
     "08 01 02 02 08 00 00 00 00 00 00 0d 77 77 77 77 00 00 00 00 00 00 00 00"
     "11 01 00 00 00 00 00 00 00 00 00 6b 76"},
    {"setWithDurabilityInTimeThatKeepsTheExpiry",
     {.op = Op::kSet,
      .flags = 1,
      .is_plain = false,
      .preserves_expiry = true,
      .durability = Durability::kPersistToMajority,
      .durability_timeout = 0x0abc},
     "k",
     "v",
     "08 01 05 02 08 00 00 00 00 00 00 10 77 77 77 77 00 00 00 00 00 00 00 00"
     "13 03 0a bc 50 00 00 00 01 00 00 00 00 00 6b 76"},
    {"removeThatKeepsTheExpiry",
     {.op = Op::kDelete, .preserves_expiry = true, .collection = 0xffffffff},
     "k",
     "",
     "08 04 01 06 00 00 00 00 00 00 00 07 77 77 77 77 00 00 00 00 00 00 00 00"
     "50 ff ff ff ff 0f 6b"},
    {"increment",
     {.op = Op::kIncrement, .expiry = 0xffffffff, .delta = 1, .initial = 2},
     "c",
     "",
     "80 05 00 02 14 00 00 00 00 00 00 16 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 ff ff ff ff 00 63"},
    {"append",
     {.op = Op::kAppend},
     "k",
     "v",
     "80 0e 00 02 00 00 00 00 00 00 00 03 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 6b 76"},
    {"touch",
     {.op = Op::kTouch, .expiry = 0x01020304},
     "k",
     "",
     "80 1c 00 02 04 00 00 00 00 00 00 06 77 77 77 77 00 00 00 00 00 00 00 00"
     "01 02 03 04 00 6b"},
    {"getReplica",
     {.op = Op::kGetReplica, .partition = 7},
     "k",
     "",
     "80 83 00 02 00 00 00 07 00 00 00 02 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 6b"},
    {"getAndLock",
     {.op = Op::kGetAndLock, .expiry = 15},
     "k",
     "",
     "80 94 00 02 04 00 00 00 00 00 00 06 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 0f 00 6b"},
    {"unlock",
     {.op = Op::kUnlock, .cas = 9},
     "k",
     "",
     "80 95 00 02 00 00 00 00 00 00 00 02 77 77 77 77 00 00 00 00 00 00 00 09"
     "00 6b"},
    {"getMeta",
     {.op = Op::kGetMeta},
     "k",
     "",
     "80 a0 00 02 01 00 00 00 00 00 00 03 77 77 77 77 00 00 00 00 00 00 00 00"
     "02 00 6b"},
    {"lookupIn",
     {.op = Op::kLookupIn},
     "k",
     "paths",
     "80 d0 00 02 00 00 00 00 00 00 00 07 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 6b 70 61 74 68 73"},
    {"lookupInDeleted",
     {.op = Op::kLookupIn, .document_flags = 4},
     "k",
     "p",
     "80 d0 00 02 01 00 00 00 00 00 00 04 77 77 77 77 00 00 00 00 00 00 00 00"
     "04 00 6b 70"},
    {"mutateIn",
     {.op = Op::kMutateIn, .cas = 1},
     "k",
     "p",
     "80 d1 00 02 00 00 00 00 00 00 00 03 77 77 77 77 00 00 00 00 00 00 00 01"
     "00 6b 70"},
    {"mutateInWithFlags",
     {.op = Op::kMutateIn, .document_flags = 1},
     "k",
     "p",
     "80 d1 00 02 01 00 00 00 00 00 00 04 77 77 77 77 00 00 00 00 00 00 00 00"
     "01 00 6b 70"},
    {"mutateInWithExpiry",
     {.op = Op::kMutateIn, .expiry = 5, .sets_expiry = true},
     "k",
     "p",
     "80 d1 00 02 04 00 00 00 00 00 00 07 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 05 00 6b 70"},
    {"mutateInThatEndsTheExpiry",
     {.op = Op::kMutateIn, .sets_expiry = true},
     "k",
     "p",
     "80 d1 00 02 04 00 00 00 00 00 00 07 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 00 00 6b 70"},
    {"mutateInWithAll",
     {.op = Op::kMutateIn,
      .expiry = 5,
      .sets_expiry = true,
      .durability = Durability::kMajority,
      .document_flags = 1},
     "k",
     "p",
     "08 d1 02 02 05 00 00 00 00 00 00 0a 77 77 77 77 00 00 00 00 00 00 00 00"
     "11 01 00 00 00 05 01 00 6b 70"},
    {"noop",
     {.op = Op::kNoop},
     "",
     "",
     "80 0a 00 00 00 00 00 00 00 00 00 00 77 77 77 77 00 00 00 00 00 00 00 00"},
    {"observeSeqno",
     {.op = Op::kObserveSeqno, .partition = 3},
     "",
     unhex("00 00 00 00 00 00 00 2a"),
     "80 91 00 00 00 00 00 03 00 00 00 08 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 00 00 00 00 00 00 2a"},
    {"getClusterConfig",
     {.op = Op::kClusterConfig},
     "",
     "",
     "80 b5 00 00 00 00 00 00 00 00 00 00 77 77 77 77 00 00 00 00 00 00 00 00"},
    {"getClusterConfigNewerThan",
     {.op = Op::kClusterConfig},
     "",
     kScan,
     "80 b5 00 00 10 00 00 00 00 00 00 10 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"},
    {"getManifest",
     {.op = Op::kGetManifest},
     "",
     "",
     "80 ba 00 00 00 00 00 00 00 00 00 00 77 77 77 77 00 00 00 00 00 00 00 00"},
    {"getCollectionId",
     {.op = Op::kGetCollectionId, .collection = 99},
     "",
     "s.c",
     "80 bb 00 00 00 00 00 00 00 00 00 03 77 77 77 77 00 00 00 00 00 00 00 00"
     "73 2e 63"},
    {"rangeScanCreate",
     {.op = Op::kRangeScanCreate, .datatype = kIsJson, .partition = 5},
     "",
     "{}",
     "80 da 00 00 00 01 00 05 00 00 00 02 77 77 77 77 00 00 00 00 00 00 00 00"
     "7b 7d"},
    {"rangeScanContinue",
     {.op = Op::kRangeScanContinue, .partition = 5},
     "",
     kScan + unhex("00 00 01 f4 00 00 00 00 00 00 10 00"),
     "80 db 00 00 1c 00 00 05 00 00 00 1c 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 00 00 01 f4 00 00 00 00 00 00 10 00"},
    {"rangeScanCancel",
     {.op = Op::kRangeScanCancel, .partition = 5},
     "",
     kScan,
     "80 dc 00 00 10 00 00 05 00 00 00 10 77 77 77 77 00 00 00 00 00 00 00 00"
     "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"},
    {"stat",
     {.op = Op::kStat},
     "ab",
     "",
     "80 10 00 02 00 00 00 00 00 00 00 02 77 77 77 77 00 00 00 00 00 00 00 00"
     "61 62"},
};

class CouchbaseRequest : public testing::TestWithParam<Example> {};

TEST_P(CouchbaseRequest, IsExactToTheByte) {
  const Example& example = GetParam();
  EXPECT_EQ(encode(kCouchbase, example.request, example.key, example.value), unhex(example.bytes));
}

INSTANTIATE_TEST_SUITE_P(Operations, CouchbaseRequest, testing::ValuesIn(kExamples),
                         [](const auto& example) { return std::string(example.param.name); });

TEST(CouchbaseRequests, OfServersThatKnowLessAreThoseOfMemcachedWithAPartition) {
  const Request request{.op = Op::kSet, .flags = 1, .expiry = 2, .datatype = kIsJson, .partition = 0x0102};
  EXPECT_EQ(encode(kClassic, request, "k", "v"),
            unhex("80 01 00 01 08 00 01 02 00 00 00 0a 77 77 77 77 00 00 00 00 00 00 00 00"
                  "00 00 00 01 00 00 00 02 6b 76"));
}

TEST(CouchbaseRequests, WithTheLongestOfEverythingFit) {
  const std::string key(246, 'k');
  const Request request{.op = Op::kSet,
                        .preserves_expiry = true,
                        .durability = Durability::kMajority,
                        .durability_timeout = 1,
                        .collection = UINT32_MAX};
  const std::string bytes = encode(kCouchbase, request, key, std::string(1 << 20, 'v'));
  EXPECT_EQ(bytes.substr(2, 3), unhex("05 fb 08"));
  EXPECT_EQ(bytes.substr(8, 4), unhex("00 10 01 08"));  // 5 + 8 + 5 + 246 + 1048576
  const std::string other = encode(kCouchbase, {.op = Op::kGet}, std::string(250, 'k'), "");
  EXPECT_EQ(other.substr(2, 2), unhex("00 fb"));
}

TEST(CouchbaseRequests, CollectionsAreNumberedInLeb128) {
  const std::vector<std::pair<uint32_t, const char*>> examples{{0, "00"},
                                                               {1, "01"},
                                                               {0x7f, "7f"},
                                                               {0x80, "80 01"},
                                                               {555, "ab 04"},
                                                               {0x555, "d5 0a"},
                                                               {0x7fff, "ff ff 01"},
                                                               {0xffff, "ff ff 03"},
                                                               {0x5555, "d5 aa 01"},
                                                               {0xcafef00, "80 de bf 65"},
                                                               {0xcafef00d, "8d e0 fb d7 0c"},
                                                               {0xffffffff, "ff ff ff ff 0f"}};
  for (const auto& [number, bytes] : examples) {
    std::string written(kMostLeb128, '\0');
    std::byte* const begin = std::as_writable_bytes(std::span(written)).data();
    const auto length = static_cast<size_t>(store_leb128(begin, number) - begin);
    EXPECT_EQ(length, leb128_size(number));
    EXPECT_EQ(written.substr(0, length), unhex(bytes)) << number;
  }
}

KeyFault fault_of(const std::string& key, uint32_t collection = 0) {
  return kCouchbase.encoder.check_key({.collection = collection}, as_bytes(key)).fault;
}

TEST(CouchbaseKeys, HaveAnyBytesAndALengthThatTheCollectionLeaves) {
  EXPECT_EQ(fault_of(""), KeyFault::kEmpty);
  EXPECT_EQ(fault_of(std::string(250, '\0')), KeyFault::kNone);
  EXPECT_EQ(fault_of(std::string(251, 'k')), KeyFault::kTooLong);
  EXPECT_EQ(fault_of(std::string(246, ' '), 8), KeyFault::kNone);
  EXPECT_EQ(fault_of(std::string(247, ' '), 8), KeyFault::kTooLong);
  EXPECT_FALSE(kCouchbase.encoder.check_key({}, as_bytes("a b")).needs_encoding);
}

TEST(Protocols, SayWhatTheyHave) {
  const std::vector<const Protocol*> all{&memcache::kBinary, &memcache_meta::kMeta, &kCouchbase, &kClassic};
  const auto sayers = [&all](const Request& request) {
    std::string names;
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i]->can_say(request)) names += "bmCc"[i];
    return names;
  };
  for (const Op op : {Op::kGet, Op::kSet, Op::kAdd, Op::kReplace, Op::kDelete, Op::kIncrement, Op::kDecrement,
                      Op::kAppend, Op::kPrepend, Op::kTouch, Op::kGetAndTouch, Op::kVersion, Op::kStat})
    EXPECT_EQ(sayers({.op = op}), "bmCc") << static_cast<int>(op);
  EXPECT_EQ(sayers({.op = Op::kFlush}), "bm");
  for (const Op op : {Op::kGetOrClaim, Op::kGetDetails, Op::kInvalidate}) EXPECT_EQ(sayers({.op = op}), "m");
  for (const Op op : {Op::kGetReplica, Op::kGetAndLock, Op::kUnlock, Op::kGetMeta, Op::kLookupIn,
                      Op::kMutateIn, Op::kNoop, Op::kObserveSeqno, Op::kGetManifest, Op::kGetCollectionId,
                      Op::kRangeScanCreate, Op::kRangeScanContinue, Op::kRangeScanCancel})
    EXPECT_EQ(sayers({.op = op}), "Cc") << static_cast<int>(op);
  EXPECT_EQ(sayers({.op = Op::kClusterConfig}), "mCc");
  EXPECT_EQ(sayers({.op = static_cast<Op>(0x23)}), "");
  EXPECT_EQ(sayers({.op = static_cast<Op>(0xff)}), "");
  EXPECT_EQ(sayers({.op = Op::kSet, .is_plain = false, .collection = 8}), "C");
}

}  // namespace
}  // namespace evenkeel::wire::couchbase
