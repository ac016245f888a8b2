#include "pipeline/topology.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <string>

#include "packets.h"
#include "seed.h"

namespace evenkeel::pipeline {
namespace {

using test::as_bytes;
using test::unhex;

struct Expectation {
  const char* placement;
  KeyHash hash;
  size_t servers;
  std::vector<uint32_t> points;  // of a ring
  std::vector<uint16_t> owners;
  std::vector<uint16_t> routes;  // one for each key
};
#include "placement_routes.inc"

std::unique_ptr<const Topology> topology_of(const Expectation& expected) {
  if (expected.points.empty()) return Modulo::make(expected.hash, expected.servers);
  return Ring::make(expected.hash, expected.points, expected.owners, expected.servers);
}

TEST(Topology, RoutesEachKeyWhereTypeScriptDoes) {
  for (const Expectation& expected : kExpectations) {
    const std::unique_ptr<const Topology> topology = topology_of(expected);
    ASSERT_NE(topology, nullptr) << expected.placement;
    EXPECT_EQ(topology->servers(), expected.servers);
    for (size_t i = 0; i < std::size(kKeys); ++i) {
      const std::string key = unhex(kKeys[i]);
      EXPECT_EQ(topology->route(as_bytes(key)).server, expected.routes[i])
          << expected.placement << ", key " << kKeys[i];
    }
  }
}

TEST(Topology, ASingleServerHasEveryKeyOnOneConnection) {
  const Single single;
  EXPECT_EQ(single.servers(), 1u);
  EXPECT_EQ(single.route(as_bytes("a")), (Route{.server = 0, .hash = 0}));
  EXPECT_EQ(single.route(as_bytes("b")), (Route{.server = 0, .hash = 0}));
}

// A ring whose points are the hashes of keys, so that one hits a point exactly.
TEST(Ring, TheFirstPointAtOrBehindTheHashDecidesAndBehindTheLastTheFirst) {
  std::array<std::string, 3> keys = {"a", "b", "c"};
  const auto hash_of = [](const std::string& key) { return one_at_a_time(as_bytes(key)); };
  std::sort(keys.begin(), keys.end(),
            [&](const auto& one, const auto& other) { return hash_of(one) < hash_of(other); });
  const uint32_t middle = hash_of(keys[1]);
  const auto ring = [](std::vector<uint32_t> points, std::vector<uint16_t> owners) {
    return Ring::make(KeyHash::kOneAtATime, std::move(points), std::move(owners), 10);
  };
  const auto servers = [&](const std::unique_ptr<const Ring>& topology) {
    std::vector<uint16_t> found;
    for (const std::string& key : keys) found.push_back(topology->route(as_bytes(key)).server);
    return found;
  };
  EXPECT_EQ(servers(ring({middle}, {7})), (std::vector<uint16_t>{7, 7, 7}));
  EXPECT_EQ(servers(ring({middle - 1, middle}, {1, 2})), (std::vector<uint16_t>{1, 2, 1}));
  EXPECT_EQ(servers(ring({middle, middle + 1}, {1, 2})), (std::vector<uint16_t>{1, 1, 1}));
  EXPECT_EQ(servers(ring({middle, middle, middle}, {3, 4, 5})), (std::vector<uint16_t>{3, 3, 3}));
  EXPECT_EQ(servers(ring({0, std::numeric_limits<uint32_t>::max()}, {8, 9})),
            (std::vector<uint16_t>{9, 9, 9}));
}

TEST(Ring, AnyNumberOfPointsIsSearchedAsTheStandardLibrarySearchesIt) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  for (size_t size = 1; size <= 200; ++size) {
    std::vector<uint32_t> points(size);
    std::vector<uint16_t> owners(size);
    for (uint32_t& point : points) point = static_cast<uint32_t>(random());
    for (size_t i = 0; i < size; ++i) owners[i] = static_cast<uint16_t>(i);
    std::sort(points.begin(), points.end());
    const auto ring = Ring::make(KeyHash::kMd5, points, owners, size);
    ASSERT_NE(ring, nullptr);
    for (int i = 0; i < 50; ++i) {
      const std::string key = std::to_string(random());
      const uint32_t hash = md5_word(as_bytes(key));
      const auto found = std::lower_bound(points.begin(), points.end(), hash);
      const auto owner = found == points.end() ? 0 : static_cast<uint16_t>(found - points.begin());
      EXPECT_EQ(ring->route(as_bytes(key)), (Route{.server = static_cast<uint16_t>(owner), .hash = hash}));
    }
  }
}

TEST(Ring, IsMadeOfAscendingPointsThatServersOwn) {
  const auto ring = [](std::vector<uint32_t> points, std::vector<uint16_t> owners) {
    return Ring::make(KeyHash::kMd5, std::move(points), std::move(owners), 2) != nullptr;
  };
  EXPECT_TRUE(ring({1, 2, 2}, {0, 1, 0}));
  EXPECT_FALSE(ring({}, {}));
  EXPECT_FALSE(ring({1, 2}, {0}));
  EXPECT_FALSE(ring({1}, {0, 1}));
  EXPECT_FALSE(ring({2, 1}, {0, 1}));
  EXPECT_FALSE(ring({1, 2}, {0, 2}));
}

TEST(Modulo, IsMadeOfAsManyServersAsThereAreIndices) {
  EXPECT_EQ(Modulo::make(KeyHash::kJava, 0), nullptr);
  EXPECT_NE(Modulo::make(KeyHash::kJava, 1), nullptr);
  EXPECT_NE(Modulo::make(KeyHash::kJava, 65536), nullptr);
  EXPECT_EQ(Modulo::make(KeyHash::kJava, 65537), nullptr);
}

// The remainder of one hash by 4 would leave one of 4 connections to each of 4 servers.
TEST(Topology, TheKeysOfAServerSpreadOverItsConnections) {
  constexpr size_t kServers = 4;
  constexpr size_t kConnections = 4;
  constexpr size_t kNumber = 4000;
  std::vector<std::unique_ptr<const Topology>> topologies;
  topologies.push_back(Modulo::make(KeyHash::kOneAtATime, kServers));
  topologies.push_back(Modulo::make(KeyHash::kOneAtATime, 1));
  for (const Expectation& expected : kExpectations)
    if (!expected.points.empty()) topologies.push_back(topology_of(expected));
  for (const auto& topology : topologies) {
    std::vector<std::array<size_t, kConnections>> counts(topology->servers());
    for (size_t i = 0; i < kNumber; ++i) {
      const Route route = topology->route(as_bytes("key:" + std::to_string(i)));
      ++counts[route.server][route.hash % kConnections];
    }
    for (const auto& connections : counts) {
      size_t sum = 0;
      for (const size_t count : connections) sum += count;
      for (const size_t count : connections) EXPECT_GT(count, sum / kConnections / 2);
    }
  }
}

}  // namespace
}  // namespace evenkeel::pipeline
