#include "pipeline/partitions.h"

#include <algorithm>
#include <utility>

#include "pipeline/crc32.h"

namespace evenkeel::pipeline {

std::shared_ptr<const Partitions> Partitions::make(std::vector<int16_t> owners, size_t copies,
                                                   size_t servers) {
  if (copies == 0 || owners.empty() || owners.size() % copies != 0 ||
      owners.size() / copies > size_t{UINT16_MAX} + 1 || servers == 0)
    return nullptr;
  const auto is_known = [servers](int32_t owner) {
    return owner == kNobody || (owner >= 0 && static_cast<size_t>(owner) < servers);
  };
  if (!std::all_of(owners.begin(), owners.end(), is_known)) return nullptr;
  return std::shared_ptr<const Partitions>(new Partitions(std::move(owners), copies, servers));
}

Partitions::Partitions(std::vector<int16_t> owners, size_t copies, size_t servers)
    : Topology(servers),
      owners_(std::move(owners)),
      copies_(copies),
      size_(static_cast<uint32_t>(owners_.size() / copies)) {
  for (size_t first = 0; first < owners_.size(); first += copies) has_gaps_ |= owners_[first] == kNobody;
}

// Keys of one partition share a connection: requests that move have no key, but their partition.
Route Partitions::place(uint32_t hash, size_t copy) const {
  const auto partition = static_cast<uint16_t>((hash >> 16 & 0x7fff) % size_);
  const int32_t server = owner(partition, copy);
  return {.server = server == kNobody ? kNoServer : static_cast<uint16_t>(server),
          .partition = partition,
          .hash = partition};
}

Route Partitions::route(std::span<const std::byte> key) const {
  Route route = place(crc32(key), 0);
  if (route.server == kNoServer) route.server = static_cast<uint16_t>(route.partition % servers());
  return route;
}

Route Partitions::route_to_replica(std::span<const std::byte> key, uint8_t replica) const {
  return place(crc32(key), replica);
}

}  // namespace evenkeel::pipeline
