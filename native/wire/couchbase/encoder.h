// Request encoding: pure functions over byte spans. A request is
//
//   header   as memcached's, with a datatype and the key's partition
//   framing  durability and whether the expiry stays, where they are asked for; the magic says so then, and
//            the length of the key has one byte less
//   extras   as memcached's; kGetMeta, kLookupIn and kMutateIn have some of their own
//   key      behind the collection's id, in kCouchbase
//   value
//
// What kClusterConfig, kRangeScanContinue and kRangeScanCancel are given as their value leaves as extras.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::couchbase {

inline constexpr uint8_t kFramedRequestMagic = 0x08;

class CouchbaseEncoder final : public Encoder {
 public:
  // `has_collections`: keys are those of a collection. Without, there is the default one, and nothing is said
  // of datatypes.
  explicit constexpr CouchbaseEncoder(bool has_collections) : has_collections_(has_collections) {}

  KeyCheck check_key(const Request& request, std::span<const std::byte> key) const override;
  KeyFault check_argument(std::span<const std::byte> argument) const override;
  size_t prefix_size(const Request& request, std::span<const std::byte> key, size_t) const override;
  size_t suffix_size(Op) const override { return 0; }
  void encode(const Request& request, std::span<const std::byte> key, size_t value_length,
              std::span<std::byte> prefix, std::span<std::byte> suffix) const override;

  // Header, framing, the longest extras and the longest id of a collection.
  static constexpr size_t kMostHead = 24 + 5 + 20 + 5;

 private:
  size_t id_size(const Request& request) const;

  const bool has_collections_;
};

}  // namespace evenkeel::wire::couchbase
