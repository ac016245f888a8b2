#include "pipeline/client.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace evenkeel::pipeline {

namespace {

// Copies; true when no byte is above 0x7f. No early exit: the loop vectorises.
bool copy_ascii(std::byte* to, const std::byte* from, size_t length) {
  std::byte any{0};
  for (size_t i = 0; i < length; ++i) {
    to[i] = from[i];
    any |= from[i];
  }
  return (any & std::byte{0x80}) == std::byte{0};
}

void append(std::vector<net::Batch>& to, std::vector<net::Batch>& from) {
  for (size_t node = 0; node < from.size(); ++node) to[node].append(from[node]);
}

void forget(std::vector<net::Batch>& batches) {
  for (net::Batch& batch : batches) batch = net::Batch();
}

// The longest head and the longest key.
constexpr size_t kMostWithoutValue = 24 + 20 + wire::memcache::kMaxKeyLength;

}  // namespace

int32_t refusal(wire::memcache::KeyFault fault) {
  switch (fault) {
    case wire::memcache::KeyFault::kNone:
      return 0;
    case wire::memcache::KeyFault::kEmpty:
      return layout::kRefusedKeyEmpty;
    case wire::memcache::KeyFault::kTooLong:
      return layout::kRefusedKeyTooLong;
    case wire::memcache::KeyFault::kForbiddenByte:
      return layout::kRefusedKeyForbiddenByte;
  }
  return layout::kRefusedKeyType;
}

Client::Client(base::EventBase& base, bool threaded, const Options& options, ClientListener& listener)
    : base_(base),
      threaded_(threaded),
      options_(options),
      listener_(listener),
      slots_(options.max_operations) {
  staged_.resize(router_.nodes());
  for (Mailbox* mailbox : {&mailbox_, &delivery_}) {
    mailbox->ready.resize(router_.nodes());
    mailbox->held.resize(router_.nodes());
  }
}

Client::~Client() = default;

std::shared_ptr<Client> Client::create(base::EventBase& base, bool threaded, const Options& options,
                                       Allocator& allocator, ClientListener& listener) {
  std::shared_ptr<Client> client(new Client(base, threaded, options, listener));
  client->run([client, &allocator] {
    client->pipeline_ =
        std::make_unique<Pipeline>(client->base_, client->options_, allocator, client->queued_, *client);
  });
  return client;
}

void Client::run(std::function<void()> task) {
  if (threaded_) {
    base_.post(std::move(task));
  } else {
    task();
  }
}

std::unique_lock<std::mutex> Client::lock() {
  return threaded_ ? std::unique_lock(mutex_) : std::unique_lock(mutex_, std::defer_lock);
}

void Client::set_addresses(std::vector<net::Address> addresses) {
  run([self = shared_from_this(), addresses = std::move(addresses)]() mutable {
    if (self->pipeline_ != nullptr) self->pipeline_->set_addresses(0, std::move(addresses));
  });
}

void Client::connect() {
  run([self = shared_from_this()] {
    if (self->pipeline_ != nullptr) self->pipeline_->connect();
  });
}

int32_t Client::begin(const Call& call, std::span<const std::byte> key, size_t value_capacity) {
  if (closed_) return layout::kRefusedClosed;
  if (slots_.available() == 0) return layout::kRefusedBackpressure;
  // What is handed in again has been accepted before.
  if (call.deadline == 0 && room() == 0) return layout::kRefusedQueuedBytes;
  call_ = call;
  key_length_ = key.size();
  const size_t head = wire::memcache::head_size(call.head.opcode);
  node_ = router_.route(key);
  std::byte* at = staged_[node_].bytes.reserve(head + key.size() + value_capacity);
  std::memcpy(at + head, key.data(), key.size());
  value_ = at + head + key.size();
  return 0;
}

