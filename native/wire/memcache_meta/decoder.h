// Answer decoding: pure functions over byte spans, safe on any bytes. An answer is a line, and behind VA a
// value with a line end:
//
//   VA <length> f<flags> c<cas> O<opaque>      HD c<cas> O<opaque>
//   EN O<opaque>   NF O<opaque>                there is no record
//   t<seconds> l<seconds> h<0 or 1> W X Z      time to live, since the last access, read before; the marks:
//   the
//                                              claim is won, the record is stale, somebody has won the claim
//   NS O<opaque>   EX O<opaque>                the condition of the mode, or of the cas, does not hold
//   ERROR, CLIENT_ERROR, SERVER_ERROR <words>  of the first request that has no answer yet
//   MN   VERSION <version>   STORED            in a handshake
//   STAT <name> <value>, END, RESET            of stats; OK of flush_all
//   CONFIG cluster <flags> <length>            and behind it a value and END; or VALUE <key> instead of
//   CONFIG
//                                              cluster; or END: there is none
//
// What is returned may stand in any order, and there may be more of it.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

class MetaDecoder final : public Decoder {
 public:
  Decoded decode(std::span<const std::byte> given, Answer* answer) const override;
  bool read_as(Op op, bool discards_value, Answer* answer) const override;
  bool is_tail(std::span<const std::byte> tail) const override;
};

// Answer.code of what no operation asks for. A version that is too old is no success.
inline constexpr uint8_t kAnswerNoOp = 32;     // MN
inline constexpr uint8_t kAnswerVersion = 33;  // VERSION <version>
inline constexpr uint8_t kAnswerStored = 34;   // STORED, as memcached answers who authenticates

}  // namespace evenkeel::wire::memcache_meta
