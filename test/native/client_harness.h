// A Client as its JavaScript side would use it, driven on the test's own thread or by a LoopThread, and a
// book in which every operation must appear with exactly one outcome and every slot with exactly one release.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop_thread.h"
#include "batches.h"
#include "inbox_harness.h"
#include "packets.h"
#include "pipeline/client.h"

namespace evenkeel::test {

enum class Drive : uint8_t { kSameThread, kThreaded };

using Opcode = wire::Op;

// No test comes near it; one that waits for what never happens fails instead of hanging.
inline constexpr std::chrono::seconds kPatience{30};
inline constexpr uint32_t kLongTimeout = 600'000;

struct Operation {
  uint32_t slot = 0;
  bool settled = false;
  bool released = false;
  bool cancelled = false;
  uint32_t outcome = 0;  // without its bits
  bool written = false;
  bool blamed = false;
  uint16_t status = 0;
  uint32_t flags = 0;
  uint64_t cas = 0;
  uint32_t detail = 0;
  uint32_t connection = 0;
  bool late = false;
  base::Millis deadline = 0;
  uint32_t took = 0;  // of one that is slow
  uint32_t queued = 0;
  std::string value{};
  std::vector<std::string> items{};
};

// A record that speaks of the connection.
struct Event {
  uint32_t outcome;
  uint32_t connection;
  uint32_t detail;
  std::string value;
  uint32_t flags = 0;
  uint16_t status = 0;
};

struct Submission {
  Opcode opcode = Opcode::kGet;
  std::string key = "key";
  std::string value{};
  uint32_t timeout = kLongTimeout;
  base::Millis deadline = 0;
  bool discards_value = false;
  uint8_t replica = 0;
  std::unique_ptr<net::Payload> payload{};
};

class ClientHarness final : private pipeline::ClientListener {
 public:
  ClientHarness(Drive drive, const pipeline::Options& options, const pipeline::Steps& steps = binary_steps(),
                const wire::Protocol& protocol = wire::memcache::kBinary)
      : drive_(drive) {
    Status status;
    if (drive == Drive::kThreaded) {
      thread_ = base::LoopThread::start("test", &status);
      base_ = &thread_->base();
    } else {
      own_base_ = base::EventBase::create(&status);
      base_ = own_base_.get();
    }
    EXPECT_TRUE(status.is_ok());
    client_ = pipeline::Client::create(*base_, drive == Drive::kThreaded, options, allocator_, *this);
    client_->add_server(0, protocol, steps);
    client_->route_by(std::make_unique<pipeline::Single>(), {0});
  }
  ~ClientHarness() {
    if (!has_ended()) close();
    // Its last task, the pipeline's end among them, may hold the client still.
    if (thread_ != nullptr) thread_->stop();
  }

  void connect(uint16_t port) { client_->set_addresses(0, {*net::Address::ip("127.0.0.1", port)}); }

