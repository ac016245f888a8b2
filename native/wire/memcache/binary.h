// The memcached binary protocol for the pipeline.
#pragma once

#include "wire/protocol.h"

namespace evenkeel::wire::memcache {

extern const Protocol kBinary;

}  // namespace evenkeel::wire::memcache
