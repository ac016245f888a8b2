// The memcached binary protocol as the pipeline speaks it.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache {

extern const Protocol kBinary;

}  // namespace evenkeel::wire::memcache
