// The version of the package, by which the loader knows an addon that was built for other JavaScript: the
// layout of what crosses the boundary may have changed in between.
#pragma once

namespace evenkeel::addon {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace evenkeel::addon