uint32_t Client::commit(size_t value_length, std::unique_ptr<net::Payload> payload) {
  const size_t payload_length = payload == nullptr ? 0 : payload->bytes().size();
  const size_t head = wire::memcache::head_size(call_.head.opcode);
  const size_t inline_length = head + key_length_ + value_length;
  const uint32_t opaque = slots_.acquire();
  call_.head.opaque = opaque;
  encode_head(call_.head, key_length_, value_length + payload_length, value_ - key_length_ - head);
  net::Batch& batch = staged_[node_];
  batch.bytes.grow(inline_length);
  ++staged_count_;
  queued_.add(inline_length + payload_length);
  const base::Millis deadline =
      call_.deadline != 0 ? call_.deadline : base::coarse_now() + base::kCoarseSlack + call_.timeout;
  batch.add({.deadline = deadline,
             .opaque = opaque,
             .inline_length = static_cast<uint32_t>(inline_length),
             .opcode = static_cast<uint8_t>(call_.head.opcode),
             .discards_value = call_.discards_value},
            std::move(payload), payload_length);
  return opaque & ((1u << layout::kSlotBits) - 1);
}

void Client::flush(Flush how) {
  if (staged_count_ == 0 && how != Flush::kAll) return;
  staged_count_ = 0;
  if (!threaded_) {
    if (pipeline_ == nullptr) return;
    pipeline_->submit(staged_, how);
    if (how != Flush::kHold) pipeline_->write();
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    if (how == Flush::kAll) {
      append(mailbox_.ready, mailbox_.held);
      mailbox_.releases = true;
    }
    append(how == Flush::kHold ? mailbox_.held : mailbox_.ready, staged_);
    if (std::exchange(mailbox_.posted, true)) return;
  }
  knock();
}

void Client::knock() {
  base_.post([self = shared_from_this()] { self->read_mailbox(); });
}

void Client::read_mailbox() {
  {
    const std::lock_guard guard(mutex_);
    std::swap(mailbox_, delivery_);
  }
  if (pipeline_ != nullptr) {
    pipeline_->submit(delivery_.ready, delivery_.releases ? Flush::kAll : Flush::kStaged);
    pipeline_->submit(delivery_.held, Flush::kHold);
    // What was given up before it could leave must not leave now.
    for (const uint32_t opaque : delivery_.cancels) pipeline_->cancel(opaque);
    pipeline_->write();
  }
  delivery_.cancels.clear();
  delivery_.releases = delivery_.posted = false;
}

void Client::cancel(uint32_t slot) {
  if (!slots_.is_active(slot)) return;
  slots_.settle(slot);
  const uint32_t opaque = slots_.opaque(slot);
  flush(Flush::kHold);  // the operation itself may still be staged
  if (!threaded_) {
    if (pipeline_ != nullptr) pipeline_->cancel(opaque);
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    mailbox_.cancels.push_back(opaque);
    if (std::exchange(mailbox_.posted, true)) return;
  }
  knock();
}

void Client::on_completions(CompletionBatch& batch) {
  const Completion& last = batch.records.back();
  const bool is_end = last.slot == layout::kControlSlot && last.outcome == layout::kOutcomeEnded;
  auto guard = lock();
  outbox_.append(batch);
  if (std::exchange(notified_, true)) return;
  // Whoever has taken the last record may be gone with its listener, so nobody takes it during this call.
  if (threaded_ && !is_end) guard.unlock();
  listener_.on_completions_ready();
}

bool Client::refill_inbox() {
  inbox_.clear();
  next_record_ = next_value_ = next_large_ = 0;
  const auto guard = lock();
  inbox_.swap(outbox_);
  notified_ = false;
  return !inbox_.empty();
}

