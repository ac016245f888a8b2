// Parking: requests that no connection has for now, in the order in which they came. Those of a partition
// wait together: until some server has it or, when one has sent them back, for a pause, which gets longer
// each time. Their deadlines go on meanwhile.
//
// Threads: the loop's only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "net/output_queue.h"
#include "pipeline/flights.h"
#include "pipeline/topology.h"

namespace evenkeel::pipeline {

class Parking {
 public:
  // The requests of a partition.
  struct Wait {
    uint32_t requests = 0;
    // The server that has sent one back, if any, the most returns that one of them has had, and the end of
    // the pause for that.
    uint16_t refused_by = kNoServer;
    uint8_t returns = 0;
    base::Millis due = 0;
    bool is_over = false;  // while they are taken
  };

  static constexpr base::Millis kShortestPause = 100;
  static constexpr base::Millis kLongestPause = 1000;

  // `queued` counts what is here.
  Parking(Flights& flights, net::QueuedBytes& queued) : flights_(flights), requests_(queued) {}

  bool empty() const { return partitions_ == 0; }
  // How many of them wait.
  size_t partitions() const { return partitions_; }
  bool has(uint16_t partition) const { return partition < waits_.size() && waits_[partition].requests > 0; }

  // Its bytes are counted already. `refused_by`: the server that has just sent it back, or kNoServer.
  void add(const net::Batch::Item& request, uint16_t refused_by, base::Millis now);
  // It is settled elsewhere.
  void remove(const Flight& flight);
  // Takes the requests of the partitions of which leaves(partition, wait) says so, as OutputQueue::extract()
  // does.
  template <typename Leaves>
  void extract(net::Batch* out, base::Millis now, Leaves leaves) {
    size_t over = 0;
    next_due_ = base::kNever;
    for (size_t i = 0; i < waits_.size(); ++i) {
      Wait& wait = waits_[i];
      wait.is_over = wait.requests > 0 && leaves(static_cast<uint16_t>(i), wait);
      if (wait.is_over)
        ++over;
      else if (wait.due > now)
        next_due_ = std::min(next_due_, wait.due);
    }
    if (over == 0) return;
    requests_.extract(out, [this](const net::Packet& packet) { return waits_[packet.partition].is_over; });
    for (Wait& wait : waits_)
      if (wait.is_over) wait = {};
    partitions_ -= over;
    tidy();
  }

  // When to look again whether a pause is over; kNever when nothing pauses.
  base::Millis next_due() const { return next_due_; }

  // Settles all of them.
  void close();

 private:
  void tidy();

  Flights& flights_;
  net::OutputQueue requests_;
  std::vector<Wait> waits_;  // by partition
  size_t partitions_ = 0;
  base::Millis next_due_ = base::kNever;
};

}  // namespace evenkeel::pipeline
