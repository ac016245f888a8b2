#include "pipeline/response_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace evenkeel::pipeline {

namespace {

using wire::memcache::HeaderFault;
using wire::memcache::Opcode;
using wire::memcache::ResponseHeader;

bool carries_value(uint8_t opcode) {
  return opcode == static_cast<uint8_t>(Opcode::kGet) || opcode == static_cast<uint8_t>(Opcode::kGetAndTouch);
}

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

uint32_t answered(const ResponseHeader& header) {
  return layout::kOutcomeAnswered | layout::kOutcomeWrittenBit |
         uint32_t{header.status} << layout::kOutcomeStatusShift;
}

}  // namespace

std::span<const iovec> ResponseReader::space(size_t unanswered) {
  if (input_ == nullptr) input_ = std::make_unique_for_overwrite<std::byte[]>(kInputBytes);
  size_t count = 0;
  space_size_ = 0;
  if (large_ != nullptr) {
    const std::span<std::byte> rest = large_->bytes().subspan(large_filled_);
    space_[count++] = {rest.data(), rest.size()};
    space_size_ += rest.size();
  }
  const size_t wanted = answer_size_ * std::max(unanswered / 2, kFewAnswers);
  const size_t window = std::min(std::max({wanted, kSmallestWindow, discard_}), kInputBytes - end_);
  space_[count++] = {input_.get() + end_, window};
  space_size_ += window;
  return {space_.data(), count};
}

