// An Inbox with operations in flight and without a socket: a test hands it a stream of bytes in
// pieces of its choice and looks at the completions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "packets.h"
#include "pipeline/inbox.h"
#include "steps.h"
#include "wire/memcache/binary.h"

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

class InboxHarness {
 public:
  static constexpr uint16_t kConnection = 3;
  static constexpr uint32_t kMaxValue = 1 << 20;

  // With a handshake that is over, unless the test has one of its own.
  explicit InboxHarness(uint32_t max_value = kMaxValue, bool shakes_hands = true,
                        const wire::Protocol& protocol = wire::memcache::kBinary,
                        const pipeline::Steps& steps = binary_steps())
      : flights_(0), inbox_(kConnection, protocol, steps, max_value, flights_, due_, allocator_, meter_) {
    inbox_.handshake().next();
    if (shakes_hands) shake_hands();
  }
  void shake_hands() {
    inbox_.handshake().next();
    feed(encode({.opcode = 0x0b, .opaque = wire::kHandshakeOpaque, .value = "1.6.45"}));
  }

  // The connection's end: what is still in flight would count as unsettled.
  ~InboxHarness() {
    for (const uint32_t opaque : started_) {
      pipeline::Flight* flight = flights_.find(opaque);
      if (flight != nullptr) flights_.release(*flight);
    }
  }

  pipeline::Flight& start(uint32_t opaque, uint8_t opcode, bool discards_value = false,
                          uint16_t connection = kConnection) {
    flights_.start({.deadline = 1000,
                    .opaque = opaque,
                    .inline_length = 0,
                    .op = opcode,
                    .discards_value = discards_value},
                   connection);
    started_.push_back(opaque);
    return *flights_.find(opaque);
  }
  pipeline::Flight& start_written(uint32_t opaque, uint8_t opcode, bool discards_value = false,
                                  uint16_t connection = kConnection) {
    pipeline::Flight& flight = start(opaque, opcode, discards_value, connection);
    write(flight);
    return flight;
  }
  // All of its request has left.
  void write(pipeline::Flight& flight) {
    flight.state = pipeline::FlightState::kWritten;
    if (flight.connection == kConnection) due_.append(flight);
  }

  void lose(pipeline::Flight& flight) {
    due_.remove(flight);
    flights_.lose(flight, ECONNRESET, 0, false);
  }

  // One read of the connection: as much of `bytes` as the inbox has room for. Returns what is left.
  std::string_view feed_once(std::string_view bytes) {
    const auto space = inbox_.space();
    size_t total = 0;
    for (const iovec& segment : space) {
      const size_t length = std::min(segment.iov_len, bytes.size());
      std::copy_n(bytes.data(), length, static_cast<char*>(segment.iov_base));
      bytes.remove_prefix(length);
      total += length;
    }
    const size_t due = due_.size();
    const auto progress = inbox_.received(total, leaving);
    answered += progress.answered;
    early += progress.answered - (due - due_.size());
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
  pipeline::Inbox& inbox() { return inbox_; }
  pipeline::Due& due() { return due_; }

  HeapAllocator allocator_;
  uint32_t leaving = pipeline::Inbox::kNobody;
  size_t answered = 0;
  size_t early = 0;
  size_t skipped = 0;
  uint32_t cause = 0;
  bool handshake_done = false;

 private:
  pipeline::Flights flights_;
  net::QueuedBytes queued_;
  pipeline::Due due_{queued_};
  std::vector<uint32_t> started_;
  pipeline::Meter meter_;
  pipeline::Inbox inbox_;
};

}  // namespace evenkeel::test
