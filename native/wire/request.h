// Request: what is asked of a server, in no protocol's words. A protocol's encoder says it in its own.
#pragma once

#include <cstdint>

namespace evenkeel::wire {

// The numbers are the opcodes of memcached's binary protocol, which so needs no table, and above
// kLastBinaryOp others.
enum class Op : uint8_t {
  kGet = 0x00,
  kSet = 0x01,
  kAdd = 0x02,
  kReplace = 0x03,
  kDelete = 0x04,
  kIncrement = 0x05,
  kDecrement = 0x06,
  kAppend = 0x0e,
  kPrepend = 0x0f,
  kTouch = 0x1c,
  kGetAndTouch = 0x1d,
  // What only memcached's meta protocol can say.
  kGetOrClaim = 0xe0,
  kGetDetails = 0xe1,
  kInvalidate = 0xe2,
  // Of a server and not of a record; instead of a key they have an argument, which may be empty.
  kFlush = 0x08,  // expiry: when
  kVersion = 0x0b,
  kStat = 0x10,           // argument: the group
  kClusterConfig = 0xb5,  // argument: the key of who keeps it as a record; an opcode of Couchbase
};

inline constexpr Op kLastBinaryOp = static_cast<Op>(0xdf);
inline constexpr Op kLastOp = static_cast<Op>(0xff);

// The answer to it tells a record's time to live and its marks.
constexpr bool describes(Op op) { return op == Op::kGetOrClaim || op == Op::kGetDetails; }

// The successful answer to it has a value, of any size.
constexpr bool brings_value(Op op) {
  return op == Op::kGet || op == Op::kGetAndTouch || op == Op::kClusterConfig || describes(op);
}

constexpr bool is_of_server(Op op) {
  return op == Op::kFlush || op == Op::kVersion || op == Op::kStat || op == Op::kClusterConfig;
}

struct Request {
  Op op = Op::kGet;
  bool discards_value = false;  // only whether the answer has a value is of interest
  bool wants_cas = false;       // of a read; some protocols bring it unasked
  bool encodes_key = false;     // its key is not sent as it is
  uint32_t opaque = 0;          // what the answer is matched by, where the protocol has it say so
  uint64_t cas = 0;             // 0: unconditional
  uint64_t new_cas = 0;         // of what is stored; 0: the server's choice
  uint32_t flags = 0;           // of a value that is stored
  uint32_t expiry = 0;   // seconds; absolute Unix time above 30 days; counters: 0xffffffff = fail on a miss;
                         // kGetOrClaim: of what stands for a missing record; kInvalidate: 0 = as it is
  uint32_t recache = 0;  // kGetOrClaim: with less left of its time than this, a record may be claimed as well
  uint64_t delta = 0;    // counters
  uint64_t initial = 0;  // counters
};

}  // namespace evenkeel::wire
