#include "pipeline/pipeline.h"

#include <utility>

namespace evenkeel::pipeline {

Pipeline::Pipeline(base::EventBase& base, const Options& options, Allocator& allocator,
                   net::QueuedBytes& queued, CompletionSink& sink)
    : base_(base),
      options_(options),
      allocator_(allocator),
      sink_(sink),
      flights_(base.refresh_time(), options.slow),
      rerouting_(base, options_, flights_, connections_, queued, *this) {}

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

void Pipeline::set_partitions(std::shared_ptr<const Partitions> partitions, std::vector<uint16_t> servers,
                              uint8_t numbering) {
  flights_.look_at_clock();
  rerouting_.set_partitions(std::move(partitions), std::move(servers), numbering);
}

void Pipeline::return_unwritten(uint16_t id) {
  if (servers_[id] == nullptr) return;
  servers_[id]->return_unwritten();
  publish();
}

// What goes elsewhere goes first: what is enqueued behind it was routed later, if it is of the same keys.
void Pipeline::reroute(net::Outgoing& outgoing, Flush flush) {
  if (flush == Flush::kHold) return;
  if (flush == Flush::kAll)
    for (const uint16_t id : holding_) rerouting_.reroute_held(connection(id));
  outgoing.for_each([this](uint16_t id, net::Batch& batch) { rerouting_.divert(connection(id), batch); });
}

void Pipeline::submit(net::Outgoing& outgoing, Flush flush) {
  flights_.look_at_clock();
  if (rerouting_.is_needed()) reroute(outgoing, flush);
  if (flush == Flush::kAll) {
    for (const uint16_t id : holding_) {
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
    }
    connection.enqueue(batch, flush);
  });
  rearm();
  publish();
}

void Pipeline::write() {
  for (const uint16_t id : touched_) connection(id).write_enqueued();
  touched_.clear();
  if (holding_.empty()) rerouting_.forget_old_routes();
  proceed();
}

void Pipeline::cancel(uint32_t opaque) {
  Flight* flight = flights_.find(opaque);
  if (flight == nullptr || is_settled(flight->state)) return;
  if (flight->state == FlightState::kParked) {
    rerouting_.remove(*flight);
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
  rerouting_.close();
  publish();
}

void Pipeline::on_timer() {
  ++turn_;
  flights_.look_at_clock();
  while (base::TimerNode* due = flights_.deadlines().pop_due(base_.time())) {
    Flight& flight = *static_cast<Flight*>(due);
    if (flight.state == FlightState::kParked) {
      rerouting_.remove(flight);
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
  rerouting_.write();
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
