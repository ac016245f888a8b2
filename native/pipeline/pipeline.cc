#include "pipeline/pipeline.h"

namespace evenkeel::pipeline {

Pipeline::Pipeline(base::EventBase& base, const Options& options, Allocator& allocator,
                   net::QueuedBytes& queued, CompletionSink& sink)
    : base_(base), options_(options), sink_(sink), flights_(base.refresh_time()) {
  nodes_.push_back(std::make_unique<Node>(uint16_t{0}, base, options_, flights_, allocator, queued, *this));
}

Pipeline::~Pipeline() = default;

void Pipeline::set_addresses(uint16_t node, std::vector<net::Address> addresses) {
  nodes_[node]->set_addresses(std::move(addresses));
}

void Pipeline::connect() {
  for (auto& node : nodes_) node->connect();
  publish();
}

void Pipeline::submit(std::vector<net::Batch>& batches, Flush flush) {
  for (size_t i = 0; i < nodes_.size(); ++i) nodes_[i]->enqueue(batches[i], flush);
  rearm();
  publish();
}

void Pipeline::write() {
  for (auto& node : nodes_) node->write_enqueued();
  publish();
}

void Pipeline::cancel(uint32_t opaque) {
  Flight* flight = flights_.find(opaque);
  if (flight == nullptr || is_settled(flight->state)) return;
  nodes_[flight->node]->give_up(*flight, layout::kOutcomeReleased);
  publish();
}

void Pipeline::close() {
  Timer::cancel();
  for (auto& node : nodes_) node->close();
  publish();
}

void Pipeline::on_timer() {
  for (auto& node : nodes_) node->catch_up();
  while (base::TimerNode* due = flights_.deadlines().pop_due(base_.time())) {
    Flight& flight = *static_cast<Flight*>(due);
    nodes_[flight.node]->give_up(flight, layout::kOutcomeTimedOut);
  }
  rearm();
  publish();
}

// The base's timer follows the earliest deadline only when that comes nearer: a wake-up for an operation long
// since answered costs less than moving the timer with every batch.
void Pipeline::rearm() {
  const base::Millis wakeup = flights_.deadlines().next_wakeup();
  if (wakeup == base::kNever) return;
  if (!Timer::scheduled() || wakeup < Timer::deadline()) base_.schedule(this, wakeup);
}

void Pipeline::publish() {
  if (!flights_.completions().empty()) sink_.on_completions(flights_.completions());
}

}  // namespace evenkeel::pipeline
