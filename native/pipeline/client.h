// Client: the JavaScript thread's side of a pipeline. It hands out slots, routes requests and encodes them
// into the batch of their connection, hands batches over, and takes completions back. With a base on the same
// thread every hand-over is a call; with a base on another it is a swap under a lock and, when nobody has
// knocked yet, one wake-up.
//
// Threads: everything on the JavaScript thread, except the listener's call, which comes on the base's.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/event_base.h"
#include "net/outgoing.h"
#include "net/queued_bytes.h"
#include "pipeline/completions.h"
#include "pipeline/options.h"
#include "pipeline/pipeline.h"
#include "pipeline/slots.h"
#include "pipeline/topology.h"
#include "wire/protocol.h"

namespace evenkeel::pipeline {

// 0, or the layout::kRefused… code of the fault.
int32_t refusal(wire::KeyFault fault);

class ClientListener {
 public:
  // There is something to take(); called once until it is taken. On the base's thread, and from there it must
  // not call take().
  virtual void on_completions_ready() = 0;

 protected:
  ~ClientListener() = default;
};

class Client final : public std::enable_shared_from_this<Client>, public CompletionSink {
 public:
  // `allocator` and `listener` outlive the pipeline: until the kOutcomeEnded record or tear_down().
  static std::shared_ptr<Client> create(base::EventBase& base, bool threaded, const Options& options,
                                        Allocator& allocator, ClientListener& listener);
  ~Client();

  // The servers that there are, whether or not keys are routed to them. Ids are the caller's choice, as small
  // as possible; one may be used again when kOutcomeRetired has told that its server is gone.
  // `steps`: what is said first on each of its connections. `is_guess`: that it speaks the protocol is not
  // known until there has been a connection; who finds otherwise abandons it.
  // `is_open`: that it will be spoken to in the protocol is not known until decide_server().
  void add_server(uint16_t id, const wire::Protocol& protocol, Steps steps, std::string host = {},
                  bool is_guess = false, bool is_open = false);
  // The first ones begin the first attempt to connect.
  void set_addresses(uint16_t id, std::vector<net::Address> addresses, uint32_t failures = 0);
  // Keys that are still routed to it are refused from here on, with all others, until the next route_by().
  void retire_server(uint16_t id);
  // At the return what waits for a connection of it has come back, as lost and not written. It may be retired
  // already, and is to be otherwise.
  void abandon_server(uint16_t id);
  // The request of a step that asks for it, or none where the handshake goes no further. Nothing happens
  // unless it is the one that kOutcomeHandshake has told of.
  void continue_handshake(uint16_t connection, uint32_t attempt, std::vector<std::byte> request);
  // It has answered: what is held of it, and all behind that, has come back at the return as with
  // abandon_server(), and what its protocol cannot say is refused from here on.
  void decide_server(uint16_t id);
  // From here on. `servers`: the ids of the topology's, in its order; without any, keys are refused. False,
  // and nothing changes, when one of them has not been added or is retired.
  bool route_by(std::shared_ptr<const Topology> topology, const std::vector<uint16_t>& servers);

  // The same by partitions; what was routed before and has not left goes by them too, and what servers send
  // back.
  bool route_by_partitions(std::shared_ptr<const Partitions> partitions,
                           const std::vector<uint16_t>& servers);

  struct Call {
    wire::Request request;      // opaque, partition and encodes_key are filled in
    uint32_t timeout = 0;       // ms from now, unless there is
    base::Millis deadline = 0;  // of a lost operation that is handed in again
    uint32_t started = 0;       // of the same
    bool fits = false;          // fits() has said so
    bool accepted = false;      // set_aside() has done so before
    bool waits = false;         // what the server takes of it is not known before decide_server()
  };

  // The server that a key goes to; -1 when there is none.
  int32_t server_of(std::span<const std::byte> key) const;
  // 0, or the layout::kRefused… code of the key's fault.
  int32_t check_key(const wire::Request& request, std::span<const std::byte> key) const;

  // Makes room for a value of at most `value_capacity` bytes. 0, or a layout::kRefused… code; the caller then
  // writes the value to value_space() and calls commit(), until which the call and the key must stay.
  int32_t begin(Call& call, std::span<const std::byte> key, size_t value_capacity);
  // The same for an operation of a server's own; `argument` may be empty.
  int32_t begin_at(uint16_t server, Call& call, std::span<const std::byte> argument,
                   size_t value_capacity = 0);
  // Of what begin() has refused with `refused` because the protocol cannot say it: where another may be
  // spoken to the server, it waits in its place among the others. Returns its slot, or why it was refused.
  int32_t hold(int32_t refused, const Call& call, std::span<const std::byte> key, size_t value_length);
  // Counts an operation that is to be submitted later, and its bytes, as most_bytes() has them. 0, or a
  // layout::kRefused… code.
  int32_t set_aside(const Call& call, size_t bytes);
  // It is submitted now, or not at all.
  void give_back(size_t bytes);
  std::byte* value_space() { return value_; }
  // Returns the slot. A payload's bytes follow the inline value.
  uint32_t commit(size_t value_length, std::unique_ptr<net::Payload> payload);
  uint32_t commit(size_t value_length);

  // Hands what was committed to the I/O side.
  void flush(Flush how);

