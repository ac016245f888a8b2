// Server: one server as the pipeline sees it: its addresses, its connections, and when to try again. While it
// cannot be reached one connection at a time tries, with back-off and jitter, for as long as the server is
// wanted; as soon as one has come about the others follow.
//
// While some of its connections are there, they carry the requests for those that are not: each of these has
// one that carries for it, so that the requests for a key are not spread and their order stays. When it is
// there itself, it follows: it lets what was carried for it go first, and carries for nobody meanwhile.
//
// Threads: the loop's only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_base.h"
#include "pipeline/backoff.h"
#include "pipeline/connection.h"
#include "pipeline/options.h"

namespace evenkeel::pipeline {

class ServerOwner {
 public:
  // Completions were added outside of a call from the owner.
  virtual void on_server_progress() = 0;
  // As ConnectionOwner has them.
  virtual void on_sent_back(Connection& connection, net::Batch& batch) = 0;
  virtual void on_rewound(Connection& connection) = 0;

 protected:
  ~ServerOwner() = default;
};

class Server final : private ConnectionOwner, private base::Timer {
 public:
  // Its connections have the ids from `first` on, options.connections of them. `is_guess`: who finds that it
  // does not speak the protocol abandons it.
  Server(uint16_t first, base::EventBase& base, const wire::Protocol& protocol, const Steps& steps,
         const std::string& host, const Options& options, Flights& flights, Allocator& allocator,
         net::QueuedBytes& queued, std::shared_ptr<Meter> meter, bool is_guess, ServerOwner& owner);

  // From the next attempt on; first the one that worked last, then those that have failed least. The first
  // call begins the first attempt; where `failures`
  // attempts in a row have failed already, after the pause that is due.
  void set_addresses(const std::vector<net::Address>& addresses, uint32_t failures = 0);

  const std::vector<std::unique_ptr<Connection>>& connections() const { return connections_; }

  // It gets no more operations; those it has are brought to their end.
  void retire() { is_retired_ = true; }
  // What waits for a connection comes back at once, as lost and not written.
  void abandon();
  // The same of all that has not been written.
  void return_unwritten();
  bool is_retired() const { return is_retired_; }
  // Of a retired server: nobody waits for anything of it any more.
  bool is_done() const;

  // Ends the connections and settles every operation of them with kOutcomeClosed.
  void close();

 private:
  void on_connected(Connection& connection) override;
  void on_disconnected(Connection& connection, const Ending& ending) override;
  void on_useful(Connection& connection) override { backoff_.prove(connection.since()); }
  void on_stranded(Connection& connection) override;
  void on_caught_up(Connection& connection) override {
    carriers_[index_of(connection)] = index_of(connection);
  }
  void on_progress() override { owner_.on_server_progress(); }
  void on_sent_back(Connection& connection, net::Batch& batch) override {
    owner_.on_sent_back(connection, batch);
  }
  void on_rewound(Connection& connection) override { owner_.on_rewound(connection); }
  bool lets_wait() const override;
  bool is_guess() const override { return is_guess_; }
  void on_timer() override;

  struct Candidate {
    net::Address address;
    uint32_t failures;  // since it worked
  };
  // Whoever says nothing costs an attempt all of its time, and is not called upon as often as the others.
  static constexpr uint32_t kSilence = 4;

  void try_to_connect();
  const net::Address* choose_address();
  void blame_address(uint32_t cause);
  bool is_any_established() const;
  size_t index_of(const Connection& connection) const { return connection.id() - connections_[0]->id(); }
  void hand_over(size_t from, size_t to);
  std::vector<size_t> indices_of(bool (Connection::*is)() const) const;

  base::EventBase& base_;
  const Options& options_;
  ServerOwner& owner_;
  const std::shared_ptr<Meter> meter_;
  std::vector<Candidate> candidates_;  // the one that worked last is the first
  size_t tried_ = 0;                   // the last one that was, unless it is none any more
  Backoff backoff_;
  bool is_guess_;            // there has been no connection in this protocol
  bool is_wanted_ = false;   // addresses have been set
  bool is_trying_ = false;   // an attempt to connect is under way
  bool is_down_ = false;     // the last one failed, and there is no connection
  bool is_refused_ = false;  // the last one failed for want of authentication
  bool is_retired_ = false;
  bool is_closed_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  // By index of a connection: which one gets its requests while it is not there or follows. Itself, where
  // none does; otherwise one that is ready, or has been and keeps them for the next one that will be.
  std::vector<size_t> carriers_;
};

}  // namespace evenkeel::pipeline
