#include "base/resources.h"

#include <gtest/gtest.h>

namespace evenkeel::base {
namespace {

TEST(Resources, AddressSpaceIsHadOrNot) {
  EXPECT_TRUE(can_map(0));
  EXPECT_TRUE(can_map(1 << 20));
  EXPECT_FALSE(can_map(uint64_t{1} << 62));
}

TEST(Resources, ThreadsAreHadOrNot) {
  EXPECT_TRUE(can_start_threads(0, 1 << 20));
  EXPECT_TRUE(can_start_threads(4, 1 << 20));
  // No stack may be as large.
  EXPECT_FALSE(can_start_threads(1, uint64_t{1} << 62));
}

}  // namespace
}  // namespace evenkeel::base
