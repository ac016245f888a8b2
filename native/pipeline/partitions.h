// Partitions: the Topology of a Couchbase bucket. A key belongs to one of a fixed number of partitions (the
// vbuckets), and a table says which server has the active copy of each, and which ones its replicas.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/topology.h"

namespace evenkeel::pipeline {

class Partitions final : public Topology {
 public:
  static constexpr int32_t kNobody = -1;

  // `owners` has a row of `copies` for each partition: the index of the server that has the active copy, and
  // behind it those of the replicas; kNobody where there is none. Null unless there are whole rows, at most
  // 65536 of them, and each index is below `servers`.
  static std::shared_ptr<const Partitions> make(std::vector<int16_t> owners, size_t copies, size_t servers);

  size_t size() const { return size_; }
  // There are some that nobody has.
  bool has_gaps() const { return has_gaps_; }
  // A key without an active copy is routed to any server, so that its requests are somebody's.
  Route route(std::span<const std::byte> key) const override;
  Route route_to_replica(std::span<const std::byte> key, uint8_t replica) const override;
  // The index of its server, or kNobody. `copy`: 0 for the active one, otherwise which replica.
  int32_t owner(uint16_t partition, size_t copy = 0) const {
    return partition < size_ && copy < copies_ ? owners_[partition * copies_ + copy] : kNobody;
  }

 private:
  Partitions(std::vector<int16_t> owners, size_t copies, size_t servers);
  Route place(uint32_t hash, size_t copy) const;

  const std::vector<int16_t> owners_;
  const size_t copies_;
  const uint32_t size_;
  bool has_gaps_ = false;
};

}  // namespace evenkeel::pipeline
