// Flush: what becomes of the requests that are handed over.
#pragma once

#include "pipeline/layout.h"

namespace evenkeel::pipeline {

enum class Flush : uint32_t {
  kHold = layout::kFlushHold,      // they wait for a kAll
  kStaged = layout::kFlushStaged,  // they go out; what was held before still waits
  kAll = layout::kFlushAll,        // everything goes out, in order
};

}  // namespace evenkeel::pipeline
