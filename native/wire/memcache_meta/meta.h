// memcached's meta protocol, which is text, as the pipeline speaks it: servers from 1.6.18, of which misses
// have the opaque too. Source: memcached's protocol.txt.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache_meta {

extern const Protocol kMeta;

}  // namespace evenkeel::wire::memcache_meta
