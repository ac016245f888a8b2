// Any bytes as packets of Couchbase: what is decoded lies within what was given, more bytes change nothing of
// it, and its parts fit together.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "wire/couchbase/couchbase.h"

namespace {

using evenkeel::wire::Answer;
using evenkeel::wire::Decoded;

constexpr size_t kHeader = 24;
constexpr size_t kMostFraming = 255;
constexpr size_t kFlags = 4;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Answer& answer, size_t size) {
  require(answer.head >= kHeader && answer.head <= kHeader + kMostFraming + kFlags && answer.head <= size);
  require(answer.value <= UINT32_MAX && answer.tail == 0 && answer.name <= answer.value);
  require(answer.is_notice != answer.has_op && answer.has_op == answer.has_opaque);
  if (answer.is_notice) require(answer.flags + answer.name <= answer.value && !answer.is_success);
  if (answer.is_item) require(answer.is_success);
  if (answer.has_op && answer.status == 0) require(answer.is_success);
  if (answer.has_op && !evenkeel::wire::brings_value(answer.op)) require(answer.flags <= answer.value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto& decoder = evenkeel::wire::couchbase::kCouchbase.decoder;
  const std::span bytes = std::as_bytes(std::span(data, size));
  Answer whole;
  const Decoded decoded = decoder.decode(bytes, &whole);
  if (decoded == Decoded::kAnswer) check(whole, size);
  if (decoded == Decoded::kIncomplete) require(size < kHeader + kMostFraming + kFlags);
  // As it arrives, it is nothing else before.
  for (size_t length = 0; length < std::min(size, size_t{300}); ++length) {
    Answer part;
    const Decoded early = decoder.decode(bytes.first(length), &part);
    if (early == Decoded::kIncomplete) continue;
    require(early == decoded);
    if (early == Decoded::kAnswer)
      require(part.code == whole.code && part.opaque == whole.opaque && part.total() == whole.total());
  }
  return 0;
}
