#include "wire/couchbase/couchbase.h"

#include "wire/couchbase/decoder.h"
#include "wire/couchbase/encoder.h"

namespace evenkeel::wire::couchbase {

namespace {

constexpr CouchbaseEncoder kFullEncoder(true);
constexpr CouchbaseEncoder kClassicEncoder(false);
constexpr CouchbaseDecoder kDecoder;

constexpr OpSet kOps = kCommonOps.with({Op::kGetReplica, Op::kGetAndLock, Op::kUnlock, Op::kGetMeta,
                                        Op::kLookupIn, Op::kMutateIn, Op::kNoop, Op::kObserveSeqno,
                                        Op::kClusterConfig, Op::kGetManifest, Op::kGetCollectionId,
                                        Op::kRangeScanCreate, Op::kRangeScanContinue, Op::kRangeScanCancel});

}  // namespace

const Protocol kCouchbase{.encoder = kFullEncoder,
                          .decoder = kDecoder,
                          .most_head = CouchbaseEncoder::kMostHead,
                          .in_order = false,
                          .ops = kOps,
                          .says_all = true,
                          .has_partitions = true};

const Protocol kClassic{.encoder = kClassicEncoder,
                        .decoder = kDecoder,
                        .most_head = CouchbaseEncoder::kMostHead,
                        .in_order = false,
                        .ops = kOps,
                        .has_partitions = true};

}  // namespace evenkeel::wire::couchbase
