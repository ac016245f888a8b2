// Outgoing: batches of requests, one for each connection that has any. The cost of processing depends on the
// number of batches, not on the number of connections.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "net/batch.h"

namespace evenkeel::net {

class Outgoing {
 public:
  bool empty() const { return used_.empty(); }

  // These two are a part of every operation.
  // The batch of a connection; valid until that of another one is requested.
  [[gnu::always_inline]] Batch& batch_of(uint16_t connection) {
    if (connection >= batches_.size()) batches_.resize(size_t{connection} + 1);
    return batches_[connection];
  }
  // Batch::add() for the connection's batch, which must be `batch`.
  [[gnu::always_inline]] void add(uint16_t connection, Batch& batch, Packet packet,
                                  std::unique_ptr<Payload> payload, size_t payload_length) {
    if (batch.empty()) used_.push_back(connection);
    batch.add(packet, std::move(payload), payload_length);
  }

  // Moves everything from `other` to the end and leaves `other` empty.
  void append(Outgoing& other) {
    other.take([this](uint16_t connection, Batch& theirs) {
      Batch& ours = batch_of(connection);
      if (ours.empty()) used_.push_back(connection);
      ours.append(theirs);
    });
  }

  // Visits (connection, batch).
  template <typename Visit>
  void for_each(Visit visit) {
    for (const uint16_t connection : used_) visit(connection, batches_[connection]);
  }
  // The same, and empties it: the visitor takes the contents of each batch.
  template <typename Visit>
  void take(Visit visit) {
    for_each(visit);
    used_.clear();
  }

  // Frees its memory and everything still in it.
  void forget() { *this = Outgoing(); }

 private:
  std::vector<Batch> batches_;
  std::vector<uint16_t> used_;
};

}  // namespace evenkeel::net
