// Protocol: how a call becomes bytes, and bytes become answers. Each one is a folder beside this file: a pure
// encoder and a pure decoder, constants that all threads share, and the rule by which its answers are
// matched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/request.h"

namespace evenkeel::wire {

enum class KeyFault : uint8_t { kNone, kEmpty, kTooLong, kForbiddenByte };

struct KeyCheck {
  KeyFault fault = KeyFault::kNone;
  bool needs_encoding = false;  // for Request.encodes_key
};

// A request is a prefix (with the key in it), the value, and a suffix.
class Encoder {
 public:
  virtual KeyCheck check_key(const Request& request, std::span<const std::byte> key) const = 0;
  // What an operation of a server has instead: a word, or nothing.
  virtual KeyFault check_argument(std::span<const std::byte> argument) const = 0;
  // Exact, for a value of at most `value_capacity` bytes. `request.opaque` does not matter yet.
  virtual size_t prefix_size(const Request& request, std::span<const std::byte> key,
                             size_t value_capacity) const = 0;
  virtual size_t suffix_size(Op op) const = 0;
  // Fills `prefix` (of prefix_size() bytes) and `suffix` (of suffix_size()) for a value of this length.
  virtual void encode(const Request& request, std::span<const std::byte> key, size_t value_length,
                      std::span<std::byte> prefix, std::span<std::byte> suffix) const = 0;

 protected:
  ~Encoder() = default;
};

// Answer.flags of a counter that is decimal text; otherwise it is 8 bytes, big-endian.
inline constexpr uint32_t kDecimalCounter = 1;

// Answer.ttl of a record that does not expire.
inline constexpr uint32_t kNeverExpires = UINT32_MAX;

// Answer.marks.
inline constexpr uint8_t kClaimWon = 1;      // whoever gets this answer is to write a new value
inline constexpr uint8_t kClaimIsTaken = 2;  // somebody else has been told so
inline constexpr uint8_t kIsStale = 4;
inline constexpr uint8_t kWasRead = 8;  // before, since it was written

struct Answer {
  bool has_op =
      false;  // the answer names what was asked; otherwise read_as() says whether it may be one to that
  bool has_opaque = false;
  bool is_success = false;  // whatever it brings is what was asked for
  bool is_last = false;     // what follows it on the connection is not to be trusted
  bool is_item = false;     // more answers follow to the same request
  bool is_notice = false;   // the server speaks without having been asked
  uint8_t code = 0;         // what it is in the protocol's own numbers
  uint8_t datatype = 0;     // of the value
  Op op = Op::kGet;
  uint16_t status = 0;  // as memcached's binary protocol numbers them, whatever the protocol
  uint32_t opaque = 0;
  // Of a record's value. Of Couchbase's other answers and of a notice: with how many bytes of what it says
  // beside the value the value begins.
  uint32_t flags = 0;
  uint64_t cas = 0;
  uint32_t ttl = 0;   // seconds left of it, as the two below where the operation describes()
  uint32_t idle = 0;  // seconds since it was written or read
  uint8_t marks = 0;
  uint16_t served =
      0;  // how long the server took, as Couchbase says it: 0.5 µs, times this to the power of 1.74
  size_t head = 0;   // bytes before the value
  size_t value = 0;  // bytes of it; of an error its text
  size_t tail = 0;   // bytes behind it
  size_t name = 0;  // of an item: how many bytes of the value are its name, with which it begins; of a notice
                    // how many are a key, behind what `flags` tells of

  size_t total() const { return head + value + tail; }
};

// By these a server says that it has executed nothing, because it does not have the partition. What comes
// with it is the configuration that it knows, if any.
inline constexpr uint16_t kStatusNotMyPartition = 0x07;
inline constexpr uint16_t kStatusConfigOnly = 0x0d;
constexpr bool is_sent_back(uint16_t status) {
  return status == kStatusNotMyPartition || status == kStatusConfigOnly;
}

enum class Decoded : uint8_t {
  kAnswer,      // all but the value and the tail is there
  kIncomplete,  // come back with more; what could be read of it is there
  kForeign,     // no answer of this protocol
  kDistorted,   // an answer whose parts contradict each other; what could be read of it is there
};

class Decoder {
 public:
  // Of the answer that `bytes` begin with; safe on any bytes. Never looks at the value.
  virtual Decoded decode(std::span<const std::byte> bytes, Answer* answer) const = 0;
  // Without has_op: completes the answer as one to `op`. False when it cannot be one.
  virtual bool read_as(Op op, bool discards_value, Answer* answer) const = 0;
  // Whether `tail` (of answer.tail bytes) is what stands behind a value.
  virtual bool is_tail(std::span<const std::byte> tail) const = 0;

 protected:
  ~Decoder() = default;
};

struct Protocol {
  const Encoder& encoder;
  const Decoder& decoder;
  // What a request may need besides its key and value, in bytes.
  size_t most_head;
  // Answers come in the order of the requests. Otherwise each one has the opaque of its own.
  bool in_order;
  OpSet ops;              // that it can say
  bool says_all = false;  // also what is not Request.is_plain
  bool has_partitions = false;

  bool can_say(const Request& request) const { return ops.has(request.op) && (request.is_plain || says_all); }
};

// Of the requests of a handshake, which belong to no operation.
inline constexpr uint32_t kHandshakeOpaque = UINT32_MAX;

}  // namespace evenkeel::wire
