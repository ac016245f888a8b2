// Answer decoding: pure functions over byte spans, safe on any bytes. An answer is a line; a VA line is
// followed by a value and a line end:
//
//   VA <length> f<flags> c<cas> O<opaque>      HD c<cas> O<opaque>
//   EN O<opaque>   NF O<opaque>                there is no record
//   t<seconds> l<seconds> h<0 or 1> W X Z      time to live, time since the last access, read before; the
//                                              marks: claim won, record stale, claim taken by another client
//   NS O<opaque>   EX O<opaque>                the condition of the mode, or of the cas, does not hold
//   ERROR, CLIENT_ERROR, SERVER_ERROR <text>   for the first request without an answer
//   MN   VERSION <version>   STORED            in a handshake
//   STAT <name> <value>, END, RESET            for stats; OK for flush_all
//   CONFIG cluster <flags> <length>            followed by a value and END; or VALUE <key> instead of
//                                              CONFIG cluster; or END: there is none
//
// The returned flags may be in any order, and there may be others.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

class MetaDecoder final : public Decoder {
 public:
  Decoded decode(std::span<const std::byte> given, Answer* answer) const override;
  bool read_as(Op op, bool discards_value, Answer* answer) const override;
  bool is_tail(std::span<const std::byte> tail) const override;
};

// Values of Answer.code that no operation requests. A version that is too old is not a success.
inline constexpr uint8_t kAnswerNoOp = 32;     // MN
inline constexpr uint8_t kAnswerVersion = 33;  // VERSION <version>
inline constexpr uint8_t kAnswerStored = 34;   // STORED, memcached's answer to a successful login

}  // namespace evenkeel::wire::memcache_meta
