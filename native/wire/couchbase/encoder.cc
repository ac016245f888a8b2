#include "wire/couchbase/encoder.h"

#include <cstring>

#include "wire/big_endian.h"
#include "wire/couchbase/leb128.h"
#include "wire/memcache/request.h"

namespace evenkeel::wire::couchbase {

namespace {

using memcache::kHeaderSize;

// What is left of a key in the other collections when the longest id is taken off.
constexpr size_t kMostKeyElsewhere = 246;

constexpr std::byte kDurabilityFrame{0x11};  // id 1, one byte
constexpr std::byte kTimedDurabilityFrame{0x13};
constexpr std::byte kPreserveExpiryFrame{0x50};  // id 5, nothing in it

constexpr uint8_t kMetaWithDatatype = 2;

constexpr bool gives_extras(Op op) {
  return op == Op::kClusterConfig || op == Op::kRangeScanContinue || op == Op::kRangeScanCancel;
}

constexpr size_t framing_size(const Request& request) {
  size_t size = request.preserves_expiry ? 1 : 0;
  if (request.durability != Durability::kNone) size += request.durability_timeout == 0 ? 2 : 4;
  return size;
}

void encode_framing(const Request& request, std::byte* at) {
  if (request.durability != Durability::kNone) {
    const bool is_timed = request.durability_timeout != 0;
    *at++ = is_timed ? kTimedDurabilityFrame : kDurabilityFrame;
    *at++ = static_cast<std::byte>(request.durability);
    if (is_timed) {
      store_big_endian(at, request.durability_timeout);
      at += sizeof request.durability_timeout;
    }
  }
  if (request.preserves_expiry) *at = kPreserveExpiryFrame;
}

// Without those that are given as a value.
constexpr size_t extras_size(const Request& request) {
  switch (request.op) {
    case Op::kGetMeta:
      return 1;
    case Op::kLookupIn:
      return request.document_flags == 0 ? 0 : 1;
    case Op::kMutateIn:
      return (request.sets_expiry ? 4 : 0) + (request.document_flags == 0 ? 0 : 1);
    default:
      return static_cast<size_t>(memcache::extras_of(request.op));
  }
}

void encode_extras(const Request& request, std::byte* at) {
  switch (request.op) {
    case Op::kGetMeta:
      *at = std::byte{kMetaWithDatatype};
      break;
    case Op::kMutateIn:
      if (request.sets_expiry) {
        store_big_endian(at, request.expiry);
        at += sizeof request.expiry;
      }
      [[fallthrough]];
    case Op::kLookupIn:
      if (request.document_flags != 0) *at = std::byte{request.document_flags};
      break;
    default:
      memcache::encode_extras(request, memcache::extras_of(request.op), at);
  }
}

}  // namespace

KeyCheck CouchbaseEncoder::check_key(const Request& request, std::span<const std::byte> key) const {
  if (key.empty()) return {.fault = KeyFault::kEmpty};
  const size_t most = request.collection == 0 ? memcache::kMaxKeyLength : kMostKeyElsewhere;
  return {.fault = key.size() > most ? KeyFault::kTooLong : KeyFault::kNone};
}

KeyFault CouchbaseEncoder::check_argument(std::span<const std::byte> argument) const {
  return memcache::check_argument(argument);
}

size_t CouchbaseEncoder::id_size(const Request& request) const {
  return has_collections_ && !is_of_server(request.op) ? leb128_size(request.collection) : 0;
}

size_t CouchbaseEncoder::prefix_size(const Request& request, std::span<const std::byte> key, size_t) const {
  return kHeaderSize + framing_size(request) + extras_size(request) + id_size(request) + key.size();
}

void CouchbaseEncoder::encode(const Request& request, std::span<const std::byte> key, size_t value_length,
                              std::span<std::byte> prefix, std::span<std::byte>) const {
  const size_t framing = framing_size(request);
  const size_t extras = extras_size(request);
  const size_t id = id_size(request);
  std::byte* const out = prefix.data();
  if (gives_extras(request.op))
    memcache::encode_header(request, key.size(), extras + value_length, 0, out);
  else
    memcache::encode_header(request, id + key.size(), extras, value_length, out);
  store_big_endian(out + 6, request.partition);
  if (has_collections_) out[5] = std::byte{request.datatype};
  if (framing > 0) {
    out[0] = std::byte{kFramedRequestMagic};
    out[2] = static_cast<std::byte>(framing);
    store_big_endian(out + 8, static_cast<uint32_t>(framing + extras + id + key.size() + value_length));
    encode_framing(request, out + kHeaderSize);
  }
  std::byte* at = out + kHeaderSize + framing;
  if (extras > 0) encode_extras(request, at);
  at += extras;
  if (id > 0) at = store_leb128(at, request.collection);
  if (!key.empty()) std::memcpy(at, key.data(), key.size());
}

}  // namespace evenkeel::wire::couchbase
