#include "wire/memcache/binary.h"

#include <cstring>

#include "wire/memcache/request.h"
#include "wire/memcache/response.h"

namespace evenkeel::wire::memcache {

namespace {

class BinaryEncoder final : public Encoder {
 public:
  KeyCheck check_key(const Request&, std::span<const std::byte> key) const override {
    return {.fault = memcache::check_key(key)};
  }
  KeyFault check_argument(std::span<const std::byte> argument) const override {
    return memcache::check_argument(argument);
  }
  size_t prefix_size(const Request& request, std::span<const std::byte> key, size_t) const override {
    return head_size(request.op) + key.size();
  }
  size_t suffix_size(Op) const override { return 0; }
  void encode(const Request& request, std::span<const std::byte> key, size_t value_length,
              std::span<std::byte> prefix, std::span<std::byte>) const override {
    encode_head(request, key.size(), value_length, prefix.data());
    if (!key.empty()) std::memcpy(prefix.data() + prefix.size() - key.size(), key.data(), key.size());
  }
};

class BinaryDecoder final : public Decoder {
 public:
  Decoded decode(std::span<const std::byte> bytes, Answer* answer) const override {
    ResponseHeader header;
    const HeaderFault fault = decode_header(bytes, &header);
    if (fault == HeaderFault::kIncomplete) return Decoded::kIncomplete;
    if (fault == HeaderFault::kBadMagic) return Decoded::kForeign;
    answer->has_op = answer->has_opaque = true;
    answer->op = static_cast<Op>(header.opcode);
    answer->code = header.opcode;
    answer->opaque = header.opaque;
    answer->status = header.status;
    answer->is_success = header.status == kStatusSuccess;
    answer->cas = header.cas;
    answer->is_item = answer->is_success && answer->op == Op::kStat && header.key_length > 0;
    // No request here asks for its key back; a hit brings its flags, and touch does too.
    const bool is_hit = answer->is_success && brings_value(answer->op);
    if (fault == HeaderFault::kBadLengths || (header.key_length != 0 && !answer->is_item) ||
        (is_hit ? header.extras_length != kFlagsSize : header.extras_length > kFlagsSize))
      return Decoded::kDistorted;
    answer->head = kHeaderSize + header.extras_length;
    answer->name = header.key_length;
    answer->value = header.key_length + header.value_length();
    if (bytes.size() < answer->head) return Decoded::kIncomplete;
    answer->flags = decode_flags(header, bytes.subspan(kHeaderSize));
    return Decoded::kAnswer;
  }
  bool read_as(Op op, bool, Answer* answer) const override { return answer->op == op; }
  bool is_tail(std::span<const std::byte>) const override { return true; }

 private:
  static constexpr size_t kFlagsSize = 4;
};

constexpr BinaryEncoder kEncoder;
constexpr BinaryDecoder kDecoder;

}  // namespace

const Protocol kBinary{.encoder = kEncoder,
                       .decoder = kDecoder,
                       .most_head = kMaxHeadSize,
                       .in_order = false,
                       .ops = kCommonOps.with({Op::kFlush})};

}  // namespace evenkeel::wire::memcache
