// The seed of a randomised test: EVENKEEL_SEED, or another one every time. The test prints it when it fails.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace evenkeel::test {

inline uint64_t choose_seed() {
  const char* given = std::getenv("EVENKEEL_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

inline std::string describe_seed(uint64_t seed) { return "EVENKEEL_SEED=" + std::to_string(seed); }

}  // namespace evenkeel::test
