// Any bytes as answers of the meta protocol: what is decoded lies within what was given, more bytes change
// nothing of it, and whatever it is read as, its parts fit together.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "wire/memcache_meta/meta.h"

namespace {

using evenkeel::wire::Answer;
using evenkeel::wire::Decoded;
using evenkeel::wire::Op;

constexpr size_t kLongestLine = 2048;
constexpr Op kOps[] = {Op::kGet,         Op::kSet,        Op::kAdd,          Op::kReplace,    Op::kDelete,
                       Op::kIncrement,   Op::kDecrement,  Op::kAppend,       Op::kPrepend,    Op::kTouch,
                       Op::kGetAndTouch, Op::kGetOrClaim, Op::kGetDetails,   Op::kInvalidate, Op::kFlush,
                       Op::kVersion,     Op::kStat,       Op::kClusterConfig};

void require(bool condition) {
  if (!condition) std::abort();
}

void check_readings(const Answer& answer) {
  for (const Op op : kOps) {
    for (const bool discards_value : {false, true}) {
      Answer read = answer;
      if (!evenkeel::wire::memcache_meta::kMeta.decoder.read_as(op, discards_value, &read)) continue;
      require(read.is_success == (read.status == 0));
      require(read.total() == answer.total() && read.opaque == answer.opaque && read.cas == answer.cas);
      // Without a name of its own only an error is anybody's.
      require(read.has_opaque || !read.is_success || is_of_server(op));
      require(!read.is_item || (op == Op::kStat && read.name <= read.value));
      if (read.is_success && brings_value(op) && !is_of_server(op))
        require(discards_value == (read.tail == 0));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto& decoder = evenkeel::wire::memcache_meta::kMeta.decoder;
  const std::span bytes = std::as_bytes(std::span(data, size));
  Answer whole;
  const Decoded decoded = decoder.decode(bytes, &whole);
  if (decoded == Decoded::kAnswer) {
    require(!whole.has_op);
    require(whole.head <= 2 * kLongestLine && whole.head <= size);
    require(whole.value <= UINT32_MAX && whole.tail <= 7);
    check_readings(whole);
  }
  if (decoded == Decoded::kIncomplete) require(size < 2 * kLongestLine);
  // As it arrives, it is nothing else before.
  for (size_t length = 0; length < std::min(size, size_t{200}); ++length) {
    Answer part;
    const Decoded early = decoder.decode(bytes.first(length), &part);
    if (early == Decoded::kIncomplete) continue;
    require(early == decoded);
    if (early == Decoded::kAnswer)
      require(part.code == whole.code && part.opaque == whole.opaque && part.total() == whole.total());
  }
  return 0;
}
