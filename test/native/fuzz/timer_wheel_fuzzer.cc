// A history of schedules, cancels and advances, read from the input; the wheel must agree with a linear
// search. A step is three bytes: what and to whom, then a magnitude (a shift) and its digits.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/timer_wheel.h"

using evenkeel::base::kNever;
using evenkeel::base::Millis;
using evenkeel::base::TimerNode;
using evenkeel::base::TimerWheel;

namespace {

constexpr size_t kNodes = 32;

void require(bool condition) {
  if (!condition) std::abort();
}

Millis earliest(const std::array<TimerNode, kNodes>& nodes) {
  Millis earliest = kNever;
  for (const TimerNode& node : nodes) {
    if (node.scheduled()) earliest = std::min(earliest, node.deadline());
  }
  return earliest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::array<TimerNode, kNodes> nodes;
  Millis now = size > 0 ? Millis{data[0]} << (data[0] % 57) : 0;
  TimerWheel wheel(now);
  for (size_t at = 0; at + 3 <= size; at += 3) {
    TimerNode& node = nodes[data[at] % kNodes];
    const Millis distance = Millis{data[at + 2]} << (data[at + 1] % 57);
    switch (data[at] / kNodes) {
      case 0:
      case 1:
      case 2:
        wheel.schedule(&node, now > kNever - distance ? kNever : now + distance);
        break;
      case 3:
        wheel.schedule(&node, now - std::min(now, distance));
        break;
      case 4:
      case 5:
        wheel.cancel(&node);
        break;
      default: {
        now = now > kNever - distance ? kNever : now + distance;
        while (TimerNode* due = wheel.pop_due(now)) require(due->deadline() <= now && !due->scheduled());
        const Millis first = earliest(nodes);
        require(first == kNever || first > now);
      }
    }
    const auto pending =
        std::count_if(nodes.begin(), nodes.end(), [](const auto& n) { return n.scheduled(); });
    require(wheel.size() == static_cast<size_t>(pending));
    require(wheel.next_wakeup() <= earliest(nodes));
  }
  for (TimerNode& node : nodes) wheel.cancel(&node);
  require(wheel.next_wakeup() == kNever);
  return 0;
}