  // Returns the operation's number in the book. It leaves with the next flush().
  size_t submit(Submission submission) {
    pipeline::Client::Call call{.request = {.op = submission.opcode,
                                            .discards_value = submission.discards_value,
                                            .replica = submission.replica},
                                .timeout = submission.timeout,
                                .deadline = submission.deadline};
    EXPECT_EQ(client_->begin(call, as_bytes(submission.key), submission.value.size()), 0);
    if (!submission.value.empty())
      std::memcpy(client_->value_space(), submission.value.data(), submission.value.size());
    if (submission.payload == nullptr) return enter(client_->commit(submission.value.size()));
    return enter(client_->commit(submission.value.size(), std::move(submission.payload)));
  }
  // Nothing is committed.
  int32_t begin(pipeline::Client::Call call, std::string_view key) {
    return client_->begin(call, as_bytes(key), 0);
  }
  // Of what begin() refuses.
  size_t hold(const Submission& submission) {
    pipeline::Client::Call call{.request = {.op = submission.opcode}, .timeout = submission.timeout};
    const int32_t refused = client_->begin(call, as_bytes(submission.key), submission.value.size());
    EXPECT_LT(refused, 0);
    const int32_t slot = client_->hold(refused, call, as_bytes(submission.key), submission.value.size());
    EXPECT_GE(slot, 0);
    const size_t number = enter(static_cast<uint32_t>(slot));
    flush();
    return number;
  }
  size_t submit_to(uint16_t server, Opcode opcode, std::string_view argument) {
    pipeline::Client::Call call{.request = {.op = opcode}, .timeout = kLongTimeout};
    EXPECT_EQ(client_->begin_at(server, call, as_bytes(argument)), 0);
    return enter(client_->commit(0));
  }
  size_t send(Submission submission) {
    const size_t number = submit(std::move(submission));
    flush();
    return number;
  }
  void take_now() { take(); }
  void flush(pipeline::Flush how = pipeline::Flush::kAll) { client_->flush(how); }
  void cancel(size_t number) {
    Operation& operation = operations_[number];
    if (operation.settled || operation.cancelled) return;
    operation.cancelled = true;
    client_->cancel(operation.slot);
  }

  // One turn: what the loop has for this side is entered in the book.
  void turn() {
    if (drive_ == Drive::kThreaded) {
      std::unique_lock lock(mutex_);
      ready_.wait_for(lock, std::chrono::milliseconds(1), [this] { return is_ready_; });
      is_ready_ = false;
    } else {
      own_base_->poll(is_ready_ ? 0 : 1);
      is_ready_ = false;
    }
    take();
  }
  template <typename Condition>
  [[nodiscard]] bool until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }
  // Afterwards the loop has seen all that was handed to it.
  void barrier() {
    if (drive_ == Drive::kSameThread) return;
    std::promise<void> seen;
    base_->post([&] { seen.set_value(); });
    seen.get_future().wait();
  }

  // The loop sees all of what `act` does at once.
  template <typename Act>
  void at_once(Act act) {
    std::promise<void> done;
    if (drive_ == Drive::kThreaded) base_->post([&] { done.get_future().wait(); });
    act();
    done.set_value();
    barrier();
  }

