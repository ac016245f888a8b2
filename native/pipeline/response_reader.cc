#include "pipeline/response_reader.h"

#include <algorithm>
#include <cstring>

namespace evenkeel::pipeline {

namespace {

using wire::memcache::HeaderFault;
using wire::memcache::Opcode;
using wire::memcache::ResponseHeader;

bool carries_value(uint8_t opcode) {
  return opcode == static_cast<uint8_t>(Opcode::kGet) || opcode == static_cast<uint8_t>(Opcode::kGetAndTouch);
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
  const size_t window = std::min(std::max(wanted, kSmallestWindow), kInputBytes - end_);
  space_[count++] = {input_.get() + end_, window};
  space_size_ += window;
  return {space_.data(), count};
}

ResponseReader::Progress ResponseReader::received(size_t length) {
  Progress progress;
  if (large_ != nullptr) {
    const size_t taken = std::min(length, large_->bytes().size() - large_filled_);
    large_filled_ += taken;
    length -= taken;
    if (large_filled_ < large_->bytes().size()) return progress;
    finish_large();
    ++progress.answered;
  }
  end_ += length;
  while (read_answer(&progress)) {
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
bool ResponseReader::read_answer(Progress* progress) {
  if (discard_ > 0) {
    const size_t skipped = std::min(discard_, end_ - begin_);
    begin_ += skipped;
    discard_ -= skipped;
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
  if (!is_handshake && (flight == nullptr || flight->node != node_ || flight->state == FlightState::kQueued ||
                        flight->state == FlightState::kLeaving)) {
    progress->cause = layout::kCauseUnknownOpaque;
    return false;
  }
  const uint8_t expected = is_handshake ? static_cast<uint8_t>(Opcode::kVersion) : flight->opcode;
  if (header.opcode != expected) {
    progress->cause = layout::kCauseWrongOpcode;
    return false;
  }
  // No request here asks for its key back; a hit brings its flags, and touch does too.
  const bool is_hit = header.status == wire::memcache::kStatusSuccess && carries_value(header.opcode);
  if (header.key_length != 0 || (is_hit ? header.extras_length != 4 : header.extras_length > 4)) {
    progress->cause = layout::kCauseBadLengths;
    return false;
  }
  if (header.body_length > layout::kLargeValue) {
    if (flight == nullptr) {
      progress->cause = layout::kCauseTooLarge;
      return false;
    }
    return begin_large(header, *flight, progress);
  }
  const size_t total = wire::memcache::kHeaderSize + header.body_length;
  if (end_ - begin_ < total) return false;
  const std::span<const std::byte> body =
      available().subspan(wire::memcache::kHeaderSize, header.body_length);
  begin_ += total;
  if (is_handshake) {
    progress->handshake_done = true;
    const std::span<const std::byte> version = body.subspan(header.extras_length + header.key_length);
    version_.assign(reinterpret_cast<const char*>(version.data()), version.size());
    if (header.status != wire::memcache::kStatusSuccess) progress->cause = layout::kCauseHandshake;
    return progress->cause == 0;
  }
  answer(*flight, header, body);
  ++progress->answered;
  return true;
}

void ResponseReader::answer(Flight& flight, const ResponseHeader& header, std::span<const std::byte> body) {
  if (flight.state == FlightState::kAbandoned) {
    flights_.release(flight);
    return;
  }
  const bool wants_value = !flight.discards_value;
  Completion& completion = flights_.settle(flight, answered(header));
  completion.cas = header.cas;
  completion.flags = decode_flags(header, body);
  if (!wants_value) return;
  const std::span<const std::byte> value = body.subspan(header.extras_length + header.key_length);
  completion.value_length = static_cast<uint32_t>(value.size());
  flights_.completions().values.append(value);
}

// Only the value of a hit may be large; it needs its extras and key complete to find where the value begins.
bool ResponseReader::begin_large(const ResponseHeader& header, Flight& flight, Progress* progress) {
  const size_t prelude = wire::memcache::kHeaderSize + header.extras_length + header.key_length;
  if (!carries_value(header.opcode) || header.status != wire::memcache::kStatusSuccess ||
      header.value_length() > max_value_) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  if (end_ - begin_ < prelude) return false;
  large_flags_ = decode_flags(header, available().subspan(wire::memcache::kHeaderSize));
  begin_ += prelude;
  if (flight.state == FlightState::kAbandoned || flight.discards_value) {
    answer(flight, header, available().first(0));
    ++progress->answered;
    discard_ = header.value_length();
    return true;
  }
  large_ = allocator_.allocate(header.value_length());
  if (large_ == nullptr) {
    progress->cause = layout::kCauseTooLarge;
    return false;
  }
  large_header_ = header;
  const std::span<std::byte> space = large_->bytes();
  large_filled_ = std::min(space.size(), end_ - begin_);
  if (large_filled_ > 0) std::memcpy(space.data(), input_.get() + begin_, large_filled_);
  begin_ += large_filled_;
  if (large_filled_ < space.size()) return false;
  finish_large();
  ++progress->answered;
  return true;
}

void ResponseReader::finish_large() {
  Flight* flight = flights_.find(large_header_.opaque);
  std::unique_ptr<LargeValue> value = std::move(large_);
  large_filled_ = 0;
  if (flight->state == FlightState::kAbandoned) {
    flights_.release(*flight);
    return;
  }
  Completion& completion = flights_.settle(*flight, answered(large_header_) | layout::kOutcomeLargeBit);
  completion.cas = large_header_.cas;
  completion.flags = large_flags_;
  completion.value_length = large_header_.value_length();
  flights_.completions().larges.push_back(std::move(value));
}

void ResponseReader::reset() {
  begin_ = end_ = discard_ = large_filled_ = 0;
  large_.reset();
}

}  // namespace evenkeel::pipeline
