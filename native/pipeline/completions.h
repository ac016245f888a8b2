// What the I/O side reports to the JavaScript side: fixed-size records, with the bytes of their values.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_buffer.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/pages.h"
#include "pipeline/layout.h"

namespace evenkeel::pipeline {

// A value received into separate memory. The creator of the pipeline decides where that is (Allocator).
class LargeValue {
 public:
  virtual ~LargeValue() = default;
  virtual std::span<std::byte> bytes() = 0;

 private:
  base::Counted<&base::Counters::large_values> counted_;
};

class Allocator {
 public:
  // Called on the I/O side. Null: out of memory, which fails this operation.
  virtual std::unique_ptr<LargeValue> allocate(size_t length) = 0;

 protected:
  ~Allocator() = default;
};

struct Completion {
  uint32_t slot = 0;
  uint32_t outcome = 0;  // as layout::kRecordOutcome
  uint32_t flags = 0;
  uint32_t value_length = 0;
  uint64_t cas = 0;
  uint32_t detail = 0;
  uint16_t connection = 0;
  uint16_t served = 0;  // as wire::Answer has it
  bool late = false;
  uint32_t took = 0;    // µs
  uint32_t queued = 0;  // µs of `took`
  uint32_t started = 0;
  base::Millis deadline = 0;

  // For kOutcomeAnswered, which has no cause and no deadline; the words are layout::kRecordTtl and the
  // following ones.
  void describe(uint32_t ttl, uint32_t idle, uint8_t marks) {
    outcome |= layout::kOutcomeDescribedBit;
    detail = ttl;
    deadline = uint64_t{idle} << 32 | marks;
  }
};

struct CompletionBatch {
  base::BulkVector<Completion> records;
  base::ByteBuffer values;                          // of the records without kOutcomeLargeBit, concatenated
  std::vector<std::unique_ptr<LargeValue>> larges;  // of the records with it, in order

  bool empty() const { return records.empty(); }
  void clear() {
    base::clear(records);
    values.clear();
    larges.clear();
  }
  void swap(CompletionBatch& other) noexcept {
    records.swap(other.records);
    values.swap(other.values);
    larges.swap(other.larges);
  }
  // Moves everything from `other` to the end and leaves `other` empty.
  void append(CompletionBatch& other);
};

class CompletionSink {
 public:
  // Called at the end of each burst of completions, on the I/O side; takes what it wants from the batch.
  virtual void on_completions(CompletionBatch& batch) = 0;

 protected:
  ~CompletionSink() = default;
};

}  // namespace evenkeel::pipeline
