// Node: one server as the pipeline sees it: its connection, made anew with back-off and jitter for as long as
// the node lives, the requests waiting for it, and the decoding of its answers.
//
//   kIdle -> kConnecting -> kHandshake -> kReady
//              ^    \___________\___________/  a fault
//              |                     v
//              +----- timer ---- kBackoff          kClosed from anywhere, for good
//
// The handshake is one VERSION round trip: a server that does not speak the protocol is found out before an
// operation is entrusted to it.
//
// Threads: the loop's only.
#pragma once

#include <memory>
#include <vector>

#include "base/event_base.h"
#include "net/output_queue.h"
#include "net/stream.h"
#include "pipeline/backoff.h"
#include "pipeline/flights.h"
#include "pipeline/flush.h"
#include "pipeline/options.h"
#include "pipeline/response_reader.h"

namespace evenkeel::pipeline {

class NodeOwner {
 public:
  // Completions were added outside of a call from the owner.
  virtual void on_node_progress() = 0;

 protected:
  ~NodeOwner() = default;
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
class Node final : private net::ChannelHandler, private base::Timer {
 public:
  Node(uint16_t id, base::EventBase& base, const Options& options, Flights& flights, Allocator& allocator,
       net::QueuedBytes& queued, NodeOwner& owner);

  // Tried in turn, from the next attempt on.
  void set_addresses(std::vector<net::Address> addresses);
  void connect();

  // Starts the flights of the batch, and leaves it empty. Writes nothing yet.
  void enqueue(net::Batch& batch, Flush flush);
  // Writes what is enqueued and not held, if there is a connection.
  void write_enqueued();

  // Reads what has arrived, however much that is: before deadlines are settled, so that none is missed whose
  // answer was there in time.
  void catch_up();

  // The deadline of `flight` has passed, or its caller gave it up (kOutcomeReleased).
  void give_up(Flight& flight, uint32_t outcome);

  // Ends the connection and settles every operation of this node with kOutcomeClosed.
  void close();

  // The connection is of no more use; its written operations are lost, the others wait for the next one.
  void fail(uint32_t cause);

 private:
  enum class State : uint8_t { kIdle, kConnecting, kHandshake, kReady, kBackoff, kClosed };

  void on_channel_ready(bool readable, bool writable) override;
  void on_timer() override;

  void start_connecting();
  void finish_connecting();
  void finish_handshake(uint32_t cause);
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
  // What was held comes behind what may leave.
  void release_held();
  void tidy(net::OutputQueue& queue);
  void fail_writing(uint32_t cause);
  // The server has something to do for us: to answer, or to read on.
  bool is_owed() const { return written_ > 0 || queue_.head_partly_written(); }

  const uint16_t id_;
  base::EventBase& base_;
  const Options& options_;
  Flights& flights_;
  net::QueuedBytes& queued_;
  NodeOwner& owner_;
  net::Stream stream_;
  ResponseReader reader_;
  net::OutputQueue queue_;
  net::OutputQueue held_;  // until Flush::kAll
  std::vector<net::Address> addresses_;
  size_t next_address_ = 0;
  State state_ = State::kIdle;
  Backoff backoff_;
  size_t written_ = 0;              // unanswered
  bool is_suspect_ = false;         // an operation has timed out since then
  base::Millis waiting_since_ = 0;  // when the server last spoke, or was first owed an answer since
};

}  // namespace evenkeel::pipeline
