// The package version, by which the loader recognises an addon that was built for another version of the
// JavaScript part: the layout of shared data may differ.
#pragma once

namespace evenkeel::addon {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace evenkeel::addon
