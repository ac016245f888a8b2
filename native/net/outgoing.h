// Outgoing: batches of requests, one for each connection that has any. What is to be done with them costs as
// much as there are of those, however many connections there may be.
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
  // The connection's, until a batch of another one is asked for.
  Batch& batch_of(uint16_t connection) {
    if (connection >= batches_.size()) batches_.resize(size_t{connection} + 1);
    return batches_[connection];
  }
  // Batch::add() to the connection's, which is `batch`.
  void add(uint16_t connection, Batch& batch, Packet packet, std::unique_ptr<Payload> payload,
           size_t payload_length) {
    if (batch.empty()) used_.push_back(connection);
    batch.add(packet, std::move(payload), payload_length);
  }

  // Moves everything of `other` behind what is here and leaves it empty.
  void append(Outgoing& other) {
    other.take([this](uint16_t connection, Batch& theirs) {
      Batch& ours = batch_of(connection);
      if (ours.empty()) used_.push_back(connection);
      ours.append(theirs);
    });
  }

  // Visits (connection, batch) and leaves it empty: the visitor takes what the batch holds.
  template <typename Visit>
  void take(Visit visit) {
    for (const uint16_t connection : used_) visit(connection, batches_[connection]);
    used_.clear();
  }

  // Gives its memory back, with whatever is still in it.
  void forget() { *this = Outgoing(); }

 private:
  std::vector<Batch> batches_;
  std::vector<uint16_t> used_;
};

}  // namespace evenkeel::net
