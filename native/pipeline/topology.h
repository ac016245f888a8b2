// Topology: which server of a fleet a key belongs to. It never changes: a change of the fleet makes another
// one, so it is read for each operation without a lock. lib/cluster/placement/ decides what it is made of,
// and routes keys in the same way.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/key_hash.h"

namespace evenkeel::pipeline {

inline constexpr uint16_t kNoServer = UINT16_MAX;

struct Route {
  uint16_t server;         // less than Topology::servers(), or kNoServer
  uint16_t partition = 0;  // of Couchbase's: the key's
  // Chooses among the connections of a server, and says nothing about the server: the remainder of a division
  // by any number of connections takes each value equally often. Couchbase's: the partition.
  uint32_t hash;

  bool operator==(const Route&) const = default;
};

class Topology {
 public:
  virtual ~Topology() = default;
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  size_t servers() const { return servers_; }
  virtual Route route(std::span<const std::byte> key) const = 0;
  // To a replica of what belongs to the key; they are counted from 1.
  virtual Route route_to_replica(std::span<const std::byte>, uint8_t) const {
    return {.server = kNoServer, .hash = 0};
  }

 protected:
  explicit Topology(size_t servers) : servers_(servers) {}

 private:
  const size_t servers_;
};

// One server with one connection: nothing is hashed, and all hashes are 0.
class Single final : public Topology {
 public:
  Single() : Topology(1) {}
  Route route(std::span<const std::byte>) const override { return {.server = 0, .hash = 0}; }
};

// Points on a circle of 2^32: a key belongs to the owner of the first point at or behind its hash.
class Ring final : public Topology {
 public:
  // Null unless there are points, as many as owners, in ascending order, and each owner is one of `servers`.
  static std::unique_ptr<const Ring> make(KeyHash hash, std::vector<uint32_t> points,
                                          std::vector<uint16_t> owners, size_t servers);
  Route route(std::span<const std::byte> key) const override;

 private:
  Ring(KeyHash hash, std::vector<uint32_t> points, std::vector<uint16_t> owners, size_t servers);

  const KeyHash hash_;
  const std::vector<uint32_t> points_;
  const std::vector<uint16_t> owners_;
};

// The remainder of the key's hash. With one server, one whose keys are spread over several connections.
class Modulo final : public Topology {
 public:
  // Null unless `servers` is from 1 to 65536.
  static std::unique_ptr<const Modulo> make(KeyHash hash, size_t servers);
  Route route(std::span<const std::byte> key) const override;

 private:
  Modulo(KeyHash hash, size_t servers) : Topology(servers), hash_(hash) {}

  const KeyHash hash_;
};

}  // namespace evenkeel::pipeline
