#include "pipeline/inbox.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace evenkeel::pipeline {

namespace {

using wire::Answer;
using wire::Decoded;

// An answer may come while a part of its request has still to be written, but not before.
bool is_awaited(const Flight& flight, uint32_t leaving) {
  switch (flight.state) {
    case FlightState::kWritten:
    case FlightState::kAbandoned:
      return true;
    case FlightState::kQueued:
    case FlightState::kLeaving:
      return flight.opaque == leaving;
    default:
      return false;
  }
}

// A part of every answer: no branch.
uint32_t compressed(const Answer& answer) {
  return (answer.datatype & wire::kIsCompressed) * (layout::kOutcomeCompressedBit / wire::kIsCompressed);
}

uint32_t answered(const Answer& answer) {
  return layout::kOutcomeAnswered | layout::kOutcomeWrittenBit | compressed(answer) |
         uint32_t{answer.status} << layout::kOutcomeStatusShift;
}

}  // namespace

std::span<const iovec> Inbox::space() {
  if (input_ == nullptr) input_ = std::make_unique_for_overwrite<std::byte[]>(kInputBytes);
  size_t count = 0;
  space_size_ = 0;
  if (large_ != nullptr) {
    const std::span<std::byte> rest = large_->bytes().subspan(large_filled_);
    space_[count++] = {rest.data(), rest.size()};
    space_size_ += rest.size();
  }
  const size_t wanted = answer_size_ * std::max(due_.size() / 2, kFewAnswers);
  const size_t window = std::min(std::max({wanted, kSmallestWindow, discard_}), kInputBytes - end_);
  space_[count++] = {input_.get() + end_, window};
  space_size_ += window;
  return {space_.data(), count};
}

