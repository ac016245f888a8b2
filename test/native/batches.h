// Batches of made-up requests, and payloads that tell when they die.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/batch.h"
#include "packets.h"

namespace evenkeel::test {

class TextPayload final : public net::Payload {
 public:
  explicit TextPayload(std::string text, std::shared_ptr<int> alive = nullptr)
      : text_(std::move(text)), alive_(std::move(alive)) {}
  std::span<const std::byte> bytes() const override {
    if (gone_) return {};
    return as_bytes(text_);
  }
  void lose() { gone_ = true; }

 private:
  const std::string text_;
  const std::shared_ptr<int> alive_;
  bool gone_ = false;
};

inline void add_request(net::Batch* batch, uint32_t opaque, std::string_view inline_bytes,
                        std::unique_ptr<net::Payload> payload = nullptr) {
  const size_t payload_length = payload == nullptr ? 0 : payload->bytes().size();
  batch->bytes.append(as_bytes(inline_bytes));
  batch->add({.deadline = 0,
              .opaque = opaque,
              .inline_length = static_cast<uint32_t>(inline_bytes.size()),
              .op = 0,
              .discards_value = false},
             std::move(payload), payload_length);
}

}  // namespace evenkeel::test
