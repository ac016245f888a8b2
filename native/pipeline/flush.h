// Flush: what happens to the submitted requests.
#pragma once

#include "pipeline/layout.h"

namespace evenkeel::pipeline {

enum class Flush : uint32_t {
  kHold = layout::kFlushHold,      // they wait for a kAll
  kStaged = layout::kFlushStaged,  // they are sent; what was held before still waits
  kAll = layout::kFlushAll,        // everything is sent, in order
};

}  // namespace evenkeel::pipeline
