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

}  // namespace evenkeel::wire::couchbase
