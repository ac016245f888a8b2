// Router: which server answers for a key. The one decision that tells engines and placements apart (a single
// server, a ketama ring, vbuckets, partitions); pure and immutable, so that a snapshot of a topology can be
// read on every operation without a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace evenkeel::pipeline {

class Router {
 public:
  virtual ~Router() = default;
  // An index into the topology's servers.
  virtual uint16_t route(std::span<const std::byte> key) const = 0;
};

class SingleServer final : public Router {
 public:
  uint16_t route(std::span<const std::byte>) const override { return 0; }
};

}  // namespace evenkeel::pipeline