uint32_t Client::take(uint32_t* records, uint32_t max_records, std::span<std::byte> slab, uint32_t offset) {
  for (const uint32_t slot : released_) slots_.release(slot);
  released_.clear();
  if (next_record_ == inbox_.records.size() && !refill_inbox()) return 0;
  size_t used = 0;
  uint32_t taken = 0;
  for (; taken < max_records && next_record_ < inbox_.records.size(); ++taken) {
    const Completion& completion = inbox_.records[next_record_];
    const bool is_large = (completion.outcome & layout::kOutcomeLargeBit) != 0;
    bool is_ascii = false;
    uint32_t* record = records + size_t{taken} * layout::kRecordWords;
    if (is_large) {
      record[layout::kRecordValueOffset] = static_cast<uint32_t>(next_large_++);
    } else {
      const size_t length = completion.value_length;
      if (length > slab.size() - used) break;
      is_ascii = copy_ascii(slab.data() + used, inbox_.values.data() + next_value_, length);
      record[layout::kRecordValueOffset] = offset + static_cast<uint32_t>(used);
      used += length;
      next_value_ += length;
    }
    record[layout::kRecordSlot] = completion.slot;
    record[layout::kRecordOutcome] = completion.outcome | (is_ascii ? layout::kOutcomeAsciiBit : 0);
    record[layout::kRecordFlags] = completion.flags;
    record[layout::kRecordValueLength] = completion.value_length;
    record[layout::kRecordCasHigh] = static_cast<uint32_t>(completion.cas >> 32);
    record[layout::kRecordCasLow] = static_cast<uint32_t>(completion.cas);
    ++next_record_;
    if ((completion.outcome & layout::kOutcomeMask) != layout::kOutcomeAnswered) {
      record[layout::kRecordDetail] = completion.detail;
      record[layout::kRecordLate] = completion.late ? 1 : 0;
      record[layout::kRecordDeadlineHigh] = static_cast<uint32_t>(completion.deadline >> 32);
      record[layout::kRecordDeadlineLow] = static_cast<uint32_t>(completion.deadline);
    }
    if (completion.slot == layout::kControlSlot) continue;
    if ((completion.outcome & layout::kOutcomeMask) != layout::kOutcomeReleased)
      slots_.settle(completion.slot);
    if ((completion.outcome & layout::kOutcomeReleaseBit) != 0) released_.push_back(completion.slot);
  }
  return taken;
}

std::unique_ptr<LargeValue> Client::take_large(uint32_t index) {
  if (index >= inbox_.larges.size()) return nullptr;
  return std::move(inbox_.larges[index]);
}

void Client::close() {
  if (closed_) return;
  flush(Flush::kHold);
  closed_ = true;
  run([self = shared_from_this()] {
    if (self->pipeline_ == nullptr) return;
    self->pipeline_->close();
    self->pipeline_.reset();
    forget(self->delivery_.ready);
    forget(self->delivery_.held);
    CompletionBatch ended;
    Completion& last = ended.records.emplace_back();
    last.slot = layout::kControlSlot;
    last.outcome = layout::kOutcomeEnded;
    self->on_completions(ended);
  });
}

uint64_t Client::room() const {
  const uint64_t queued = queued_.now();
  return queued < options_.max_queued_bytes ? options_.max_queued_bytes - queued : 0;
}

uint32_t Client::available() const {
  const uint64_t by_bytes = (room() + kMostWithoutValue - 1) / kMostWithoutValue;
  return static_cast<uint32_t>(std::min<uint64_t>(slots_.available(), by_bytes));
}

bool Client::fits(uint32_t operations, uint64_t bytes) const {
  return operations <= slots_.available() && bytes <= room();
}

size_t Client::most_bytes(size_t key_length, size_t value_length) {
  return kMostWithoutValue - wire::memcache::kMaxKeyLength + key_length + value_length;
}

void Client::drop_memory() {
  forget(staged_);
  base::BulkVector<Completion>().swap(inbox_.records);
  inbox_.values = base::ByteBuffer();
  next_record_ = next_value_ = 0;
  const auto guard = lock();
  forget(mailbox_.ready);
  forget(mailbox_.held);
  outbox_ = CompletionBatch();
}

void Client::tear_down() {
  closed_ = true;
  if (pipeline_ != nullptr) {
    pipeline_->close();
    pipeline_.reset();
  }
}

}  // namespace evenkeel::pipeline
