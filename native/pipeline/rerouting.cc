#include "pipeline/rerouting.h"

#include <algorithm>
#include <utility>

namespace evenkeel::pipeline {

void Rerouting::set_partitions(std::shared_ptr<const Partitions> partitions, std::vector<uint16_t> servers,
                               uint8_t numbering) {
  const bool are_others = std::exchange(numbering_, numbering) != numbering;
  partitions_ = std::move(partitions);
  servers_ = std::move(servers);
  has_gaps_ = partitions_->has_gaps();
  has_old_routes_ = true;
  base_.refresh_time();
  unpark(are_others);
  reroute_all();
  rearm();
}

bool Rerouting::may_go_to(uint16_t connection, const net::Packet& packet) const {
  if (packet.numbering == 0) return true;
  if (packet.numbering != numbering_ || parking_.has(packet.partition)) return false;
  const int32_t owner = partitions_->owner(packet.partition);
  return owner != Partitions::kNobody &&
         servers_[static_cast<size_t>(owner)] == connection / options_.connections;
}

// Null: nobody has the partition. It chooses the connection, as for Client.
Connection* Rerouting::taker_of(uint16_t partition) const {
  const int32_t owner = partitions_->owner(partition);
  if (owner == Partitions::kNobody) return nullptr;
  const size_t first = size_t{servers_[static_cast<size_t>(owner)]} * options_.connections;
  const size_t id = first + partition % options_.connections;
  return id < connections_.size() ? connections_[id] : nullptr;
}

bool Rerouting::may_take(const Connection* taker, uint16_t refused_by, uint8_t returns) const {
  if (taker == nullptr) return false;
  return refused_by == kNoServer || (server_of(*taker) != refused_by && returns < kMostAtOnce);
}

void Rerouting::divert(Connection& connection, net::Batch& batch) {
  const auto may_stay = [&](const net::Packet& packet) { return may_go_to(connection.id(), packet); };
  if (std::all_of(batch.packets.begin(), batch.packets.end(), may_stay)) return;
  net::Batch rest;
  batch.for_each([&](const net::Batch::Item& item) {
    if (may_stay(item.packet)) return rest.add(item);
    flights_.start(item.packet, connection.id());
    connection.queued().pass_on(item.length());
    move(item, kNoServer);
  });
  batch.clear();
  std::swap(batch, rest);
}

void Rerouting::reroute_held(Connection& connection) {
  net::Batch leaving;
  connection.extract_held(&leaving,
                          [&](const net::Packet& packet) { return !may_go_to(connection.id(), packet); });
  move(leaving, kNoServer);
}

void Rerouting::reroute(Connection& connection) {
  net::Batch leaving;
  connection.extract(&leaving,
                     [&](const net::Packet& packet) { return !may_go_to(connection.id(), packet); });
  move(leaving, kNoServer);
}

// A connection that follows has the newer ones of its server's requests.
void Rerouting::reroute_all() {
  for (const bool follows : {false, true}) {
    for (Connection* each : connections_)
      if (each != nullptr && each->is_following() == follows) reroute(*each);
  }
}

// What is not written of a partition that waits from here on waits behind that.
void Rerouting::take_back(const Connection& connection, net::Batch& batch) {
  for (net::Packet& packet : batch.packets)
    if (packet.returns < UINT8_MAX) ++packet.returns;
  base_.refresh_time();
  const size_t waiting = parking_.partitions();
  move(batch, server_of(connection));
  if (parking_.partitions() > waiting) reroute_all();
  rearm();
}

void Rerouting::move(net::Batch& batch, uint16_t refused_by) {
  batch.for_each([&](const net::Batch::Item& request) { move(request, refused_by); });
}

void Rerouting::move(const net::Batch::Item& request, uint16_t refused_by) {
  const net::Packet& packet = request.packet;
  queued_.take_back(request.length());
  if (packet.numbering != numbering_) return give_back(request);
  Connection* const taker = taker_of(packet.partition);
  if (parking_.has(packet.partition) || !may_take(taker, refused_by, packet.returns))
    return parking_.add(request, refused_by, base_.time());
  queued_.pass_on(request.length());
  if (taker->adopt(request)) takers_.push_back(taker);
}

// The partition that it names is not its key's any more, and a server would not notice.
void Rerouting::give_back(const net::Batch::Item& request) {
  queued_.subtract(request.length());
  Flight& flight = *flights_.find(request.packet.opaque);
  flights_.return_unwritten(flight, layout::kCausePartitions, base_.refresh_time());
}

void Rerouting::unpark(bool all) {
  net::Batch leaving;
  const base::Millis now = base_.time();
  parking_.extract(&leaving, now, [&](uint16_t partition, const Parking::Wait& wait) {
    if (all) return true;
    const uint16_t refused_by = wait.due > now ? wait.refused_by : kNoServer;
    return may_take(taker_of(partition), refused_by, wait.returns);
  });
  move(leaving, kNoServer);
}

void Rerouting::on_timer() {
  flights_.look_at_clock();
  unpark(false);
  rearm();
  owner_.on_unparked();
}

void Rerouting::rearm() {
  const base::Millis due = parking_.next_due();
  if (due == base::kNever) return Timer::cancel();
  base_.schedule(this, due);
}

void Rerouting::write() {
  while (!takers_.empty()) {
    Connection* const taker = takers_.back();
    takers_.pop_back();
    taker->write_enqueued();
  }
}

void Rerouting::close() {
  Timer::cancel();
  takers_.clear();
  parking_.close();
}

}  // namespace evenkeel::pipeline
