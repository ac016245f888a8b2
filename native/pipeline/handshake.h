// Handshake: what is said first on a connection, before an operation is entrusted to it. A server that does
// not speak the protocol is found out by it.
//
// Threads: the loop's only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "pipeline/layout.h"
#include "wire/protocol.h"

namespace evenkeel::pipeline {

class Handshake {
 public:
  explicit Handshake(const wire::Protocol& protocol) : protocol_(protocol) {}

  // What is sent as soon as there is a connection.
  std::span<const std::byte> request() const { return protocol_.greeting; }

  bool is_over() const { return is_over_; }
  // The answer is one to request(), unless it says otherwise. 0, or the cause for which the connection must
  // end.
  uint32_t answered(const wire::Answer& answer, std::span<const std::byte> value) {
    is_over_ = true;
    version_.assign(reinterpret_cast<const char*>(value.data()), value.size());
    return answer.is_success ? 0 : layout::kCauseHandshake;
  }
  std::span<const std::byte> version() const { return std::as_bytes(std::span(version_)); }

  void reset() { is_over_ = false; }

 private:
  const wire::Protocol& protocol_;
  bool is_over_ = false;
  std::string version_;
};

}  // namespace evenkeel::pipeline
