// A ResponseReader with operations in flight and without a socket: a test hands it a stream of bytes in
// pieces of its choice and looks at the completions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "packets.h"
#include "pipeline/response_reader.h"

namespace evenkeel::test {

class HeapValue final : public pipeline::LargeValue {
 public:
  explicit HeapValue(size_t length) : bytes_(length) {}
  std::span<std::byte> bytes() override { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

class HeapAllocator final : public pipeline::Allocator {
 public:
  std::unique_ptr<pipeline::LargeValue> allocate(size_t length) override {
    ++calls;
    if (is_exhausted) return nullptr;
    return std::make_unique<HeapValue>(length);
  }
  int calls = 0;
  bool is_exhausted = false;
};

// A completion with its value, whichever way that came.
struct Seen {
  uint32_t slot;
  uint32_t outcome;
  uint32_t flags;
  uint64_t cas;
  std::string value;
  uint32_t detail = 0;
  bool operator==(const Seen&) const = default;
};

class ReaderHarness {
 public:
  static constexpr uint16_t kNode = 3;
  static constexpr uint32_t kMaxValue = 1 << 20;

  explicit ReaderHarness(uint32_t max_value = kMaxValue)
      : flights_(0), reader_(kNode, max_value, flights_, allocator_) {}

  // The connection's end: what is still in flight would count as unsettled.
  ~ReaderHarness() {
    flights_.for_each([this](pipeline::Flight& flight) { flights_.release(flight); });
  }

  pipeline::Flight& start(uint32_t opaque, uint8_t opcode, bool discards_value = false,
                          uint16_t node = kNode) {
    flights_.start({.deadline = 1000,
                    .opaque = opaque,
                    .inline_length = 0,
                    .opcode = opcode,
                    .discards_value = discards_value},
                   node);
    return *flights_.find(opaque);
  }
  pipeline::Flight& start_written(uint32_t opaque, uint8_t opcode, bool discards_value = false,
                                  uint16_t node = kNode) {
    pipeline::Flight& flight = start(opaque, opcode, discards_value, node);
    flight.state = pipeline::FlightState::kWritten;
    return flight;
  }

  // One read of the connection: as much of `bytes` as the reader has room for. Returns what is left.
  std::string_view feed_once(std::string_view bytes) {
    const auto space = reader_.space(flights_.size());
    size_t total = 0;
    for (const iovec& segment : space) {
      const size_t length = std::min(segment.iov_len, bytes.size());
      std::copy_n(bytes.data(), length, static_cast<char*>(segment.iov_base));
      bytes.remove_prefix(length);
      total += length;
    }
    const auto progress = reader_.received(total, leaving);
    answered += progress.answered;
    early += progress.early;
    skipped += progress.skipped;
    cause = progress.cause;
    handshake_done |= progress.handshake_done;
    return bytes;
  }
  void feed(std::string_view bytes) {
    while (!bytes.empty() && cause == 0) bytes = feed_once(bytes);
  }

  std::vector<Seen> seen() {
    std::vector<Seen> all;
    size_t offset = 0;
    size_t large = 0;
    pipeline::CompletionBatch& batch = flights_.completions();
    for (const pipeline::Completion& completion : batch.records) {
      Seen& one = all.emplace_back(
          Seen{completion.slot, completion.outcome, completion.flags, completion.cas, "", completion.detail});
      if ((completion.outcome & layout::kOutcomeLargeBit) != 0) {
        one.value = as_text(batch.larges[large++]->bytes());
      } else {
        one.value = as_text({batch.values.data() + offset, completion.value_length});
        offset += completion.value_length;
      }
      EXPECT_EQ(one.value.size(), completion.value_length);
    }
    EXPECT_EQ(offset, batch.values.size());
    EXPECT_EQ(large, batch.larges.size());
    return all;
  }

  pipeline::Flights& flights() { return flights_; }
  pipeline::ResponseReader& reader() { return reader_; }

  HeapAllocator allocator_;
  uint32_t leaving = pipeline::ResponseReader::kNobody;
  size_t answered = 0;
  size_t early = 0;
  size_t skipped = 0;
  uint32_t cause = 0;
  bool handshake_done = false;

 private:
  pipeline::Flights flights_;
  pipeline::ResponseReader reader_;
};

}  // namespace evenkeel::test
