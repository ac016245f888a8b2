// memcached's meta protocol, a text protocol, for the pipeline: servers from 1.6.18 on, whose misses contain
// the opaque, too. Source: memcached's protocol.txt.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

extern const Protocol kMeta;

}  // namespace evenkeel::wire::memcache_meta
