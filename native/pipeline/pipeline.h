// Pipeline: the I/O side of one client on one event base: its servers, its operations in flight and their
// deadlines. It receives operations in batches and reports completions; it calls nothing else.
//
// Threads: the base's only, including construction and destruction.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_base.h"
#include "net/outgoing.h"
#include "pipeline/flights.h"
#include "pipeline/options.h"
#include "pipeline/partitions.h"
#include "pipeline/rerouting.h"
#include "pipeline/server.h"

namespace evenkeel::pipeline {

class Pipeline final : public ServerOwner, private ReroutingOwner, private base::Timer {
 public:
  // `queued`: the whole of which each server's is a part.
  Pipeline(base::EventBase& base, const Options& options, Allocator& allocator, net::QueuedBytes& queued,
           CompletionSink& sink);
  ~Pipeline();

  // A server's connections have the ids from `id * options.connections` on. It connects as soon as it has
  // addresses. `queued` is updated when requests of the server's submitted batches leave. `is_guess` as in
  // Server.
  void add_server(uint16_t id, const wire::Protocol& protocol, const Steps& steps, const std::string& host,
                  net::QueuedBytes& queued, std::shared_ptr<Meter> meter, bool is_guess = false);
  void set_addresses(uint16_t id, const std::vector<net::Address>& addresses, uint32_t failures = 0);
  // The server gets no more operations. When its operations are settled it is removed, and kOutcomeRetired
  // reports it.
  void retire_server(uint16_t id);
  // The same, and operations that wait for a connection are returned at once.
  void abandon_server(uint16_t id);
  // What has not been written comes back at once.
  void return_unwritten(uint16_t id);

  // Requests with a `numbering` that are not written are routed by these from here on, and come back, as lost
  // and not written, when theirs is another one. `servers`: the ids of the servers, in the order of the
  // topology.
  void set_partitions(std::shared_ptr<const Partitions> partitions, std::vector<uint16_t> servers,
                      uint8_t numbering);
  void continue_handshake(uint16_t connection, uint32_t attempt, std::vector<std::byte> request);

  // Takes the contents of the batches; write() sends them.
  void submit(net::Outgoing& outgoing, Flush flush);
  void write();

  // The caller has already settled the operation and only wants its slot back, without a completion.
  void cancel(uint32_t opaque);

  // Settles everything with kOutcomeClosed. Nothing may be called afterwards.
  void close();

  void on_server_progress() override { proceed(); }
  void on_sent_back(Connection& connection, net::Batch& batch) override {
    rerouting_.take_back(connection, batch);
  }
  void on_rewound(Connection& connection) override { rerouting_.reroute(connection); }

 private:
  void on_timer() override;
  void on_unparked() override { proceed(); }
  void reroute(net::Outgoing& outgoing, Flush flush);
  void proceed();
  void publish();
  void rearm();
  void reap();
  Connection& connection(uint16_t id) { return *connections_[id]; }

  class Reaper final : public base::Timer {
   public:
    explicit Reaper(Pipeline& pipeline) : pipeline_(pipeline) {}

   private:
    void on_timer() override { pipeline_.reap(); }
    Pipeline& pipeline_;
  };

  base::Counted<&base::Counters::pipelines> counted_;
  base::EventBase& base_;
  const Options options_;
  Allocator& allocator_;
  CompletionSink& sink_;
  Flights flights_;
  std::vector<std::unique_ptr<Server>> servers_;  // by id
  std::vector<Connection*> connections_;          // by id
  std::vector<uint16_t> touched_;                 // connections that may have something to write
  std::vector<uint16_t> holding_;                 // connections that hold something back
  Rerouting rerouting_;
  uint32_t turn_ = 0;
  size_t retiring_ = 0;
  Reaper reaper_{*this};
};

}  // namespace evenkeel::pipeline
