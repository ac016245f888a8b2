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
//
// What is returned may stand in any order, and there may be more of it.
#pragma once

#include <string_view>

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

class MetaDecoder final : public Decoder {
 public:
  Decoded decode(std::span<const std::byte> given, Answer* answer) const override;
  bool read_as(Op op, bool discards_value, Answer* answer) const override;
  bool is_tail(std::span<const std::byte> tail) const override;
};

// That mn is known, and ms with it: otherwise a server could take values for commands.
inline constexpr std::string_view kGreeting = "mn\r\nversion\r\n";

}  // namespace evenkeel::wire::memcache_meta
