// Rerouting: where the requests of protocols with partitions go when that is not where they were going. A
// request moves when another server has its partition by now, or when its server has sent it back, which
// proves that it was not executed. It goes to the new server at once and in the order of the calls, before
// what is submitted later. Where no server can have it for now it is parked, and so is what is submitted for
// its partition meanwhile.
//
// Threads: the loop's only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/event_base.h"
#include "net/batch.h"
#include "net/queued_bytes.h"
#include "pipeline/connection.h"
#include "pipeline/flights.h"
#include "pipeline/options.h"
#include "pipeline/parking.h"
#include "pipeline/partitions.h"

namespace evenkeel::pipeline {

class ReroutingOwner {
 public:
  // write() is to follow: requests have left the parking.
  virtual void on_unparked() = 0;

 protected:
  ~ReroutingOwner() = default;
};

class Rerouting final : private base::Timer {
 public:
  // `connections`: by id, null where there is none; `queued`: of all of them.
  Rerouting(base::EventBase& base, const Options& options, Flights& flights,
            const std::vector<Connection*>& connections, net::QueuedBytes& queued, ReroutingOwner& owner)
      : base_(base),
        options_(options),
        flights_(flights),
        connections_(connections),
        owner_(owner),
        queued_(&queued),
        parking_(flights, queued_) {}

  // As Pipeline has it. What waits for a connection is routed by them at once.
  void set_partitions(std::shared_ptr<const Partitions> partitions, std::vector<uint16_t> servers,
                      uint8_t numbering);

  // What is about to be enqueued has to be shown to divert(), or to reroute_held(): not all of it may go
  // where it was routed.
  bool is_needed() const { return has_old_routes_ || !parking_.empty() || has_gaps_; }
  // All that was routed before the last set_partitions() has been shown.
  void forget_old_routes() { has_old_routes_ = false; }

  // Takes what may not go to the connection. Nothing is written before write().
  void divert(Connection& connection, net::Batch& batch);
  void reroute_held(Connection& connection);
  void reroute(Connection& connection);
  // It has sent these back.
  void take_back(const Connection& connection, net::Batch& batch);

  // Writes what the calls above have given to other connections.
  void write();

  // A parked request is settled elsewhere.
  void remove(const Flight& flight) { parking_.remove(flight); }
  // Settles what is parked with kOutcomeClosed.
  void close();

 private:
  // A request that has come back more often is only sent after a pause: servers contradict each other, or
  // topologies do.
  static constexpr uint8_t kMostAtOnce = 8;

  void on_timer() override;
  uint16_t server_of(const Connection& connection) const { return connection.id() / options_.connections; }
  bool may_go_to(uint16_t connection, const net::Packet& packet) const;
  Connection* taker_of(uint16_t partition) const;
  bool may_take(const Connection* taker, uint16_t refused_by, uint8_t returns) const;
  void move(net::Batch& batch, uint16_t refused_by);
  void move(const net::Batch::Item& request, uint16_t refused_by);
  void give_back(const net::Batch::Item& request);
  void unpark(bool all);
  void reroute_all();
  void rearm();

  base::EventBase& base_;
  const Options& options_;
  Flights& flights_;
  const std::vector<Connection*>& connections_;
  ReroutingOwner& owner_;
  net::QueuedBytes queued_;
  Parking parking_;
  std::shared_ptr<const Partitions> partitions_;
  std::vector<uint16_t> servers_;  // by their index in the partitions
  uint8_t numbering_ = 0;
  bool has_gaps_ = false;            // there are partitions that nobody has
  bool has_old_routes_ = false;      // requests may come that were routed by the partitions of before
  std::vector<Connection*> takers_;  // that have something to write
};

}  // namespace evenkeel::pipeline