  // Closes and waits for the end; by then every operation has had its outcome and every slot is free.
  void close() {
    client_->close();
    EXPECT_TRUE(until([this] { return has_ended(); }));
    check_book();
  }
  void check_book() {
    take();  // frees the slots of the last records
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation& operation = operations_[i];
      EXPECT_TRUE(operation.settled || operation.cancelled) << "operation " << i;
      EXPECT_TRUE(operation.released) << "operation " << i;
    }
    EXPECT_TRUE(owners_.empty());
    EXPECT_EQ(client_->active(), 0u);
  }

  bool has_ended() const { return count(layout::kOutcomeEnded) > 0; }
  bool settled(size_t number) const { return operations_[number].settled; }
  bool released(size_t number) const { return operations_[number].released; }
  const Operation& operation(size_t number) const { return operations_[number]; }
  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Event>& events() const { return events_; }
  int count(uint32_t outcome) const {
    int count = 0;
    for (const Event& event : events_) count += event.outcome == outcome ? 1 : 0;
    return count;
  }
  uint32_t last_cause() const {
    uint32_t cause = 0;
    for (const Event& event : events_) {
      if (event.outcome == layout::kOutcomeDisconnected) cause = event.detail;
    }
    return cause;
  }
  pipeline::Client& client() { return *client_; }

 private:
  size_t enter(uint32_t slot) {
    EXPECT_TRUE(owners_.emplace(slot, operations_.size()).second) << "slot " << slot << " has an owner";
    operations_.emplace_back().slot = slot;
    return operations_.size() - 1;
  }

  // Small, so that batches are taken in several goes.
  static constexpr uint32_t kRecords = 16;
  static constexpr uint32_t kOffset = 4096;

  void on_completions_ready() override {
    const std::lock_guard lock(mutex_);
    is_ready_ = true;
    ready_.notify_one();
  }

  void take() {
    for (;;) {
      const uint32_t taken = client_->take(records_.data(), kRecords, slab_, kOffset);
      if (taken == 0) return;
      for (uint32_t i = 0; i < taken; ++i) read(&records_[size_t{i} * layout::kRecordWords]);
    }
  }

  std::string value_of(const uint32_t* record) {
    if ((record[layout::kRecordOutcome] & layout::kOutcomeLargeBit) != 0)
      return as_text(client_->take_large(record[layout::kRecordValueOffset])->bytes());
    return as_text(std::span(slab_).subspan(record[layout::kRecordValueOffset] - kOffset,
                                            record[layout::kRecordValueLength]));
  }

  void read(const uint32_t* record) {
    const uint32_t slot = record[layout::kRecordSlot];
    const uint32_t word = record[layout::kRecordOutcome];
    const uint32_t outcome = word & layout::kOutcomeMask;
    EXPECT_FALSE(has_ended()) << "a record behind the last one";
    if (slot == layout::kControlSlot) {
      events_.push_back({outcome, record[layout::kRecordConnection], record[layout::kRecordDetail],
                         value_of(record), record[layout::kRecordFlags],
                         static_cast<uint16_t>(word >> layout::kOutcomeStatusShift)});
      return;
    }
    const auto owner = owners_.find(slot);
    ASSERT_NE(owner, owners_.end()) << "a record of slot " << slot << ", which is free";
    Operation& operation = operations_[owner->second];
    if (outcome == layout::kOutcomeItem) {
      EXPECT_FALSE(operation.settled);
      operation.items.push_back(value_of(record));
      return;
    }
    if (outcome != layout::kOutcomeReleased) {
      EXPECT_FALSE(operation.settled) << "operation " << owner->second << " settles again";
      operation.settled = true;
      operation.outcome = outcome;
      operation.written = (word & layout::kOutcomeWrittenBit) != 0;
      operation.blamed = (word & layout::kOutcomeBlamedBit) != 0;
      operation.status = static_cast<uint16_t>(word >> layout::kOutcomeStatusShift);
      operation.flags = record[layout::kRecordFlags];
      operation.cas = uint64_t{record[layout::kRecordCasHigh]} << 32 | record[layout::kRecordCasLow];
      operation.detail = record[layout::kRecordDetail];
      operation.connection = record[layout::kRecordConnection];
      operation.late = record[layout::kRecordLate] != 0;
      operation.deadline =
          uint64_t{record[layout::kRecordDeadlineHigh]} << 32 | record[layout::kRecordDeadlineLow];
      if ((word & layout::kOutcomeSlowBit) != 0) {
        operation.took = record[layout::kRecordTook];
        operation.queued = record[layout::kRecordQueued];
      }
      operation.value = value_of(record);
    } else {
      EXPECT_TRUE(operation.settled || operation.cancelled) << "operation " << owner->second;
    }
    if ((word & layout::kOutcomeReleaseBit) == 0) return;
    operation.released = true;
    owners_.erase(owner);
  }

  const Drive drive_;
  HeapAllocator allocator_;
  std::unique_ptr<base::EventBase> own_base_;
  std::unique_ptr<base::LoopThread> thread_;
  base::EventBase* base_ = nullptr;
  std::shared_ptr<pipeline::Client> client_;

  std::mutex mutex_;
  std::condition_variable ready_;
  bool is_ready_ = false;

  std::vector<uint32_t> records_ = std::vector<uint32_t>(size_t{kRecords} * layout::kRecordWords);
  std::vector<std::byte> slab_ = std::vector<std::byte>(20'000);
  std::vector<Operation> operations_;
  std::vector<Event> events_;
  std::unordered_map<uint32_t, size_t> owners_;
};

}  // namespace evenkeel::test
