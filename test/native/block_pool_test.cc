#include "base/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/counters.h"

namespace evenkeel::base {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

TEST(BlockPool, GivesABlockOfTheSizeAskedFor) {
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{65537}, 3 * kMegabyte}) {
    const BlockPool::Block block = pool->acquire(size);
    ASSERT_TRUE(block.is_valid());
    ASSERT_EQ(block.bytes().size(), size);
    if (size > 0) std::memset(block.bytes().data(), 1, size);
  }
  EXPECT_FALSE(BlockPool::Block().is_valid());
}

TEST(BlockPool, UsesABlockAgainForWhatNeedsAtLeastHalfOfIt) {
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  const std::byte* memory = nullptr;
  {
    BlockPool::Block block = pool->acquire(kMegabyte);
    memory = block.bytes().data();
    block.shorten(1);  // what it holds is its capacity
  }
  EXPECT_NE(pool->acquire(kMegabyte / 4).bytes().data(), memory);
  EXPECT_EQ(pool->acquire(kMegabyte / 2).bytes().data(), memory);
}

TEST(BlockPool, TwoBlocksInUseAreTwo) {
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  const BlockPool::Block first = pool->acquire(100);
  const BlockPool::Block second = pool->acquire(100);
  EXPECT_NE(first.bytes().data(), second.bytes().data());
}

TEST(BlockPool, AMovedBlockIsReturnedOnce) {
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  BlockPool::Block first = pool->acquire(100);
  const std::byte* const memory = first.bytes().data();
  BlockPool::Block second = std::move(first);
  EXPECT_EQ(second.bytes().data(), memory);
  second = BlockPool::Block();
  const BlockPool::Block third = pool->acquire(100);
  const BlockPool::Block fourth = pool->acquire(100);
  EXPECT_NE(third.bytes().data(), fourth.bytes().data());
}

TEST(BlockPool, BlocksKeepTheirPoolAlive) {
  auto pool = std::make_shared<BlockPool>(kMegabyte);
  const std::weak_ptr<BlockPool> observer = pool;
  {
    const BlockPool::Block block = pool->acquire(100);
    pool.reset();
    EXPECT_FALSE(observer.expired());
  }
  EXPECT_TRUE(observer.expired());
}

TEST(BlockPool, TakesWhatItNeedsAndGivesBackWhatItDoesNotKeep) {
  const int64_t before = counters.mapped_bytes.load();
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  {
    std::vector<BlockPool::Block> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back(pool->acquire(100'000));
    EXPECT_LE(counters.mapped_bytes.load() - before, 100 * 131'072);
  }
  EXPECT_LE(counters.mapped_bytes.load() - before, static_cast<int64_t>(kMegabyte));
  const BlockPool::Block used = pool->acquire(100'000);
  pool->close();
  EXPECT_LE(counters.mapped_bytes.load() - before, 131'072);
  { const BlockPool::Block passing = pool->acquire(kMegabyte); }
  EXPECT_LE(counters.mapped_bytes.load() - before, 131'072);
}

TEST(BlockPool, ServesSeveralThreads) {
  const auto pool = std::make_shared<BlockPool>(kMegabyte);
  std::vector<std::thread> threads;
  for (int value = 1; value <= 3; ++value) {
    threads.emplace_back([&pool, value] {
      for (int i = 0; i < 500; ++i) {
        const BlockPool::Block block = pool->acquire(70'000);
        std::memset(block.bytes().data(), value, block.bytes().size());
        ASSERT_EQ(block.bytes().back(), static_cast<std::byte>(value));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace evenkeel::base