  // Gives an operation up that its caller has settled; does nothing when it is not active any more.
  void cancel(uint32_t slot);

  // Copies up to `max_records` records (layout::kRecordWords words each) and, behind one another, their
  // values into `slab`, whose offsets begin at `offset`. Fewer when the slab is full. Slots released by the
  // records of the last call are free from here on.
  uint32_t take(uint32_t* records, uint32_t max_records, std::span<std::byte> slab, uint32_t offset);
  // take() would go on without looking at the I/O side.
  bool has_rest() const { return next_record_ < inbox_.records.size(); }
  // By the index in a record of the last take().
  std::unique_ptr<LargeValue> take_large(uint32_t index);

  // Settles everything with kOutcomeClosed; the last record is kOutcomeEnded.
  void close();
  // For the end of the environment: destroys the pipeline here and now. The base's thread, if any, has been
  // joined.
  void tear_down();

  // After the last completion was taken, or tear_down(): gives back what is kept for the next burst. Large
  // values can still be taken.
  void drop_memory();

  void on_completions(CompletionBatch& batch) override;

  bool threaded() const { return threaded_; }
  uint32_t active() const { return slots_.active(); }
  // How many more operations without a value would be accepted.
  uint32_t available() const;
  // Whether so many operations that need so many bytes together would be accepted.
  bool fits(uint32_t operations, uint64_t bytes) const;
  // What an operation with this key and this much of a value needs at most, in bytes.
  size_t most_bytes(size_t key_length, size_t value_length) const {
    return most_head_ + key_length + value_length;
  }
  uint64_t queued_bytes() const { return queued_.now(); }
  // layout::kMeterWords of a server that has been added; its connections' so far.
  void read_meter(uint16_t id, std::span<double> words) const;

 private:
  using Change = std::function<void(Pipeline&)>;
  struct Mailbox {
    std::vector<Change> changes;  // of the servers; before anything else
    net::Outgoing ready;
    net::Outgoing held;  // behind them
    std::vector<uint32_t> cancels;
    bool releases = false;  // what is held on the other side goes out before `ready`
    bool posted = false;
  };

  // What is done with what a server's protocol cannot say.
  struct Holding {
    bool is_open = false;  // it is held
    bool has_any = false;
  };

  // Where the requests of a server go.
  struct Target {
    uint16_t server;
    const wire::Protocol* protocol;
    bool moves;  // they are routed again when the owner of their partition changes
  };

  Client(base::EventBase& base, bool threaded, const Options& options, ClientListener& listener);
  void run(std::function<void()> task);
  void change(Change change);
  void wait_for_thread();
  void knock();
  void read_mailbox();
  // It has been added, and is not retired.
  bool is_wanted(uint16_t id) const { return id < protocols_.size() && protocols_[id] != nullptr; }
  uint16_t connection_of(const Route& route) const;
  static base::Millis deadline_of(const Call& call);
  void return_from(uint16_t id, void (Pipeline::*end)(uint16_t));
  int32_t room_for(const Call& call, uint16_t server) const;
  int32_t reserve(Call& call, uint16_t server, uint16_t connection, std::span<const std::byte> key,
                  bool encodes_key, size_t value_capacity);
  Route route_of(const wire::Request& request, std::span<const std::byte> key) const;
  uint32_t commit_with(size_t value_length, std::unique_ptr<net::Payload> payload, size_t payload_length);
  bool refill_inbox();
  std::unique_lock<std::mutex> lock() {
    return threaded_ ? std::unique_lock(mutex_) : std::unique_lock(mutex_, std::defer_lock);
  }
  uint64_t room() const;

  base::EventBase& base_;
  const bool threaded_;
  const Options options_;
  ClientListener& listener_;
  std::vector<const wire::Protocol*> protocols_;  // by server; null: it is retired
  std::vector<std::shared_ptr<Meter>> meters_;    // by server
  std::vector<Holding> holdings_;                 // by server
  size_t servers_ = 0;                            // that are not retired
  size_t most_head_ = 0;                          // of them all
  std::shared_ptr<const Topology> topology_;
  std::vector<Target> targets_;  // by the topology's index
  size_t partitions_ = 0;        // how many there are
  uint8_t numbering_ = 0;        // of these, as in net::Packet
  Slots slots_;
  net::QueuedBytes queued_;
  std::vector<std::unique_ptr<net::QueuedBytes>> queued_by_server_;
  bool closed_ = false;

  net::Outgoing staged_;
  // Between begin() and commit().
  Call* call_ = nullptr;
  const wire::Encoder* encoder_ = nullptr;
  uint16_t server_ = 0;
  uint16_t connection_ = 0;
  bool moves_ = false;
  net::Batch* batch_ = nullptr;  // that connection's
  std::span<const std::byte> key_;
  size_t prefix_size_ = 0;
  size_t suffix_size_ = 0;
  std::byte* value_ = nullptr;

  CompletionBatch inbox_;
  size_t next_record_ = 0;
  size_t next_value_ = 0;
  size_t next_large_ = 0;
  std::vector<uint32_t> released_;

  std::mutex mutex_;  // of the two below, when threaded
  Mailbox mailbox_;
  CompletionBatch outbox_;
  bool notified_ = false;

  Mailbox delivery_;  // on the base's thread
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace evenkeel::pipeline
