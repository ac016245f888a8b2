// Client: the JavaScript thread's side of a pipeline. It hands out slots, encodes requests into the batch of
// their node, hands batches over, and takes completions back. With a base on the same thread every hand-over
// is a call; with a base on another it is a swap under a lock and, when nobody has knocked yet, one wake-up.
//
// Threads: everything on the JavaScript thread, except the listener's call, which comes on the base's.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/event_base.h"
#include "net/batch.h"
#include "net/queued_bytes.h"
#include "pipeline/completions.h"
#include "pipeline/options.h"
#include "pipeline/pipeline.h"
#include "pipeline/router.h"
#include "pipeline/slots.h"
#include "wire/memcache/request.h"

namespace evenkeel::pipeline {

// 0, or the layout::kRefused… code of the fault.
int32_t refusal(wire::memcache::KeyFault fault);

class ClientListener {
 public:
  // There is something to take(); called once until it is taken. On the base's thread, and from there it must
  // not call take().
  virtual void on_completions_ready() = 0;

 protected:
  ~ClientListener() = default;
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
class Client final : public std::enable_shared_from_this<Client>, public CompletionSink {
 public:
  // `allocator` and `listener` outlive the pipeline: until the kOutcomeEnded record or tear_down().
  static std::shared_ptr<Client> create(base::EventBase& base, bool threaded, const Options& options,
                                        Allocator& allocator, ClientListener& listener);
  ~Client();

  void set_addresses(std::vector<net::Address> addresses);
  void connect();

  struct Call {
    wire::memcache::RequestHead head;  // opaque is filled in
    uint32_t timeout = 0;              // ms from now, unless there is
    base::Millis deadline = 0;         // the one of a lost operation that is handed in again
    bool discards_value = false;
  };

  // Makes room for a value of at most `value_capacity` bytes behind the request's head and key, which
  // check_key() has found good. 0, or a layout::kRefused… code; the caller then writes the value to
  // value_space() and calls commit().
  int32_t begin(const Call& call, std::span<const std::byte> key, size_t value_capacity);
  std::byte* value_space() { return value_; }
  // Returns the slot. A payload's bytes follow the inline value.
  uint32_t commit(size_t value_length, std::unique_ptr<net::Payload> payload = nullptr);

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
  static size_t most_bytes(size_t key_length, size_t value_length);
  uint64_t queued_bytes() const { return queued_.now(); }

 private:
  struct Mailbox {
    std::vector<net::Batch> ready;  // by node, as the next
    std::vector<net::Batch> held;   // behind them
    std::vector<uint32_t> cancels;
    bool releases = false;  // what the nodes hold goes out before `ready`
    bool posted = false;
  };

  Client(base::EventBase& base, bool threaded, const Options& options, ClientListener& listener);
  void run(std::function<void()> task);
  void knock();
  void read_mailbox();
  bool refill_inbox();
  std::unique_lock<std::mutex> lock();
  uint64_t room() const;

  base::EventBase& base_;
  const bool threaded_;
  const Options options_;
  ClientListener& listener_;
  SingleNodeRouter router_;
  Slots slots_;
  net::QueuedBytes queued_;
  bool closed_ = false;

  std::vector<net::Batch> staged_;  // by node
  size_t staged_count_ = 0;
  uint16_t node_ = 0;  // of the call between begin() and commit()
  Call call_;
  size_t key_length_ = 0;
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
