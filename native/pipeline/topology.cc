#include "pipeline/topology.h"

#include <algorithm>
#include <utility>

namespace evenkeel::pipeline {

std::unique_ptr<const Ring> Ring::make(KeyHash hash, std::vector<uint32_t> points,
                                       std::vector<uint16_t> owners, size_t servers) {
  if (points.empty() || points.size() != owners.size() || !std::is_sorted(points.begin(), points.end()) ||
      *std::max_element(owners.begin(), owners.end()) >= servers)
    return nullptr;
  return std::unique_ptr<const Ring>(new Ring(hash, std::move(points), std::move(owners), servers));
}

Ring::Ring(KeyHash hash, std::vector<uint32_t> points, std::vector<uint16_t> owners, size_t servers)
    : Topology(servers), hash_(hash), points_(std::move(points)), owners_(std::move(owners)) {}

Route Ring::route(std::span<const std::byte> key) const {
  const uint32_t hash = hash_key(hash_, key);
  // The search is written without a branch: no key says anything about the next one, so each would be guessed
  // wrong half of the time.
  const uint32_t* from = points_.data();
  for (size_t length = points_.size(); length > 0;) {
    const size_t half = (length + 1) / 2;
    from += from[half - 1] < hash ? half : 0;
    length -= half;
  }
  const auto found = static_cast<size_t>(from - points_.data());
  return {.server = owners_[found == points_.size() ? 0 : found], .hash = hash};
}

std::unique_ptr<const Modulo> Modulo::make(KeyHash hash, size_t servers) {
  if (servers == 0 || servers > size_t{UINT16_MAX} + 1) return nullptr;
  return std::unique_ptr<const Modulo>(new Modulo(hash, servers));
}

Route Modulo::route(std::span<const std::byte> key) const {
  const uint32_t hash = hash_key(hash_, key);
  const auto servers = static_cast<uint32_t>(Topology::servers());
  return {.server = static_cast<uint16_t>(hash % servers), .hash = hash / servers};
}

}  // namespace evenkeel::pipeline
