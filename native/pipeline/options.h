// How a pipeline behaves; fixed for its life.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "net/tls_context.h"
#include "pipeline/layout.h"

namespace evenkeel::pipeline {

// What happens to operations while there is no connection to their server.
enum class Offline : uint8_t {
  kWait = layout::kOfflineWait,                  // they wait within their deadlines
  kFailWhenDown = layout::kOfflineFailWhenDown,  // they wait until an attempt to connect has failed
  kFail = layout::kOfflineFail,                  // they fail at once
};

struct Options {
  base::Millis connect_timeout = 2000;
  base::Millis backoff_min = 50;
  base::Millis backoff_max = 2000;
  // A connection is closed when it has been silent for this long and an operation on it times out.
  base::Millis silence_limit = 2500;
  // A connection is dead when its peer acknowledges nothing for this long. Detection and reconnection
  // together take less than 2 s.
  base::Millis dead_limit = 1900;
  Offline offline = Offline::kWait;
  std::shared_ptr<const net::TlsContext> tls;  // null: connections are not encrypted
  uint16_t connections = 1;                    // to each server
  uint32_t max_written = 16384;      // written but unanswered, for each connection; further ones wait
  uint32_t max_operations = 147456;  // submitted but not released; further ones are refused
  // Of submitted but unwritten requests. When this much waits, further requests are refused; the last one
  // accepted may exceed the limit.
  uint64_t max_queued_bytes = uint64_t{256} << 20;
  uint32_t slow = UINT32_MAX;      // µs from which an operation counts as slow
  uint32_t max_value = 32u << 20;  // bytes; a larger value is not accepted
};

}  // namespace evenkeel::pipeline
