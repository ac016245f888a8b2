// Checks of available resources, by allocating them briefly: for code that does not survive being refused.
#pragma once

#include <cstdint>

namespace evenkeel::base {

// Whether this much address space can be mapped in one piece.
bool can_map(uint64_t bytes);

// Whether this many additional threads can be started, each with a stack of `stack_bytes`.
bool can_start_threads(unsigned count, uint64_t stack_bytes);

}  // namespace evenkeel::base