Inbox::Progress Inbox::received(size_t length, uint32_t leaving) {
  Progress progress;
  if (large_ != nullptr) {
    const size_t taken = std::min(length, large_->bytes().size() - large_filled_);
    large_filled_ += taken;
    length -= taken;
  }
  end_ += length;
  while (read_answer(leaving, &progress)) {
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ > 0) {
    std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  meter_.read(progress.reads, progress.hits);
  answer_size_ = length / std::max<size_t>(progress.answered, 1);
  return progress;
}

// One step; false when more bytes are needed or the connection must end.
bool Inbox::read_answer(uint32_t leaving, Progress* progress) {
  if (large_ != nullptr) return finish_large(progress);
  if (discard_ > 0 || tail_ > 0) return skip_rest(progress);
  Answer answer;
  const Decoded decoded = protocol_.decoder.decode(available(), &answer);
  switch (decoded) {
    case Decoded::kAnswer:
      break;
    case Decoded::kIncomplete:
      if (answer.value > max_value_) break;                                          // it is not waited for
      if (end_ - begin_ == kInputBytes) progress->cause = layout::kCauseBadLengths;  // a head without end
      return false;
    case Decoded::kForeign:
      progress->cause = layout::kCauseBadMagic;
      return false;
    case Decoded::kDistorted:
      if (answer.has_opaque && handshake_.is_over()) break;  // whose it is may tell more
      progress->cause = layout::kCauseBadLengths;
      return false;
  }
  if (answer.is_notice) return read_notice(answer, progress);
  if (!handshake_.is_over()) return shake_hands(answer, progress);
  Flight* const flight = match(answer, leaving);
  if (flight == nullptr) {
    progress->cause = layout::kCauseUnknownOpaque;
    return false;
  }
  if (answer.has_op ? answer.op != flight->op
                    : !protocol_.decoder.read_as(flight->op, flight->discards_value, &answer)) {
    progress->cause = layout::kCauseWrongOpcode;
    return false;
  }
  if (decoded == Decoded::kDistorted) {
    progress->cause = layout::kCauseBadLengths;
    return false;
  }
  if (flight->is_kept && wire::is_sent_back(answer.status)) return read_sent_back(answer, *flight, progress);
  if (answer.is_item) return read_item(answer, *flight, progress);
  const bool is_hit = answer.is_success && wire::brings_value(flight->op);
  const bool is_large = answer.value > layout::kLargeValue;
  if (is_large && answer.is_success && !wire::brings_much(flight->op)) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  if (is_large || (is_hit && answer.value > max_value_)) return read_large(answer, *flight, progress);
  if (end_ - begin_ < answer.total()) return false;
  const std::span<const std::byte> rest = available().subspan(answer.head, answer.value + answer.tail);
  if (!has_tail(answer, rest.subspan(answer.value), progress)) return false;
  begin_ += answer.total();
  settle(*flight, answer, rest.first(answer.value), progress);
  if (answer.is_last) progress->cause = layout::kCauseUntrusted;
  return !answer.is_last;
}

// Nothing was executed: the request goes to another server, or to this one again. The configuration that
// comes with it is told first, so that it is known which one.
bool Inbox::read_sent_back(const Answer& answer, Flight& flight, Progress* progress) {
  if (answer.value > layout::kLargeValue) {
    if (end_ - begin_ < answer.head) return false;
    if (answer.value <= max_value_ && start_large(answer, flight)) return finish_large(progress);
    begin_ += answer.head;
    send_back(answer, flight, {}, progress);
    return skip(answer.value, answer.tail, progress);
  }
  if (end_ - begin_ < answer.total()) return false;
  send_back(answer, flight, available().subspan(answer.head, answer.value), progress);
  begin_ += answer.total();
  return true;
}

// Of a thousand operations that are sent back at once, with the same configuration, one is told of.
void Inbox::send_back(const Answer& answer, Flight& flight, std::span<const std::byte> configuration,
                      Progress* progress) {
  ++progress->answered;
  progress->sent_back = true;
  due_.send_back(flight);
  const bool is_known = std::ranges::equal(configuration, configuration_);
  const uint32_t now = flights_.moment();
  if (is_known && configuration_told_ != 0 && now - configuration_told_ < kTellingPause) return;
  configuration_told_ = std::max(now, 1u);
  if (!is_known && configuration.size() <= kMostKeptConfiguration)
    configuration_.assign(configuration.begin(), configuration.end());
  tell(layout::kOutcomeSentBack | compressed(answer), answer.status, configuration, 0);
}

// The operation goes on. Whoever gave it up hears no more of it.
bool Inbox::read_item(const Answer& answer, Flight& flight, Progress* progress) {
  const bool is_large = answer.value > layout::kLargeValue;
  if (is_large && wire::brings_much(flight.op)) return read_large(answer, flight, progress);
  if (is_large) progress->cause = layout::kCauseTooLarge;
  if (progress->cause != 0 || end_ - begin_ < answer.total()) return false;
  const std::span<const std::byte> rest = available().subspan(answer.head, answer.value + answer.tail);
  if (!has_tail(answer, rest.subspan(answer.value), progress)) return false;
  begin_ += answer.total();
  if (!is_settled(flight.state)) flights_.item(flight, answer.name, rest.first(answer.value));
  return true;
}

// More than somebody who takes them in turn could want to hear.
bool Inbox::is_talkative() {
  const uint32_t now = flights_.moment();
  if (now - notices_since_ >= kTellingPause) {
    notices_since_ = now;
    notices_ = 0;
  }
  return ++notices_ > kMostNotices;
}

// Nobody has asked for it: what is said before there is somebody to listen, or is too much, is passed over.
bool Inbox::read_notice(const Answer& answer, Progress* progress) {
  if (!handshake_.is_over() || answer.value > layout::kLargeValue) {
    begin_ += answer.head;
    return skip(answer.value, answer.tail, progress);
  }
  if (end_ - begin_ < answer.total()) return false;
  const uint32_t parts = answer.flags | static_cast<uint32_t>(answer.name) << 8;
  const std::span<const std::byte> value = available().subspan(answer.head, answer.value);
  begin_ += answer.total();
  if (!is_talkative())
    flights_.control(connection_, layout::kOutcomeNotice | compressed(answer), answer.code, value, parts);
  return true;
}

// What is too much for a slab gets memory of its own, or comes without its value where there is none.
void Inbox::tell(uint32_t outcome, uint32_t detail, std::span<const std::byte> value, uint32_t flags) {
  if (value.size() <= layout::kLargeValue)
    return flights_.control(connection_, outcome, detail, value, flags);
  std::unique_ptr<LargeValue> large = allocator_.allocate(value.size());
  if (large == nullptr) return flights_.control(connection_, outcome, detail, {}, flags);
  std::memcpy(large->bytes().data(), value.data(), value.size());
  flights_.large_control(connection_, outcome, detail, std::move(large), flags);
}

// The value that tells the version comes in the record of the connection, which has no memory of its own.
size_t Inbox::most_in_handshake() const {
  const Step* const step = handshake_.due();
  return step != nullptr && step->tells && !step->tells_version ? kMostInHandshake : layout::kLargeValue;
}

bool Inbox::shake_hands(const Answer& answer, Progress* progress) {
  if (answer.has_opaque && answer.opaque != wire::kHandshakeOpaque)
    progress->cause = layout::kCauseUnknownOpaque;
  else if (answer.value > most_in_handshake())
    progress->cause = layout::kCauseTooLarge;
  if (progress->cause != 0 || end_ - begin_ < answer.total()) return false;
  const std::span<const std::byte> rest = available().subspan(answer.head, answer.value + answer.tail);
  if (!has_tail(answer, rest.subspan(answer.value), progress)) return false;
  const Step* const step = handshake_.due();
  const auto index = static_cast<uint32_t>(handshake_.due_index());
  progress->cause = handshake_.answered(answer, rest.first(answer.value));
  progress->handshake_done = handshake_.is_over();
  if (progress->cause == 0 && step->tells) {
    const uint32_t status = uint32_t{answer.status} << layout::kOutcomeStatusShift;
    tell(layout::kOutcomeHandshake | status | compressed(answer), index, rest.first(answer.value),
         handshake_.attempt());
  }
  if (progress->cause == 0) {
    begin_ += answer.total();
    return true;
  }
  begin_ += answer.head;
  if (answer.value > 0) end_ = begin_ + answer.value;
  return false;
}

// The operation whose answer this is, or null when there is none.
Flight* Inbox::match(const Answer& answer, uint32_t leaving) const {
  if (protocol_.in_order) {
    Flight* const next = due_.empty() ? flights_.find(leaving) : due_.first();
    const bool is_its = next != nullptr && (!answer.has_opaque || answer.opaque == next->opaque);
    return is_its && is_awaited(*next, leaving) ? next : nullptr;
  }
  Flight* const flight = flights_.find(answer.opaque);
  const bool is_ours = flight != nullptr && flight->connection == connection_;
  return is_ours && is_awaited(*flight, leaving) ? flight : nullptr;
}

bool Inbox::has_tail(const Answer& answer, std::span<const std::byte> bytes, Progress* progress) const {
  if (answer.tail == 0 || protocol_.decoder.is_tail(bytes)) return true;
  progress->cause = layout::kCauseBadLengths;
  return false;
}

// The operation's outcome, or null when it has had one: nobody waits for the answer any more.
Completion* Inbox::conclude(Flight& flight, uint32_t outcome, Progress* progress) {
  ++progress->answered;
  meter_.answered(flights_.moment() - flight.started);
  switch (flight.state) {
    case FlightState::kWritten:
      due_.remove(flight);
      return &flights_.settle(flight, outcome);
    case FlightState::kAbandoned:
      due_.remove(flight);
      flights_.release(flight);
      return nullptr;
    default:
      return flights_.answer_early(flight, outcome);
  }
}

// `value`: as much of it as is to be told.
void Inbox::settle(Flight& flight, const Answer& answer, std::span<const std::byte> value,
                   Progress* progress) {
  const bool wants_value = !flight.discards_value;
  if (wire::brings_value(flight.op)) progress->read(answer.is_success);
  const bool is_described = answer.is_success && wire::describes(flight.op);
  Completion* completion = conclude(flight, answered(answer), progress);
  if (completion == nullptr) return;
  completion->cas = answer.cas;
  completion->flags = answer.flags;
  completion->served = answer.served;
  if (is_described) completion->describe(answer.ttl, answer.idle, answer.marks);
  if (!wants_value) return;
  if (!answer.is_success) value = value.first(std::min(value.size(), kTextKept));
  completion->value_length = static_cast<uint32_t>(value.size());
  flights_.completions().values.append(value);
}

// An answer that does not fit into the input, or is not wanted whole: a hit's value goes into memory of its
// own, of an error's text the beginning is told, and the rest is skipped as it arrives.
bool Inbox::read_large(const Answer& answer, Flight& flight, Progress* progress) {
  const bool is_hit = answer.is_success;
  const bool is_wanted = is_hit && !is_settled(flight.state) && !flight.discards_value;
  if (is_wanted && answer.value > max_value_) return refuse(answer, flight, layout::kCauseTooLarge, progress);
  const size_t told = is_hit ? 0 : std::min<size_t>(answer.value, kTextKept);
  if (end_ - begin_ < answer.head + told) return false;
  if (!is_wanted) {
    const std::span<const std::byte> text = available().subspan(answer.head, told);
    begin_ += answer.head + told;
    if (!answer.is_item) settle(flight, answer, text, progress);
    return skip(answer.value - told, answer.tail, progress);
  }
  if (!start_large(answer, flight)) return refuse(answer, flight, ENOMEM, progress);
  return finish_large(progress);
}

// False where there is no memory for the value.
bool Inbox::start_large(const Answer& answer, Flight& flight) {
  large_ = allocator_.allocate(answer.value);
  if (large_ == nullptr) return false;
  begin_ += answer.head;
  large_answer_ = answer;
  large_flight_ = &flight;
  const std::span<std::byte> space = large_->bytes();
  large_filled_ = std::min(space.size(), end_ - begin_);
  if (large_filled_ > 0) std::memcpy(space.data(), input_.get() + begin_, large_filled_);
  begin_ += large_filled_;
  return true;
}

// The operation fails for `cause`, which is not the connection's.
bool Inbox::refuse(const Answer& answer, Flight& flight, uint32_t cause, Progress* progress) {
  const size_t arrived = std::min(answer.head, end_ - begin_);
  begin_ += arrived;
  if (wire::brings_value(flight.op)) progress->read(true);
  constexpr uint32_t kRefused = layout::kOutcomeRefused | layout::kOutcomeWrittenBit;
  Completion* completion = nullptr;
  if (answer.is_item) {
    const bool is_leaving = flight.state == FlightState::kQueued;
    completion = flights_.abandon(flight, kRefused);
    if (is_leaving) flight.state = FlightState::kLeaving;
  } else {
    completion = conclude(flight, kRefused, progress);
  }
  if (completion != nullptr) {
    completion->detail = cause;
    completion->flags = static_cast<uint32_t>(std::min<size_t>(answer.value, UINT32_MAX));
  }
  return skip(answer.head - arrived + answer.value, answer.tail, progress);
}

// False when no server has as much to send: then the connection must end.
bool Inbox::skip(size_t length, size_t tail, Progress* progress) {
  if (length > kLargestItem) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  discard_ = length;
  tail_ = tail;
  return true;
}

bool Inbox::skip_rest(Progress* progress) {
  const size_t skipped = std::min(discard_, end_ - begin_);
  begin_ += skipped;
  discard_ -= skipped;
  progress->skipped += skipped;
  if (discard_ > 0 || end_ - begin_ < tail_) return false;
  const std::span<const std::byte> tail = available().first(tail_);
  if (tail_ > 0 && !protocol_.decoder.is_tail(tail)) {
    progress->cause = layout::kCauseBadLengths;
    return false;
  }
  begin_ += tail_;
  progress->skipped += tail_;
  tail_ = 0;
  return true;
}

bool Inbox::finish_large(Progress* progress) {
  if (large_filled_ < large_->bytes().size() || end_ - begin_ < large_answer_.tail) return false;
  if (!has_tail(large_answer_, available().first(large_answer_.tail), progress)) return false;
  begin_ += large_answer_.tail;
  std::unique_ptr<LargeValue> value = std::move(large_);
  large_filled_ = 0;
  Flight& flight = *std::exchange(large_flight_, nullptr);
  if (flight.is_kept && wire::is_sent_back(large_answer_.status)) {
    send_back(large_answer_, flight, value->bytes(), progress);
    return true;
  }
  if (large_answer_.is_item) {
    if (!is_settled(flight.state)) flights_.large_item(flight, large_answer_.name, std::move(value));
    return true;
  }
  if (wire::brings_value(flight.op)) progress->read(true);
  const bool is_described = wire::describes(flight.op);
  Completion* completion = conclude(flight, answered(large_answer_) | layout::kOutcomeLargeBit, progress);
  if (completion == nullptr) return true;
  if (is_described) completion->describe(large_answer_.ttl, large_answer_.idle, large_answer_.marks);
  completion->cas = large_answer_.cas;
  completion->flags = large_answer_.flags;
  completion->served = large_answer_.served;
  completion->value_length = static_cast<uint32_t>(large_answer_.value);
  flights_.completions().larges.push_back(std::move(value));
  return true;
}

uint32_t Inbox::blamed(uint32_t cause) const {
  if (large_ != nullptr) return large_flight_->opaque;
  if (discard_ > 0 || tail_ > 0) return kNobody;
  const bool is_breach = cause > layout::kCauseProtocol && cause <= layout::kCauseTooLarge;
  if (protocol_.in_order) {
    const bool is_being_answered = is_breach || begin_ < end_;
    return is_being_answered && !due_.empty() ? due_.first()->opaque : kNobody;
  }
  Answer answer;
  protocol_.decoder.decode(available(), &answer);
  return answer.has_opaque ? answer.opaque : kNobody;
}

void Inbox::reset() {
  begin_ = end_ = discard_ = tail_ = large_filled_ = 0;
  large_.reset();
  large_flight_ = nullptr;
  std::vector<std::byte>().swap(configuration_);
  configuration_told_ = 0;
  handshake_.reset();
}

}  // namespace evenkeel::pipeline
