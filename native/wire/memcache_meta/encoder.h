// Request encoding: pure functions over byte spans. A request is a line, followed by a second one with the
// value if it stores something:
//
//   mg <key> v f c T<expiry> O<opaque>                      get, get-and-touch, touch
//   mg <key> v f c N<expiry> R<recache> O<opaque>           get or claim
//   mg <key> v f c t l h u O<opaque>                        get with details
//   ms <key> <length> M<mode> F<flags> T<expiry> E<cas> C<cas> c O<opaque>    set, add, replace
//   ms <key> <length> M<mode> C<cas> c O<opaque>            append, prepend
//   md <key> C<cas> O<opaque>                               delete
//   md <key> I T<expiry> C<cas> O<opaque>                   invalidate
//   ma <key> v MD D<delta> J<initial> N<expiry> C<cas> O<opaque>     increment, decrement
//
// Requests to a server itself only exist as classic commands without an opaque: stats <group>, flush_all
// <delay>, version, config get cluster (or get <key>).
//
// A key that the text protocol cannot carry is sent in base64 with the flag `b`; the record is that of the
// raw key.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

class MetaEncoder final : public Encoder {
 public:
  KeyCheck check_key(const Request&, std::span<const std::byte> key) const override;
  KeyFault check_argument(std::span<const std::byte> argument) const override;
  size_t prefix_size(const Request& request, std::span<const std::byte> key, size_t) const override;
  size_t suffix_size(Op op) const override;
  void encode(const Request& request, std::span<const std::byte> key, size_t value_length,
              std::span<std::byte> prefix, std::span<std::byte> suffix) const override;

  // The longest addition by base64, and the longest request without its key.
  static constexpr size_t kMostHead = 64 + 128;
};

}  // namespace evenkeel::wire::memcache_meta
