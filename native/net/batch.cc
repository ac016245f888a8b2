#include "net/batch.h"

#include <iterator>

namespace evenkeel::net {

void Batch::append(Batch& other) {
  if (empty()) {
    std::swap(bytes, other.bytes);
    packets.swap(other.packets);
    payloads.swap(other.payloads);
  } else {
    const size_t packets_before = packets.size();
    const auto payloads_before = static_cast<uint32_t>(payloads.size());
    bytes.append({other.bytes.data(), other.bytes.size()});
    packets.insert(packets.end(), other.packets.begin(), other.packets.end());
    payloads.insert(payloads.end(), std::make_move_iterator(other.payloads.begin()),
                    std::make_move_iterator(other.payloads.end()));
    if (payloads_before > 0 && !other.payloads.empty()) {
      for (Packet& packet : std::span(packets).subspan(packets_before)) {
        if (packet.payload != Packet::kNoPayload) packet.payload += payloads_before;
      }
    }
  }
  other.clear();
}

}  // namespace evenkeel::net
