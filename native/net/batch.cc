#include "net/batch.h"

#include <iterator>

namespace evenkeel::net {

void Batch::append(Batch& other) {
  if (empty()) {
    std::swap(bytes, other.bytes);
    packets.swap(other.packets);
    payloads.swap(other.payloads);
  } else {
    bytes.append({other.bytes.data(), other.bytes.size()});
    packets.insert(packets.end(), other.packets.begin(), other.packets.end());
    payloads.insert(payloads.end(), std::make_move_iterator(other.payloads.begin()),
                    std::make_move_iterator(other.payloads.end()));
  }
  other.clear();
}

}  // namespace evenkeel::net
