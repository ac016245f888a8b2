#include "wire/couchbase/decoder.h"

#include "wire/big_endian.h"
#include "wire/memcache/response.h"

namespace evenkeel::wire::couchbase {

namespace {

using memcache::kHeaderSize;
using memcache::ResponseHeader;

constexpr std::byte kAnswerMagic{memcache::kResponseMagic};
constexpr std::byte kFramedAnswerMagic{0x18};
constexpr std::byte kNoticeMagic{0x82};

constexpr size_t kFlagsSize = 4;
constexpr uint32_t kServedFrame = 0;

constexpr uint16_t kStatusRangeScanMore = 0xa6;
constexpr uint16_t kStatusRangeScanComplete = 0xa7;
constexpr uint16_t kStatusSomePathsFailed = 0xcc;
constexpr uint16_t kStatusOfDeleted = 0xcd;
constexpr uint16_t kStatusSomePathsOfDeletedFailed = 0xd3;

// Whatever it brings is what was asked for.
bool is_success(Op op, uint16_t status) {
  if (status == memcache::kStatusSuccess) return true;
  switch (op) {
    case Op::kLookupIn:
      return status == kStatusSomePathsFailed || status == kStatusOfDeleted ||
             status == kStatusSomePathsOfDeletedFailed;
    case Op::kMutateIn:
      return status == kStatusOfDeleted;
    case Op::kRangeScanContinue:
      return status == kStatusRangeScanMore || status == kStatusRangeScanComplete;
    default:
      return false;
  }
}

bool is_item(Op op, uint16_t status, uint16_t key_length) {
  if (status != memcache::kStatusSuccess) return false;
  return op == Op::kStat ? key_length > 0 : op == Op::kRangeScanContinue;
}

// A number of four bits, of which the highest one means that the next byte is to be added.
bool read_nibble(uint32_t nibble, std::span<const std::byte>* bytes, uint32_t* number) {
  *number = nibble;
  if (nibble < 15) return true;
  if (bytes->empty()) return false;
  *number += std::to_integer<uint32_t>(bytes->front());
  *bytes = bytes->subspan(1);
  return true;
}

// False when the frames do not end where the framing extras do.
bool read_framing(std::span<const std::byte> bytes, Answer* answer) {
  while (!bytes.empty()) {
    const auto first = std::to_integer<uint32_t>(bytes.front());
    bytes = bytes.subspan(1);
    uint32_t id = 0;
    uint32_t length = 0;
    if (!read_nibble(first >> 4, &bytes, &id) || !read_nibble(first & 15, &bytes, &length)) return false;
    if (length > bytes.size()) return false;
    if (id == kServedFrame && length == sizeof answer->served)
      answer->served = load_big_endian<uint16_t>(bytes.data());
    bytes = bytes.subspan(length);
  }
  return true;
}

Decoded decode_notice(const ResponseHeader& header, Answer* answer) {
  answer->is_notice = true;
  answer->code = header.opcode;
  if (uint32_t{header.extras_length} + header.key_length > header.body_length) return Decoded::kDistorted;
  answer->head = kHeaderSize;
  answer->flags = header.extras_length;
  answer->name = header.key_length;
  answer->value = header.body_length;
  return Decoded::kAnswer;
}

}  // namespace

Decoded CouchbaseDecoder::decode(std::span<const std::byte> bytes, Answer* answer) const {
  if (bytes.empty()) return Decoded::kIncomplete;
  const bool is_framed = bytes[0] == kFramedAnswerMagic;
  const bool is_notice = bytes[0] == kNoticeMagic;
  if (bytes[0] != kAnswerMagic && !is_framed && !is_notice) return Decoded::kForeign;
  if (bytes.size() < kHeaderSize) return Decoded::kIncomplete;
  ResponseHeader header;
  memcache::load_header(bytes.data(), &header);
  answer->datatype = std::to_integer<uint8_t>(bytes[5]);
  if (is_notice) return decode_notice(header, answer);
  size_t framing = 0;
  if (is_framed) {
    framing = header.key_length >> 8;
    header.key_length &= 0xff;
  }
  answer->has_op = answer->has_opaque = true;
  answer->op = static_cast<Op>(header.opcode);
  answer->code = header.opcode;
  answer->opaque = header.opaque;
  answer->status = header.status;
  answer->is_success = is_success(answer->op, header.status);
  answer->cas = header.cas;
  answer->is_item = is_item(answer->op, header.status, header.key_length);
  const bool has_flags = answer->is_success && brings_value(answer->op);
  const size_t parts = framing + header.extras_length + header.key_length;
  if (parts > header.body_length || (has_flags && header.extras_length != kFlagsSize) ||
      (header.key_length > 0 && answer->op != Op::kStat))
    return Decoded::kDistorted;
  const size_t flags = has_flags ? kFlagsSize : 0;
  answer->head = kHeaderSize + framing + flags;
  answer->value = header.body_length - framing - flags;
  answer->name = header.extras_length - flags + header.key_length;
  if (bytes.size() < answer->head) return Decoded::kIncomplete;
  if (framing > 0 && !read_framing(bytes.subspan(kHeaderSize, framing), answer)) return Decoded::kDistorted;
  answer->flags = has_flags ? load_big_endian<uint32_t>(bytes.data() + kHeaderSize + framing)
                            : uint32_t{header.extras_length};
  return Decoded::kAnswer;
}

}  // namespace evenkeel::wire::couchbase
