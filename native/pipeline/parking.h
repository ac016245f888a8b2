// Parking: requests that no connection has for now. Their server has sent them back because it does not have
// their partition, or no server has it. They are as good as never sent. Each one waits until another server
// has its partition, until there is a newer topology, or for a pause, which gets longer each time; its
// deadline goes on meanwhile.
//
// Threads: the loop's only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/event_base.h"
#include "net/batch.h"
#include "net/queued_bytes.h"
#include "pipeline/flights.h"

namespace evenkeel::pipeline {

struct Parked {
  net::Packet packet;
  std::vector<std::byte> bytes;
  std::unique_ptr<net::Payload> payload;
  uint32_t payload_length = 0;
  uint16_t connection = 0;  // that had it
  uint64_t version = 0;     // of the topology by then
  base::Millis due = base::kNever;
  net::QueuedBytes* queued = nullptr;  // that counts it; null: nobody does

  size_t length() const { return bytes.size() + payload_length; }
};

class ParkingOwner {
 public:
  // A pause is over.
  virtual void on_pause_over() = 0;

 protected:
  ~ParkingOwner() = default;
};

class Parking final : private base::Timer {
 public:
  Parking(base::EventBase& base, Flights& flights, ParkingOwner& owner)
      : base_(base), flights_(flights), owner_(owner) {}
  ~Parking() { Timer::cancel(); }

  bool empty() const { return parked_.empty(); }
  // Requests of `connection`, which `queued` counts in its whole. `were_sent`: and were sent back.
  void add(net::Batch& batch, uint16_t connection, uint64_t version, const net::QueuedBytes* queued,
           bool were_sent);
  // It is settled elsewhere.
  void remove(const Flight& flight);

  // What is to become of a request: it stays, or somebody has it from here on.
  enum class Leave : uint8_t { kStays, kGoes };
  // Shows all of them, the oldest first, with whether the pause is over: leave(parked, is_due).
  template <typename Visit>
  void for_each(Visit visit) {
    const base::Millis now = base_.time();
    base::Millis earliest = base::kNever;
    for (auto at = parked_.begin(); at != parked_.end();) {
      const bool is_due = at->second.due <= now;
      if (visit(at->second, is_due) == Leave::kGoes) {
        at = parked_.erase(at);
        continue;
      }
      if (is_due) at->second.due = now + kLongestPause;
      earliest = std::min(earliest, at->second.due);
      ++at;
    }
    wait_until(earliest);
  }

  static constexpr base::Millis kShortestPause = 100;
  static constexpr base::Millis kLongestPause = 1000;
  // One that has been sent back more often only leaves after a pause: servers contradict each other, or the
  // topologies do.
  static constexpr uint8_t kMostAtOnce = 8;

 private:
  void on_timer() override { owner_.on_pause_over(); }
  void wait_until(base::Millis due);

  base::EventBase& base_;
  Flights& flights_;
  ParkingOwner& owner_;
  uint32_t next_ = 0;
  std::map<uint32_t, Parked> parked_;  // by Flight.sequence
};

}  // namespace evenkeel::pipeline
