// Which server a key of a bucket goes to.
#include "pipeline/partitions.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "packets.h"
#include "pipeline/crc32.h"
#include "seed.h"

namespace evenkeel::pipeline {
namespace {

using test::as_bytes;

constexpr auto kNobody = static_cast<int16_t>(Partitions::kNobody);

struct Example {
  std::string key;
  uint32_t crc;
  uint16_t of_1024;
  uint16_t of_64;
};

const Example kExamples[] = {
    {"foo", 0x8c736521, 115, 51},
    {"bar", 0x76ff8caa, 767, 63},
    {"Hello", 0xf7d18982, 977, 17},
    {"hello", 0x3610a686, 528, 16},
    {"counter", 0xc1229478, 290, 34},
    {"mykey", 0xc466d94c, 102, 38},
    {"key_0", 0x64e29498, 226, 34},
    {"key_19", 0x6aacaf26, 684, 44},
    {"user:1002", 0x717a76cf, 378, 58},
    {"airline_10", 0x0d694ea7, 361, 41},
    {"airport_1254", 0x55952424, 405, 21},
    {"session::9f8e7d", 0x8ff0019f, 1008, 48},
    {"a", 0xe8b7be43, 183, 55},
    {"", 0, 0, 0},
    {"0", 0xf4dbdf21, 219, 27},
    {"\xc3\xa9t\xc3\xa9", 0x44d16cd4, 209, 17},
    {std::string(250, 'x'), 0x89689892, 360, 40},
};

// A row with one copy for each partition; each has a server of its own.
std::shared_ptr<const Partitions> one_server_each(size_t partitions) {
  std::vector<int16_t> owners(partitions);
  std::iota(owners.begin(), owners.end(), int16_t{0});
  return Partitions::make(std::move(owners), 1, partitions);
}

TEST(Crc32, IsThatOfZlib) {
  for (const Example& example : kExamples)
    EXPECT_EQ(crc32(as_bytes(example.key)), example.crc) << example.key;
}

TEST(Crc32, IsTheSameBitByBit) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  for (size_t length = 0; length < 100; ++length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    uint32_t crc = ~uint32_t{0};
    for (const char byte : bytes) {
      crc ^= static_cast<uint8_t>(byte);
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    ASSERT_EQ(crc32(as_bytes(bytes)), ~crc) << length;
  }
}

TEST(Partitions, AreThoseOfTheKeysWhateverTheirNumber) {
  const auto many = one_server_each(1024);
  const auto few = one_server_each(64);
  const auto odd = one_server_each(7);
  for (const Example& example : kExamples) {
    const std::span<const std::byte> key = as_bytes(example.key);
    EXPECT_EQ(many->route(key), (Route{example.of_1024, example.of_1024, example.of_1024})) << example.key;
    EXPECT_EQ(few->route(key), (Route{example.of_64, example.of_64, example.of_64})) << example.key;
    EXPECT_EQ(odd->route(key).partition, (example.crc >> 16 & 0x7fff) % 7) << example.key;
  }
}

TEST(Partitions, HaveReplicas) {
  // Of the partition of all keys: active on server 2, one replica on server 0.
  const auto partitions = Partitions::make({2, 0, kNobody}, 3, 3);
  const std::span<const std::byte> key = as_bytes("foo");
  EXPECT_EQ(partitions->size(), 1u);
  EXPECT_EQ(partitions->route(key).server, 2);
  EXPECT_EQ(partitions->route_to_replica(key, 1).server, 0);
  EXPECT_EQ(partitions->route_to_replica(key, 2).server, kNoServer);
  EXPECT_EQ(partitions->route_to_replica(key, 3).server, kNoServer);
  EXPECT_EQ(partitions->owner(0), 2);
  EXPECT_EQ(partitions->owner(0, 2), Partitions::kNobody);
  EXPECT_EQ(partitions->owner(1), Partitions::kNobody);
}

TEST(Partitions, WithoutAnActiveCopyAreAnybodys) {
  const auto partitions = Partitions::make({kNobody, kNobody, kNobody, kNobody}, 1, 2);
  for (const Example& example : kExamples) EXPECT_LT(partitions->route(as_bytes(example.key)).server, 2);
  EXPECT_EQ(partitions->owner(3), Partitions::kNobody);
  EXPECT_TRUE(partitions->has_gaps());
}

TEST(Partitions, WithoutAReplicaHaveNoGaps) {
  EXPECT_FALSE(Partitions::make({0, kNobody, 1, kNobody}, 2, 2)->has_gaps());
  EXPECT_TRUE(Partitions::make({0, 1, kNobody, 1}, 2, 2)->has_gaps());
}

TEST(Partitions, AreRefusedWhereTheyContradictThemselves) {
  EXPECT_EQ(Partitions::make({}, 1, 1), nullptr);
  EXPECT_EQ(Partitions::make({0}, 0, 1), nullptr);
  EXPECT_EQ(Partitions::make({0, 0, 0}, 2, 1), nullptr);
  EXPECT_EQ(Partitions::make({1}, 1, 1), nullptr);
  EXPECT_EQ(Partitions::make({-2}, 1, 1), nullptr);
  EXPECT_EQ(Partitions::make({kNobody}, 1, 0), nullptr);
  EXPECT_EQ(Partitions::make(std::vector<int16_t>(65537), 1, 1), nullptr);
  EXPECT_NE(Partitions::make(std::vector<int16_t>(65536), 1, 1), nullptr);
}

}  // namespace
}  // namespace evenkeel::pipeline
