// What comes back to the client: completions, and their values.
#include <utility>

#include "pipeline/client.h"

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

}  // namespace

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
    record[layout::kRecordConnection] = completion.connection;
    ++next_record_;
    constexpr uint32_t kHasMore =
        layout::kOutcomeMask | layout::kOutcomeDescribedBit | layout::kOutcomeSlowBit;
    if ((completion.outcome & kHasMore) != layout::kOutcomeAnswered) {
      record[layout::kRecordDetail] = completion.detail;
      record[layout::kRecordLate] = completion.late ? 1 : 0;
      record[layout::kRecordDeadlineHigh] = static_cast<uint32_t>(completion.deadline >> 32);
      record[layout::kRecordDeadlineLow] = static_cast<uint32_t>(completion.deadline);
      record[layout::kRecordTook] = completion.took;
      record[layout::kRecordQueued] = completion.queued;
      record[layout::kRecordStarted] = completion.started;
      record[layout::kRecordServed] = completion.served;
    }
    if (completion.slot == layout::kControlSlot) continue;
    const uint32_t outcome = completion.outcome & layout::kOutcomeMask;
    if (outcome == layout::kOutcomeItem) continue;
    if (outcome != layout::kOutcomeReleased) slots_.settle(completion.slot);
    if ((completion.outcome & layout::kOutcomeReleaseBit) != 0) released_.push_back(completion.slot);
  }
  return taken;
}

std::unique_ptr<LargeValue> Client::take_large(uint32_t index) {
  if (index >= inbox_.larges.size()) return nullptr;
  return std::move(inbox_.larges[index]);
}

}  // namespace evenkeel::pipeline
