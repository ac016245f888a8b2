// Couchbase's key-value protocol as the pipeline speaks it: memcached's binary protocol, with partitions and
// more of everything. Source: kv_engine's docs/BinaryProtocol.md and protocol_binary.h.
//
// kCouchbase is for connections to which the server has granted, in its answer to HELLO, collections and
// alternative requests (framing extras); kClassic is for those that know neither.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::couchbase {

extern const Protocol kCouchbase;
extern const Protocol kClassic;

// Statuses by which a server says that it has not executed the request because it does not have the key's
// partition. What comes with the first is a configuration, where the server has one to tell.
inline constexpr uint16_t kStatusNotMyPartition = 0x07;
inline constexpr uint16_t kStatusConfigOnly = 0x0d;

}  // namespace evenkeel::wire::couchbase
