#include "net/batch.h"

#include <gtest/gtest.h>

#include "batches.h"

namespace evenkeel::net {
namespace {

using test::add_request;
using test::as_text;
using test::TextPayload;

std::string bytes_of(const Batch& batch) { return as_text({batch.bytes.data(), batch.bytes.size()}); }

std::string payload_of(const Batch& batch, size_t packet) {
  return as_text(batch.payloads[batch.packets[packet].payload].payload->bytes());
}

TEST(Batch, AppendingToAnEmptyOneMovesWithoutACopy) {
  Batch from, to;
  add_request(&from, 1, "one", std::make_unique<TextPayload>("payload"));
  const std::byte* const memory = from.bytes.data();
  to.append(from);
  EXPECT_EQ(to.bytes.data(), memory);
  EXPECT_EQ(bytes_of(to), "one");
  EXPECT_EQ(to.payloads.size(), 1u);
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(from.bytes.size(), 0u);
  EXPECT_TRUE(from.payloads.empty());
}

TEST(Batch, AppendingKeepsTheOrderOfEverything) {
  Batch from, to;
  add_request(&to, 1, "one", std::make_unique<TextPayload>("first"));
  add_request(&to, 2, "two");
  add_request(&from, 3, "three");
  add_request(&from, 4, "four", std::make_unique<TextPayload>("second"));
  to.append(from);
  EXPECT_EQ(bytes_of(to), "onetwothreefour");
  ASSERT_EQ(to.packets.size(), 4u);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(to.packets[i].opaque, i + 1);
  ASSERT_EQ(to.payloads.size(), 2u);
  EXPECT_EQ(payload_of(to, 0), "first");
  EXPECT_EQ(payload_of(to, 3), "second");
  EXPECT_EQ(to.length(to.packets[0]), 8u);
  EXPECT_EQ(to.length(to.packets[1]), 3u);
  EXPECT_TRUE(from.empty());
}

TEST(Batch, AppendingAnEmptyOneChangesNothing) {
  Batch from, to;
  add_request(&to, 1, "one");
  to.append(from);
  EXPECT_EQ(bytes_of(to), "one");
  EXPECT_EQ(to.packets.size(), 1u);
}

TEST(Batch, AnEmptiedOneIsUsedAgain) {
  Batch from, to;
  for (uint32_t i = 0; i < 3; ++i) {
    add_request(&from, i, "request");
    to.append(from);
    EXPECT_EQ(to.packets.size(), i + 1);
  }
  EXPECT_EQ(bytes_of(to), "requestrequestrequest");
}

TEST(Batch, ClearingReleasesItsPayloads) {
  const auto alive = std::make_shared<int>();
  Batch batch;
  add_request(&batch, 1, "one", std::make_unique<TextPayload>("payload", alive));
  EXPECT_EQ(alive.use_count(), 2);
  batch.clear();
  EXPECT_EQ(alive.use_count(), 1);
}

}  // namespace
}  // namespace evenkeel::net
