#include "pipeline/pipeline.h"

#include <algorithm>
#include <utility>

namespace evenkeel::pipeline {

Pipeline::Pipeline(base::EventBase& base, const Options& options, Allocator& allocator, CompletionSink& sink)
    : base_(base),
      options_(options),
      allocator_(allocator),
      sink_(sink),
      flights_(base.refresh_time(), options.slow) {}

Pipeline::~Pipeline() = default;

void Pipeline::add_server(uint16_t id, const wire::Protocol& protocol, const Steps& steps,
                          const std::string& host, net::QueuedBytes& queued, std::shared_ptr<Meter> meter,
                          bool is_guess) {
  const size_t first = size_t{id} * options_.connections;
  if (id >= servers_.size()) servers_.resize(size_t{id} + 1);
  if (connections_.size() < first + options_.connections) connections_.resize(first + options_.connections);
  servers_[id] =
      std::make_unique<Server>(static_cast<uint16_t>(first), base_, protocol, steps, host, options_, flights_,
                               allocator_, queued, std::move(meter), is_guess, *this);
  for (size_t i = 0; i < options_.connections; ++i)
    connections_[first + i] = servers_[id]->connections()[i].get();
}

void Pipeline::set_addresses(uint16_t id, const std::vector<net::Address>& addresses, uint32_t failures) {
  if (servers_[id] == nullptr) return;
  servers_[id]->set_addresses(addresses, failures);
  publish();
}

void Pipeline::retire_server(uint16_t id) {
  servers_[id]->retire();
  ++retiring_;
  publish();
}

void Pipeline::abandon_server(uint16_t id) {
  if (servers_[id] == nullptr) return;  // retired, and over
  servers_[id]->abandon();
  publish();
}

void Pipeline::continue_handshake(uint16_t connection, uint32_t attempt, std::vector<std::byte> request) {
  if (connection >= connections_.size() || connections_[connection] == nullptr) return;
  connections_[connection]->continue_handshake(attempt, std::move(request));
  publish();
}

void Pipeline::set_partitions(std::shared_ptr<const Partitions> partitions, std::vector<uint16_t> servers) {
  flights_.look_at_clock();
  partitions_ = std::move(partitions);
  partition_servers_ = std::move(servers);
  ++version_;
  for (Connection* each : connections_) {
    if (each == nullptr) continue;
    net::Batch misrouted;
    each->extract(&misrouted, [&](const net::Packet& packet) { return is_misrouted(packet, each->id()); });
    if (!misrouted.empty()) parking_.add(misrouted, each->id(), version_, &each->queued(), false);
  }
  may_unpark_ = true;
}

// Its partition is not the server's of this connection.
bool Pipeline::is_misrouted(const net::Packet& packet, uint16_t connection) const {
  if (!packet.moves || partitions_ == nullptr) return false;
  const int32_t owner = partitions_->owner(packet.partition);
  return owner == Partitions::kNobody ||
         partition_servers_[static_cast<size_t>(owner)] != connection / options_.connections;
}

// Requests that were routed by a topology of before, or held back since then.
void Pipeline::divert(uint16_t id, net::Batch& batch) {
  const auto is_misrouted = [&](const net::Packet& packet) { return this->is_misrouted(packet, id); };
  if (std::none_of(batch.packets.begin(), batch.packets.end(), is_misrouted)) return;
  net::Batch rest;
  net::Batch misrouted;
  net::QueuedBytes& queued = connection(id).queued();
  batch.for_each([&](const net::Batch::Item& item) {
    if (!is_misrouted(item.packet)) return rest.add(item);
    flights_.start(item.packet, id);
    queued.pass_on(item.length());
    misrouted.add(item);
  });
  batch.clear();
  std::swap(batch, rest);
  parking_.add(misrouted, id, version_, &queued, false);
  may_unpark_ = true;
}

void Pipeline::on_sent_back(uint16_t connection, net::Batch& batch, const net::QueuedBytes& queued) {
  parking_.add(batch, connection, version_, &queued, true);
  may_unpark_ = true;
}

void Pipeline::on_pause_over() {
  flights_.look_at_clock();
  may_unpark_ = true;
  proceed();
}

// The connections of a server are told apart by the key, also of another one. Null: nobody has the partition.
Connection* Pipeline::new_connection_of(const Parked& parked) const {
  size_t id = parked.connection;
  if (partitions_ != nullptr) {
    const int32_t owner = partitions_->owner(parked.packet.partition);
    if (owner == Partitions::kNobody) return nullptr;
    id = size_t{partition_servers_[static_cast<size_t>(owner)]} * options_.connections +
         parked.connection % options_.connections;
  }
  return id < connections_.size() ? connections_[id] : nullptr;
}

void Pipeline::unpark() {
  std::vector<uint16_t> adopting;
  parking_.for_each([&](Parked& parked, bool is_due) {
    Connection* const taker = new_connection_of(parked);
    if (taker == nullptr) return Parking::Leave::kStays;
    const bool is_another = taker->id() / options_.connections != parked.connection / options_.connections;
    const bool has_news = is_another || version_ > parked.version;
    if (!is_due && !(has_news && parked.packet.returns < Parking::kMostAtOnce)) return Parking::Leave::kStays;
    net::Batch::Attached attached{std::move(parked.payload), parked.payload_length};
    taker->adopt({parked.packet, parked.bytes, attached.payload == nullptr ? nullptr : &attached});
    adopting.push_back(taker->id());
    return Parking::Leave::kGoes;
  });
  for (const uint16_t id : adopting) connection(id).write_enqueued();
}

void Pipeline::return_unwritten(uint16_t id) {
  if (servers_[id] == nullptr) return;
  servers_[id]->return_unwritten();
  publish();
}

void Pipeline::submit(net::Outgoing& outgoing, Flush flush) {
  flights_.look_at_clock();
  if (flush == Flush::kAll) {
    for (const uint16_t id : holding_) {
      if (partitions_ != nullptr) {
        net::Batch misrouted;
        connection(id).extract_held(&misrouted,
                                    [&](const net::Packet& packet) { return is_misrouted(packet, id); });
        if (!misrouted.empty()) {
          parking_.add(misrouted, id, version_, &connection(id).queued(), false);
          may_unpark_ = true;
        }
      }
      connection(id).release_held();
      touched_.push_back(id);
    }
    holding_.clear();
  }
  outgoing.take([this, flush](uint16_t id, net::Batch& batch) {
    Connection& connection = this->connection(id);
    if (flush == Flush::kHold) {
      if (!connection.is_holding()) holding_.push_back(id);
    } else {
      touched_.push_back(id);
      if (partitions_ != nullptr) divert(id, batch);
    }
    connection.enqueue(batch, flush);
  });
  rearm();
  publish();
}

void Pipeline::write() {
  for (const uint16_t id : touched_) connection(id).write_enqueued();
  touched_.clear();
  proceed();
}

void Pipeline::cancel(uint32_t opaque) {
  Flight* flight = flights_.find(opaque);
  if (flight == nullptr || is_settled(flight->state)) return;
  if (flight->state == FlightState::kParked) {
    parking_.remove(*flight);
    flights_.release(*flight);
    return publish();
  }
  connection(flight->connection).give_up(*flight, layout::kOutcomeReleased);
  publish();
}

void Pipeline::close() {
  Timer::cancel();
  reaper_.cancel();
  flights_.look_at_clock();
  for (auto& server : servers_) {
    if (server != nullptr) server->close();
  }
  parking_.for_each([this](Parked& parked, bool) {
    flights_.settle(*flights_.find(parked.packet.opaque), layout::kOutcomeClosed);
    if (parked.queued != nullptr) parked.queued->subtract(parked.length());
    return Parking::Leave::kGoes;
  });
  publish();
}

void Pipeline::on_timer() {
  ++turn_;
  flights_.look_at_clock();
  while (base::TimerNode* due = flights_.deadlines().pop_due(base_.time())) {
    Flight& flight = *static_cast<Flight*>(due);
    if (flight.state == FlightState::kParked) {
      parking_.remove(flight);
      const uint32_t cause = flight.was_returned ? layout::kCauseSentBack : 0;
      flights_.settle(flight, layout::kOutcomeTimedOut).detail = cause;
      continue;
    }
    Connection& connection = this->connection(flight.connection);
    if (connection.catches_up(turn_)) {
      flights_.deadlines().schedule(&flight, flight.deadline());
      connection.catch_up();
    } else {
      connection.give_up(flight, layout::kOutcomeTimedOut);
    }
  }
  rearm();
  proceed();
}

// The base's timer follows the earliest deadline only when that comes nearer: a wake-up for an operation long
// since answered costs less than moving the timer with every batch.
void Pipeline::rearm() {
  const base::Millis wakeup = flights_.deadlines().next_wakeup();
  if (wakeup == base::kNever) return;
  if (!Timer::scheduled() || wakeup < Timer::deadline()) base_.schedule(this, wakeup);
}

void Pipeline::proceed() {
  while (std::exchange(may_unpark_, false)) unpark();
  publish();
}

void Pipeline::publish() {
  // One of the servers may be the caller.
  if (retiring_ > 0 && !reaper_.scheduled()) base_.schedule(&reaper_, base_.time());
  if (!flights_.completions().empty()) sink_.on_completions(flights_.completions());
}

void Pipeline::reap() {
  for (std::unique_ptr<Server>& server : servers_) {
    if (server == nullptr || !server->is_retired() || !server->is_done()) continue;
    server->close();
    for (const auto& connection : server->connections()) {
      std::erase(holding_, connection->id());
      connections_[connection->id()] = nullptr;
    }
    flights_.control(server->connections().front()->id(), layout::kOutcomeRetired, 0);
    server.reset();
    --retiring_;
  }
  // Not publish(): whoever is not done yet is looked at again when something has happened.
  if (!flights_.completions().empty()) sink_.on_completions(flights_.completions());
}

}  // namespace evenkeel::pipeline
