// Request: what is asked of a server, in no protocol's words. A protocol's encoder says it in its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace evenkeel::wire {

// The numbers are the opcodes of memcached's binary protocol and of Couchbase's, which so need no table. What
// only the meta protocol can say has numbers that neither of them uses.
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
  // What only Couchbase has.
  kGetReplica = 0x83,
  kGetAndLock = 0x94,  // expiry: seconds until the lock goes by itself; 0 = the server's choice
  kUnlock = 0x95,
  kGetMeta = 0xa0,
  kLookupIn = 0xd0,  // of both the value is what the protocol says of the paths
  kMutateIn = 0xd1,
  // What only memcached's meta protocol can say.
  kGetOrClaim = 0xe0,
  kGetDetails = 0xe1,
  kInvalidate = 0xe2,
  // Of a server and not of a record; instead of a key they have an argument, which may be empty.
  kFlush = 0x08,  // expiry: when
  kVersion = 0x0b,
  kStat = 0x10,           // argument: the group
  kClusterConfig = 0xb5,  // argument, in the meta protocol: the key of who keeps it as a record
  // The same, of Couchbase: instead of an argument they have a value, and so does the one before.
  kNoop = 0x0a,
  kObserveSeqno = 0x91,
  kGetManifest = 0xba,
  kGetCollectionId = 0xbb,
  kRangeScanCreate = 0xda,
  kRangeScanContinue = 0xdb,
  kRangeScanCancel = 0xdc,
};

class OpSet {
 public:
  constexpr OpSet(std::initializer_list<Op> ops) {
    for (const Op op : ops) words_[index(op)] |= bit(op);
  }
  constexpr bool has(Op op) const { return (words_[index(op)] & bit(op)) != 0; }
  constexpr OpSet with(const OpSet& other) const {
    OpSet both = *this;
    for (size_t i = 0; i < words_.size(); ++i) both.words_[i] |= other.words_[i];
    return both;
  }

 private:
  static constexpr size_t index(Op op) { return static_cast<size_t>(op) / 64; }
  static constexpr uint64_t bit(Op op) { return uint64_t{1} << (static_cast<size_t>(op) % 64); }

  std::array<uint64_t, 4> words_{};
};

// What every protocol can say.
inline constexpr OpSet kCommonOps{Op::kGet,         Op::kSet,       Op::kAdd,    Op::kReplace, Op::kDelete,
                                  Op::kIncrement,   Op::kDecrement, Op::kAppend, Op::kPrepend, Op::kTouch,
                                  Op::kGetAndTouch, Op::kVersion,   Op::kStat};

// The answer to it tells a record's time to live and its marks.
constexpr bool describes(Op op) { return op == Op::kGetOrClaim || op == Op::kGetDetails; }

inline constexpr OpSet kValueOps{Op::kGet,        Op::kGetAndTouch, Op::kGetOrClaim,
                                 Op::kGetDetails, Op::kGetReplica,  Op::kGetAndLock};

// The successful answer to it has a record's value.
constexpr bool brings_value(Op op) { return op == Op::kGet || kValueOps.has(op); }

// The successful answer to it may be as large as a record's value.
constexpr bool brings_much(Op op) {
  return brings_value(op) || op == Op::kLookupIn || op == Op::kClusterConfig || op == Op::kGetManifest ||
         op == Op::kRangeScanContinue;
}

inline constexpr OpSet kServerOps{
    Op::kFlush,           Op::kVersion,           Op::kStat,           Op::kNoop,
    Op::kObserveSeqno,    Op::kClusterConfig,     Op::kGetManifest,    Op::kGetCollectionId,
    Op::kRangeScanCreate, Op::kRangeScanContinue, Op::kRangeScanCancel};

constexpr bool is_of_server(Op op) { return kServerOps.has(op); }

enum class Durability : uint8_t {
  kNone = 0,
  kMajority = 1,
  kMajorityAndPersistActive = 2,
  kPersistToMajority = 3,
};

// Request.datatype and Answer.datatype.
inline constexpr uint8_t kIsJson = 1;
inline constexpr uint8_t kIsCompressed = 2;  // as a block of Snappy

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
  // What only Couchbase has.
  bool is_plain = true;  // it says nothing of the following that another protocol could not do without
  bool preserves_expiry = false;
  bool sets_expiry = false;  // kMutateIn: the record gets `expiry` instead of keeping its own
  Durability durability = Durability::kNone;
  uint8_t datatype = 0;             // of a value that is stored
  uint8_t document_flags = 0;       // kLookupIn, kMutateIn
  uint8_t replica = 0;              // kGetReplica: which one; they are counted from 1
  uint16_t partition = 0;           // by the key, or of an operation of a server
  uint16_t durability_timeout = 0;  // ms; 0: the server's choice
  uint32_t collection = 0;          // its id; 0 is the default one
};

}  // namespace evenkeel::wire
