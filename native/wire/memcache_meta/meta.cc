#include "wire/memcache_meta/meta.h"

#include "wire/memcache_meta/decoder.h"
#include "wire/memcache_meta/encoder.h"

namespace evenkeel::wire::memcache_meta {

namespace {

constexpr MetaEncoder kEncoder;
constexpr MetaDecoder kDecoder;

}  // namespace

const Protocol kMeta{.encoder = kEncoder,
                     .decoder = kDecoder,
                     .most_head = MetaEncoder::kMostHead,
                     .in_order = true,
                     .ops = kCommonOps.with({Op::kFlush, Op::kGetOrClaim, Op::kGetDetails, Op::kInvalidate,
                                             Op::kClusterConfig})};

}  // namespace evenkeel::wire::memcache_meta
