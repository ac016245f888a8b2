// How a pipeline behaves; fixed for its life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "net/tls_context.h"
#include "pipeline/layout.h"

namespace evenkeel::pipeline {

// What becomes of operations for a server to which there is no connection.
enum class Offline : uint8_t {
  kWait = layout::kOfflineWait,                  // they wait within their deadlines
  kFailWhenDown = layout::kOfflineFailWhenDown,  // they wait until an attempt to connect has failed
  kFail = layout::kOfflineFail,                  // they fail at once
};

struct Options {
  base::Millis connect_timeout = 2000;
  base::Millis backoff_min = 50;
  base::Millis backoff_max = 2000;
  // An operation that times out on a connection which said nothing for this long takes the connection with
  // it.
  base::Millis silence_limit = 2500;
  // A connection whose peer acknowledges nothing for this long is dead. With the reconnection that follows,
  // less than 2 s.
  base::Millis dead_limit = 1900;
  Offline offline = Offline::kWait;
  std::shared_ptr<const net::TlsContext> tls;  // null: connections are not encrypted
  uint16_t connections = 1;                    // to each server
  uint32_t max_written = 16384;      // written and not yet answered, a connection; further ones wait
  uint32_t max_operations = 147456;  // handed in and not yet released; further ones are refused
  // Of requests handed in and not yet written. Further ones are refused while as much waits; the last one
  // accepted may go beyond it.
  uint64_t max_queued_bytes = uint64_t{256} << 20;
  uint32_t slow = UINT32_MAX;      // µs from which on an operation counts as slow
  uint32_t max_value = 32u << 20;  // bytes; a value that is larger is not taken
};

}  // namespace evenkeel::pipeline
