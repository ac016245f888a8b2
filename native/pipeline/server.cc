#include "pipeline/server.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace evenkeel::pipeline {

Server::Server(uint16_t first, base::EventBase& base, const wire::Protocol& protocol, const Steps& steps,
               const std::string& host, const Options& options, Flights& flights, Allocator& allocator,
               net::QueuedBytes& queued, std::shared_ptr<Meter> meter, bool is_guess, ServerOwner& owner)
    : base_(base),
      options_(options),
      owner_(owner),
      meter_(std::move(meter)),
      backoff_(options.backoff_min, options.backoff_max, base::now_nanos() + first),
      is_guess_(is_guess) {
  ConnectionOwner& self = *this;
  for (uint16_t i = 0; i < options.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(static_cast<uint16_t>(first + i), base, protocol,
                                                        steps, host, options, flights, allocator, queued,
                                                        *meter_, self));
    carriers_.push_back(i);
  }
}

void Server::set_addresses(const std::vector<net::Address>& addresses, uint32_t failures) {
  candidates_.clear();
  for (const net::Address& each : addresses) candidates_.push_back({each, 0});
  tried_ = candidates_.size();
  if (std::exchange(is_wanted_, true) || is_closed_) return;
  if (failures == 0) return try_to_connect();
  is_down_ = true;
  const base::Millis now = base_.refresh_time();
  base_.schedule(this, now + backoff_.resume(now, failures));
}

// For a server that refuses this client everything would wait in vain.
bool Server::lets_wait() const {
  if (is_refused_) return false;
  switch (options_.offline) {
    case Offline::kWait:
      return true;
    case Offline::kFailWhenDown:
      return !is_down_;
    case Offline::kFail:
      return is_any_established();
  }
  return true;
}

bool Server::is_any_established() const { return !indices_of(&Connection::is_established).empty(); }

void Server::abandon() {
  for (auto& connection : connections_) connection->return_waiting();
}

void Server::return_unwritten() {
  for (auto& connection : connections_) connection->return_unwritten();
}

bool Server::is_done() const {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& each) { return each->is_done(); });
}

void Server::close() {
  is_closed_ = true;
  Timer::cancel();
  for (auto& connection : connections_) connection->close();
}

void Server::try_to_connect() {
  const auto idle = std::find_if(connections_.begin(), connections_.end(),
                                 [](const auto& each) { return each->is_idle(); });
  if (is_trying_ || idle == connections_.end()) return;
  is_trying_ = true;
  backoff_.begin(base_.refresh_time());
  (*idle)->connect(choose_address());
}

// Null: there is none.
const net::Address* Server::choose_address() {
  const auto least = std::min_element(candidates_.begin(), candidates_.end(),
                                      [](const auto& a, const auto& b) { return a.failures < b.failures; });
  if (least == candidates_.end()) return nullptr;
  tried_ = static_cast<size_t>(least - candidates_.begin());
  return &least->address;
}

void Server::blame_address(uint32_t cause) {
  if (tried_ < candidates_.size()) candidates_[tried_].failures += cause == ETIMEDOUT ? kSilence : 1;
}

void Server::hand_over(size_t from, size_t to) {
  connections_[to]->take_over(*connections_[from]);
  std::replace(carriers_.begin(), carriers_.end(), from, to);
}

void Server::on_stranded(Connection& connection) {
  const size_t own = index_of(connection);
  if (carriers_[own] != own) {
    connections_[carriers_[own]]->take_over(connection);
  } else if (const std::vector<size_t> ready = indices_of(&Connection::is_ready); !ready.empty()) {
    hand_over(own, ready[own % ready.size()]);
  } else if (const std::vector<size_t> followers = indices_of(&Connection::is_established);
             !followers.empty()) {
    // Whom they followed is this one: what it has goes before their own.
    Connection& successor = *connections_[followers[own % followers.size()]];
    connection.take_over(successor);
    hand_over(own, index_of(successor));
    successor.lead();
  } else {
    return;
  }
  connections_[carriers_[own]]->write_enqueued();
}

std::vector<size_t> Server::indices_of(bool (Connection::*is)() const) const {
  std::vector<size_t> indices;
  for (size_t i = 0; i < connections_.size(); ++i) {
    if ((*connections_[i].*is)()) indices.push_back(i);
  }
  return indices;
}

void Server::on_connected(Connection& connection) {
  is_trying_ = is_down_ = is_refused_ = is_guess_ = false;
  if (tried_ < candidates_.size()) {
    const auto worked = candidates_.begin() + static_cast<std::ptrdiff_t>(tried_);
    worked->failures = 0;
    std::rotate(candidates_.begin(), worked, worked + 1);
    tried_ = 0;
  }
  const size_t own = index_of(connection);
  const size_t carrier = carriers_[own];
  if (carrier != own) {
    if (connections_[carrier]->is_ready())
      connection.follow(*connections_[carrier]);
    else
      hand_over(carrier, own);
  }
  for (auto& each : connections_) {
    if (!each->is_established() && each->has_enqueued()) on_stranded(*each);
  }
  if (!Timer::scheduled()) base_.schedule(this, base_.time());  // for the other connections
}

// What was established may have ended for a reason of its own: only an attempt shows that a server is down.
// One in a protocol that was a guess shows nothing where somebody listens.
void Server::on_disconnected(Connection& connection, const Ending& ending) {
  if (!ending.was_established) {
    is_trying_ = false;
    blame_address(ending.cause);
    is_down_ = !is_any_established() && !(is_guess_ && ending.may_speak_otherwise);
    is_refused_ = is_down_ && (ending.cause == layout::kCauseCredentials ||
                               ending.cause == layout::kCauseUnauthenticated);
  }
  if (!lets_wait())
    for (auto& each : connections_) each->drop_waiting();
  if (is_closed_) return;
  if (connection.has_enqueued()) on_stranded(connection);
  const base::Millis now = base_.refresh_time();
  if (!ending.was_established) {
    base_.schedule(this, now + backoff_.fail(now));
  } else if (backoff_.is_newer(connection.since()) || !(is_trying_ || Timer::scheduled())) {
    base_.schedule(this, now + backoff_.end(now, connection.since()));
  } else if (ending.was_useful && !is_trying_ && !is_any_established()) {
    // The pause is for one of the connections that it did not take, when it had others.
    base_.schedule(this, std::min(Timer::deadline(), now + backoff_.end(now, connection.since())));
  }
}

void Server::on_timer() {
  try_to_connect();
  owner_.on_server_progress();
}

}  // namespace evenkeel::pipeline
