#include "base/pages.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/byte_buffer.h"
#include "base/counters.h"

namespace evenkeel::base {
namespace {

int64_t mapped() { return counters.mapped_bytes.load(); }

TEST(Pages, AreCountedUntilTheyAreGivenBack) {
  const int64_t before = mapped();
  const size_t size = round_to_pages(100'000);
  EXPECT_GE(size, 100'000u);
  std::byte* data = map_pages(size);
  ASSERT_NE(data, nullptr);
  std::memset(data, 7, size);
  EXPECT_EQ(mapped() - before, static_cast<int64_t>(size));
  data = resize_pages(data, size, 10 * size);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data[size - 1], std::byte{7});
  EXPECT_EQ(data[size], std::byte{0});
  data = resize_pages(data, 10 * size, size);
  EXPECT_EQ(mapped() - before, static_cast<int64_t>(size));
  unmap_pages(data, size);
  EXPECT_EQ(mapped(), before);
}

TEST(Pages, ThatCannotBeHadAreNull) {
  const int64_t before = mapped();
  EXPECT_EQ(map_pages(round_to_pages(size_t{1} << 62)), nullptr);
  EXPECT_EQ(mapped(), before);
}

TEST(BulkVector, GrowsIntoPagesAndGivesMuchBack) {
  const int64_t before = mapped();
  {
    BulkVector<uint64_t> vector;
    for (uint64_t i = 0; i < 2'000'000; ++i) vector.push_back(i);
    for (uint64_t i = 0; i < vector.size(); ++i) ASSERT_EQ(vector[i], i);
    EXPECT_GT(mapped(), before);
    vector.resize(100);
    shrink(vector);
    EXPECT_EQ(mapped(), before);
    EXPECT_EQ(vector[99], 99u);
    vector.resize(2'000'000);
    clear(vector);
    EXPECT_EQ(mapped(), before);
    vector.resize(50'000);  // not much: kept
    clear(vector);
    EXPECT_GT(mapped(), before);
  }
  EXPECT_EQ(mapped(), before);
}

TEST(ByteBuffer, GrowsIntoPagesAndGivesMuchBack) {
  const int64_t before = mapped();
  {
    ByteBuffer buffer;
    const std::vector<std::byte> chunk(10'000, std::byte{3});
    for (int i = 0; i < 1000; ++i) buffer.append(chunk);
    EXPECT_EQ(buffer.size(), 10'000'000u);
    for (size_t i = 0; i < buffer.size(); ++i) ASSERT_EQ(buffer.data()[i], std::byte{3});
    EXPECT_GT(mapped(), before);
    buffer.truncate(20'000);
    buffer.shrink();
    EXPECT_LE(mapped() - before, 1 << 20);
    EXPECT_EQ(buffer.data()[19'999], std::byte{3});
    for (int i = 0; i < 1000; ++i) buffer.append(chunk);
    buffer.clear();
    EXPECT_EQ(mapped(), before);
    buffer.append(chunk);
    EXPECT_EQ(buffer.size(), 10'000u);
  }
  EXPECT_EQ(mapped(), before);
}

}  // namespace
}  // namespace evenkeel::base
