// Answer decoding: pure functions over byte spans, safe on any bytes. Which form a packet has its magic says,
// whatever was negotiated:
//
//   0x81  as memcached's, with a datatype
//   0x18  the same behind framing extras, of which only how long the server took is of interest
//   0x82  the server speaks of its own accord: a notice
//
// A record's value comes with its flags. What any other answer says beside its value (the token of a
// mutation, what kGetMeta is about, a collection's id) is the beginning of the value; Answer.flags says how
// much of it, and of an item Answer.name.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::couchbase {

class CouchbaseDecoder final : public Decoder {
 public:
  Decoded decode(std::span<const std::byte> bytes, Answer* answer) const override;
  bool read_as(Op op, bool, Answer* answer) const override { return answer->op == op; }
  bool is_tail(std::span<const std::byte>) const override { return true; }
};

}  // namespace evenkeel::wire::couchbase
