// Connection: one connection to a server, made anew whenever the server says so, the requests waiting for it,
// and the operations whose answers it owes.
//
//   kIdle -> kConnecting -> kHandshake -> (kFollowing ->) kReady
//     ^           \___________\_______________\___________/  a fault
//     |                        |
//     +------------------------+            kClosed from anywhere, for good
//
// Threads: the loop's only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_base.h"
#include "net/channel.h"
#include "net/output_queue.h"
#include "pipeline/due.h"
#include "pipeline/flights.h"
#include "pipeline/flush.h"
#include "pipeline/inbox.h"
#include "pipeline/options.h"

namespace evenkeel::pipeline {

class Connection;

// How an attempt to connect, or an established connection, has ended.
struct Ending {
  bool was_established;
  bool was_useful;           // it had answered an operation
  bool may_speak_otherwise;  // who listens has not shaken hands: perhaps it speaks another protocol
  uint32_t cause;
};

// The server's side of its connections.
class ConnectionOwner {
 public:
  // It is established: operations may be entrusted to it.
  virtual void on_connected(Connection& connection) = 0;
  // It is idle now; what was established was so at connection.since().
  virtual void on_disconnected(Connection& connection, const Ending& ending) = 0;
  // It has answered an operation, for the first time since it is established.
  virtual void on_useful(Connection& connection) = 0;
  // It has requests to write and is not established.
  virtual void on_stranded(Connection& connection) = 0;
  // It follows no longer: what it is given leaves at once.
  virtual void on_caught_up(Connection& connection) = 0;
  // Completions were added outside of a call from above.
  virtual void on_progress() = 0;
  // It does not have the partitions of these.
  virtual void on_sent_back(Connection& connection, net::Batch& batch) = 0;
  // It is idle, and has a request again that was half written.
  virtual void on_rewound(Connection& connection) = 0;
  // Operations may wait for a connection that is not there.
  virtual bool lets_wait() const = 0;
  // Whether the server speaks the protocol is not known.
  virtual bool is_guess() const = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection final : private net::ChannelHandler, private base::Timer {
 public:
  // `host`: whom the server's certificate has to be for, where there is TLS.
  Connection(uint16_t id, base::EventBase& base, const wire::Protocol& protocol, const Steps& steps,
             const std::string& host, const Options& options, Flights& flights, Allocator& allocator,
             net::QueuedBytes& queued, Meter& meter, ConnectionOwner& owner);

  uint16_t id() const { return id_; }
  bool is_idle() const { return state_ == State::kIdle; }
  bool is_established() const { return state_ == State::kReady || state_ == State::kFollowing; }
  // It is, and what it is given leaves at once.
  bool is_ready() const { return state_ == State::kReady; }
  bool is_following() const { return state_ == State::kFollowing; }
  // When it was established last.
  base::Millis since() const { return since_; }
  // It is idle. Null: there is no address to try.
  void connect(const net::Address* address);

  // As Client has it.
  void continue_handshake(uint32_t attempt, std::vector<std::byte> request);

  // Starts the flights of the batch, and leaves it empty. Writes nothing yet.
  void enqueue(net::Batch& batch, Flush flush);
  bool is_holding() const { return is_holding_; }
  // What was held may leave, behind what may leave already.
  void release_held();
  // Writes what is enqueued and not held, if there is a connection.
  void write_enqueued();
  bool has_enqueued() const { return !queue_.empty(); }
  // It gets what is enqueued and not held of `other`, which has written none of it.
  void take_over(Connection& other);
  // It is ready. Writes nothing before what `other` has now is over: its own requests may be among that, and
  // are not to be overtaken.
  void follow(const Connection& other);
  // It follows, and has all of that itself now.
  void lead();
  // Settles what waits with kOutcomeOffline, unless there is a connection.
  void drop_waiting();
  // The same, as lost and not written, for kCauseOtherProtocol.
  void return_waiting();
  // The same of all of which nothing has been written, whether or not there is a connection.
  void return_unwritten();

  // It gets a request that had another connection before. True: it has not got one since write_enqueued().
  bool adopt(const net::Batch::Item& request);
  // Gives up those of what is enqueued, or is held, for which leaves(packet) says so; none of them is
  // written.
  template <typename Leaves>
  void extract(net::Batch* out, Leaves leaves) {
    queue_.extract(out, leaves);
  }
  template <typename Leaves>
  void extract_held(net::Batch* out, Leaves leaves) {
    held_.extract(out, leaves);
  }
  net::QueuedBytes& queued() { return queued_; }

  // Reads what has arrived, however much that is: before deadlines are settled, so that none is missed whose
  // answer was there in time.
  void catch_up();
  // True once for each turn.
  bool catches_up(uint32_t turn) { return std::exchange(caught_up_, turn) != turn; }

  // The deadline of `flight` has passed, or its caller gave it up (kOutcomeReleased).
  void give_up(Flight& flight, uint32_t outcome);

  // Nobody waits for anything of it any more.
  bool is_done() const;

  // Ends the connection and settles every operation of it with kOutcomeClosed.
  void close();

 private:
  enum class State : uint8_t { kIdle, kConnecting, kHandshake, kFollowing, kReady, kClosed };

  void on_channel_ready(bool readable, bool writable) override;
  void on_timer() override;

  std::unique_ptr<net::Channel> make_channel(base::EventBase& base, const std::string& host);
  void finish_connecting();
  void continue_handshake();
  void finish_handshake();
  void follow_on();
  struct Received {
    size_t bytes = 0;
    bool more = false;  // there may be more to read
    bool answered = false;
    bool shook_hands = false;
    uint32_t cause = 0;  // not 0: the connection must end
  };
  void watch_peer();
  void read();
  Received receive();
  Received take_in();
  void write();
  bool accepts() const { return state_ == State::kReady || (state_ != State::kClosed && owner_.lets_wait()); }
  void refuse(Flight& flight);
  void hand_back();
  bool is_ahead(const Flight* flight) const;
  void tell_meter();
  void tidy(net::OutputQueue& queue);
  // The connection is of no more use; its written operations are lost, the others wait for the next one.
  void fail(uint32_t cause);
  void fail_writing(uint32_t cause);
  template <typename End>
  void end_due(End end);
  template <typename End>
  void end_waiting(End end);
  // The server has something to do for us: to answer, or to read on.
  bool is_owed() const { return !due_.empty() || queue_.head_partly_written(); }

  const uint16_t id_;
  base::EventBase& base_;
  const Options& options_;
  Flights& flights_;
  net::QueuedBytes& queued_;
  Meter& meter_;
  ConnectionOwner& owner_;
  std::unique_ptr<net::Channel> channel_;
  Due due_;  // written and unanswered
  Inbox inbox_;
  net::OutputQueue queue_;
  net::OutputQueue held_;        // until Flush::kAll
  std::vector<uint32_t> ahead_;  // opaques of those that are to be over first, in kFollowing
  size_t told_in_flight_ = 0;    // to the meter
  size_t told_queued_ = 0;
  State state_ = State::kIdle;
  bool is_holding_ = false;         // there may be something in held_
  bool has_adopted_ = false;        // and not written since
  bool is_suspect_ = false;         // an operation has timed out since then
  bool is_useful_ = false;          // it has answered an operation
  base::Millis since_ = 0;          // when it was established
  uint32_t caught_up_ = 0;          // the turn in which it was
  base::Millis waiting_since_ = 0;  // when the server last spoke, or was first owed an answer since
};

}  // namespace evenkeel::pipeline
