// Pipeline: the I/O side of one client on one event base: its nodes, its operations in flight and their
// deadlines. It learns of operations by batches and speaks by completions; it calls nobody else.
//
// Threads: the base's only, construction and destruction included.
#pragma once

#include <memory>
#include <vector>

#include "base/event_base.h"
#include "pipeline/flights.h"
#include "pipeline/node.h"
#include "pipeline/options.h"

namespace evenkeel::pipeline {

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
class Pipeline final : public NodeOwner, private base::Timer {
 public:
  // `queued` hears of what leaves of the batches that submit() is given.
  Pipeline(base::EventBase& base, const Options& options, Allocator& allocator, net::QueuedBytes& queued,
           CompletionSink& sink);
  ~Pipeline();

  void set_addresses(uint16_t node, std::vector<net::Address> addresses);
  void connect();

  // Takes what is in the batches, one for each node, and leaves them empty; write() sends it.
  void submit(std::vector<net::Batch>& batches, Flush flush);
  void write();

  // Its caller has already settled the operation and wants no completion of it, only its slot back.
  void cancel(uint32_t opaque);

  // Settles everything with kOutcomeClosed. Nothing may be called afterwards.
  void close();

  void on_node_progress() override { publish(); }

 private:
  void on_timer() override;
  void publish();
  void rearm();

  base::Counted<&base::Counters::pipelines> counted_;
  base::EventBase& base_;
  const Options options_;
  CompletionSink& sink_;
  Flights flights_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace evenkeel::pipeline
