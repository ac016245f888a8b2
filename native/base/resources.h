// What this process may have, found out by having it for a moment: for code that does not survive being
// refused.
#pragma once

#include <cstdint>

namespace evenkeel::base {

// So many bytes of address space in one piece.
bool can_map(uint64_t bytes);

// So many threads beside those there are, each with a stack of `stack_bytes`.
bool can_start_threads(unsigned count, uint64_t stack_bytes);

}  // namespace evenkeel::base
