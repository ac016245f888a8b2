// Handshake: what is said first on a connection, before an operation is entrusted to it: who speaks, and what
// finds out a server that does not speak the protocol. Its steps are data, and are kept here, so that a
// connection is made anew while JavaScript is busy.
//
// Threads: the loop's only; the steps are shared and never change.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/layout.h"
#include "wire/big_endian.h"
#include "wire/protocol.h"

namespace evenkeel::pipeline {

// A request of a handshake, and what its answer means.
struct Step {
  std::vector<std::byte> request;  // with kHandshakeOpaque, where requests have an opaque
  uint8_t code = 0;                // Answer.code of the answer that grants it
  uint16_t tolerated = 0;          // a status that is no refusal, either
  uint8_t skips = 0;               // how many of the steps behind it are left out when it is granted
  bool waits = false;              // it leaves when those before it are answered, and otherwise with them
  bool asks = false;               // it waits as well, until JavaScript has given its request
  bool is_optional = false;        // no status is a refusal
  bool tells = false;              // JavaScript hears of its answer
  bool authenticates = false;      // there are credentials in it
  bool tells_version = false;      // the value that grants it is the server's version
  uint32_t oldest_version = 0;     // and this one, as pack_version() has it, or a newer one
  // Without all of these in the value that grants it, 16 bits each, the server does not speak the protocol.
  std::vector<uint16_t> features{};
};

// Three numbers, of a byte each; 0: it is no such version.
inline uint32_t pack_version(std::span<const std::byte> text) {
  uint32_t packed = 0;
  size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    if (i > 0 && (at == text.size() || text[at++] != std::byte{'.'})) return 0;
    uint32_t number = 0;
    const size_t first = at;
    for (; at < text.size() && text[at] >= std::byte{'0'} && text[at] <= std::byte{'9'}; ++at)
      number = std::min(number * 10 + (std::to_integer<uint32_t>(text[at]) - '0'), 255u);
    if (at == first) return 0;
    packed = packed << 8 | number;
  }
  return packed;
}

using Steps = std::shared_ptr<const std::vector<Step>>;

class Handshake {
 public:
  explicit Handshake(Steps steps) : steps_(std::move(steps)) {}

  // What is to be sent now, and once; until the next supply().
  std::vector<std::span<const std::byte>> next() {
    std::vector<std::span<const std::byte>> requests;
    for (; sent_ < steps_->size() && may_leave((*steps_)[sent_]); ++sent_) {
      const Step& step = (*steps_)[sent_];
      requests.emplace_back(step.asks ? supplied_ : step.request);
      if (step.asks) is_supplied_ = false;
    }
    return requests;
  }

  // The next step asks for its request, in this attempt. No two have the same number, whatever their
  // connections, so that what is meant for one that has failed is not taken for another's.
  bool asks(uint32_t attempt) const {
    return attempt == attempt_ && !is_over() && sent_ == answered_ && (*steps_)[sent_].asks && !is_supplied_;
  }
  void supply(std::vector<std::byte> request) {
    supplied_ = std::move(request);
    is_supplied_ = true;
  }
  uint32_t attempt() const { return attempt_; }

  // The step that the next answer is to; null when none is due.
  const Step* due() const { return answered_ < sent_ ? &(*steps_)[answered_] : nullptr; }
  size_t due_index() const { return answered_; }

  bool is_over() const { return answered_ == steps_->size(); }

  // The answer is one to the first step that has none. 0, or the cause for which the connection must end.
  uint32_t answered(const wire::Answer& answer, std::span<const std::byte> value) {
    if (answered_ == sent_) return layout::kCauseUnknownOpaque;
    const Step& step = (*steps_)[answered_];
    if ((answer.has_op || answer.is_success) && answer.code != step.code) return layout::kCauseWrongOpcode;
    const bool is_tolerated = answer.status != 0 && (step.is_optional || answer.status == step.tolerated);
    if (!answer.is_success && !is_tolerated) return refusal(step, answer.status);
    if (!has_features(step, answer.is_success ? value : std::span<const std::byte>()))
      return layout::kCauseFeatures;
    if (step.tells_version) version_.assign(reinterpret_cast<const char*>(value.data()), value.size());
    if (step.oldest_version > pack_version(version())) return layout::kCauseOutdated;
    answered_ += 1 + (answer.is_success ? step.skips : 0);
    answered_ = std::min(answered_, steps_->size());
    sent_ = std::max(sent_, answered_);
    return 0;
  }
  std::span<const std::byte> version() const { return std::as_bytes(std::span(version_)); }

  // The server has been told credentials, and has not accepted them: what it says now could be those.
  bool is_secret() const {
    const auto sent = std::span(*steps_).subspan(answered_, sent_ - answered_);
    return std::any_of(sent.begin(), sent.end(), [](const Step& step) { return step.authenticates; });
  }

  void reset() {
    sent_ = answered_ = 0;
    is_supplied_ = false;
    attempt_ = next_attempt();
  }

 private:
  static constexpr uint16_t kStatusAuthentication = 0x20;
  static constexpr uint16_t kStatusOutOfMemory = 0x82;
  static constexpr uint16_t kStatusInternalError = 0x84;
  static constexpr uint16_t kStatusBusy = 0x85;
  static constexpr uint16_t kStatusTemporaryFailure = 0x86;

  static uint32_t next_attempt() {
    static std::atomic<uint32_t> next = 1;
    return next.fetch_add(1, std::memory_order_relaxed);
  }

  // It says nothing of what was asked, and may be over at the next attempt.
  static bool is_passing(uint16_t status) {
    return status == kStatusOutOfMemory || status == kStatusInternalError || status == kStatusBusy ||
           status == kStatusTemporaryFailure;
  }

  bool may_leave(const Step& step) const {
    return step.asks ? sent_ == answered_ && is_supplied_ : sent_ == answered_ || !step.waits;
  }

  static bool has_features(const Step& step, std::span<const std::byte> granted) {
    const auto is_granted = [granted](uint16_t feature) {
      for (size_t at = 0; at + sizeof feature <= granted.size(); at += sizeof feature) {
        if (wire::load_big_endian<uint16_t>(granted.data() + at) == feature) return true;
      }
      return false;
    };
    return std::all_of(step.features.begin(), step.features.end(), is_granted);
  }

  uint32_t refusal(const Step& step, uint16_t status) const {
    if (is_passing(status)) return layout::kCauseBusy;
    if (step.authenticates) return layout::kCauseCredentials;
    if (status != kStatusAuthentication) return layout::kCauseHandshake;
    const bool has_credentials =
        std::any_of(steps_->begin(), steps_->end(), [](const Step& each) { return each.authenticates; });
    return has_credentials ? layout::kCauseCredentials : layout::kCauseUnauthenticated;
  }

  Steps steps_;
  size_t sent_ = 0;
  size_t answered_ = 0;
  std::string version_;
  std::vector<std::byte> supplied_;
  bool is_supplied_ = false;
  uint32_t attempt_ = next_attempt();
};

}  // namespace evenkeel::pipeline
