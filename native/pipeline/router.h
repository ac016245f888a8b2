// Router: which node answers for a key. The one decision that tells engines apart (a single server, a ketama
// ring, vbuckets, partitions); pure, so that a snapshot of a topology can be read on every operation without
// a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace evenkeel::pipeline {

class Router {
 public:
  virtual ~Router() = default;
  virtual size_t nodes() const = 0;
  // Less than nodes().
  virtual uint16_t route(std::span<const std::byte> key) const = 0;
};

class SingleNodeRouter final : public Router {
 public:
  size_t nodes() const override { return 1; }
  uint16_t route(std::span<const std::byte>) const override { return 0; }
};

}  // namespace evenkeel::pipeline