ResponseReader::Progress ResponseReader::received(size_t length, uint32_t leaving) {
  Progress progress;
  if (large_ != nullptr) {
    const size_t taken = std::min(length, large_->bytes().size() - large_filled_);
    large_filled_ += taken;
    length -= taken;
    if (large_filled_ < large_->bytes().size()) return progress;
    finish_large(&progress);
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
  answer_size_ = length / std::max<size_t>(progress.answered, 1);
  return progress;
}

// One step; false when more bytes are needed or the connection must end.
bool ResponseReader::read_answer(uint32_t leaving, Progress* progress) {
  if (discard_ > 0) {
    const size_t skipped = std::min(discard_, end_ - begin_);
    begin_ += skipped;
    discard_ -= skipped;
    progress->skipped += skipped;
    if (discard_ > 0) return false;
  }
  if (large_ != nullptr) return false;
  ResponseHeader header;
  switch (decode_header(available(), &header)) {
    case HeaderFault::kNone:
      break;
    case HeaderFault::kIncomplete:
      return false;
    case HeaderFault::kBadMagic:
      progress->cause = layout::kCauseBadMagic;
      return false;
    case HeaderFault::kBadLengths:
      progress->cause = layout::kCauseBadLengths;
      return false;
  }
  const bool is_handshake = header.opaque == kHandshakeOpaque;
  Flight* flight = is_handshake ? nullptr : flights_.find(header.opaque);
  if (!is_handshake && (flight == nullptr || flight->node != node_ || !is_awaited(*flight, leaving))) {
    progress->cause = layout::kCauseUnknownOpaque;
    return false;
  }
  const uint8_t expected = is_handshake ? static_cast<uint8_t>(Opcode::kVersion) : flight->opcode;
  if (header.opcode != expected) {
    progress->cause = layout::kCauseWrongOpcode;
    return false;
  }
  // No request here asks for its key back; a hit brings its flags, and touch does too.
  const bool is_success = header.status == wire::memcache::kStatusSuccess;
  const bool is_hit = is_success && carries_value(header.opcode);
  if (header.key_length != 0 || (is_hit ? header.extras_length != 4 : header.extras_length > 4)) {
    progress->cause = layout::kCauseBadLengths;
    return false;
  }
  const bool is_large = header.body_length > layout::kLargeValue;
  if (is_large && (is_handshake || (is_success && !is_hit))) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  if (is_large || (is_hit && header.value_length() > max_value_))
    return read_large(header, *flight, progress);
  const size_t total = wire::memcache::kHeaderSize + header.body_length;
  if (end_ - begin_ < total) return false;
  const std::span<const std::byte> body =
      available().subspan(wire::memcache::kHeaderSize, header.body_length);
  begin_ += total;
  if (is_handshake) {
    progress->handshake_done = true;
    const std::span<const std::byte> version = body.subspan(header.extras_length + header.key_length);
    version_.assign(reinterpret_cast<const char*>(version.data()), version.size());
    if (!is_success) progress->cause = layout::kCauseHandshake;
    return progress->cause == 0;
  }
  answer(*flight, header, body, progress);
  return true;
}

// The operation's outcome, or null when it has had one: nobody waits for the answer any more.
Completion* ResponseReader::conclude(Flight& flight, uint32_t outcome, Progress* progress) {
  ++progress->answered;
  switch (flight.state) {
    case FlightState::kWritten:
      return &flights_.settle(flight, outcome);
    case FlightState::kAbandoned:
      flights_.release(flight);
      return nullptr;
    default:
      ++progress->early;
      return flights_.answer_early(flight, outcome);
  }
}

// `body`: at least the extras, and as much of the value as is to be told.
void ResponseReader::answer(Flight& flight, const ResponseHeader& header, std::span<const std::byte> body,
                            Progress* progress) {
  const bool wants_value = !flight.discards_value;
  Completion* completion = conclude(flight, answered(header), progress);
  if (completion == nullptr) return;
  completion->cas = header.cas;
  completion->flags = decode_flags(header, body);
  if (!wants_value) return;
  std::span<const std::byte> value = body.subspan(header.extras_length);
  if (header.status != wire::memcache::kStatusSuccess) value = value.first(std::min(value.size(), kTextKept));
  completion->value_length = static_cast<uint32_t>(value.size());
  flights_.completions().values.append(value);
}

// An answer that does not fit into the input, or is not wanted whole: a hit's value goes into memory of its
// own, of an error's text the beginning is told, and the rest is skipped as it arrives.
bool ResponseReader::read_large(const ResponseHeader& header, Flight& flight, Progress* progress) {
  const bool is_hit = header.status == wire::memcache::kStatusSuccess;
  const bool is_wanted = is_hit && !is_settled(flight.state) && !flight.discards_value;
  if (is_wanted && header.value_length() > max_value_)
    return refuse(header, flight, layout::kCauseTooLarge, progress);
  const size_t told = is_hit ? 0 : std::min<size_t>(header.value_length(), kTextKept);
  const size_t prelude = wire::memcache::kHeaderSize + header.extras_length + told;
  if (end_ - begin_ < prelude) return false;
  const std::span<const std::byte> body =
      available().subspan(wire::memcache::kHeaderSize, header.extras_length + told);
  if (!is_wanted) {
    begin_ += prelude;
    answer(flight, header, body, progress);
    return skip(header.value_length() - told, progress);
  }
  large_ = allocator_.allocate(header.value_length());
  if (large_ == nullptr) return refuse(header, flight, ENOMEM, progress);
  begin_ += prelude;
  large_header_ = header;
  large_flags_ = decode_flags(header, body);
  const std::span<std::byte> space = large_->bytes();
  large_filled_ = std::min(space.size(), end_ - begin_);
  if (large_filled_ > 0) std::memcpy(space.data(), input_.get() + begin_, large_filled_);
  begin_ += large_filled_;
  if (large_filled_ < space.size()) return false;
  finish_large(progress);
  return true;
}

// The operation fails for `cause`, which is not the connection's.
bool ResponseReader::refuse(const ResponseHeader& header, Flight& flight, uint32_t cause,
                            Progress* progress) {
  begin_ += wire::memcache::kHeaderSize;
  Completion* completion = conclude(flight, layout::kOutcomeRefused | layout::kOutcomeWrittenBit, progress);
  if (completion != nullptr) {
    completion->detail = cause;
    completion->flags = header.value_length();
  }
  return skip(header.body_length, progress);
}

// False when no server has as much to send: then the connection must end.
bool ResponseReader::skip(size_t length, Progress* progress) {
  if (length > kLargestItem) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  discard_ = length;
  return true;
}

void ResponseReader::finish_large(Progress* progress) {
  Flight* flight = flights_.find(large_header_.opaque);
  std::unique_ptr<LargeValue> value = std::move(large_);
  large_filled_ = 0;
  Completion* completion = conclude(*flight, answered(large_header_) | layout::kOutcomeLargeBit, progress);
  if (completion == nullptr) return;
  completion->cas = large_header_.cas;
  completion->flags = large_flags_;
  completion->value_length = large_header_.value_length();
  flights_.completions().larges.push_back(std::move(value));
}

uint32_t ResponseReader::head_opaque() const {
  if (large_ != nullptr) return large_header_.opaque;
  if (discard_ > 0) return kNobody;
  ResponseHeader header;
  const HeaderFault fault = decode_header(available(), &header);
  return fault == HeaderFault::kNone || fault == HeaderFault::kBadLengths ? header.opaque : kNobody;
}

void ResponseReader::reset() {
  begin_ = end_ = discard_ = large_filled_ = 0;
  large_.reset();
}

}  // namespace evenkeel::pipeline
