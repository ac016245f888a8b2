// Handshakes that ask for nothing but the version, as most tests have them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "packets.h"
#include "pipeline/handshake.h"

namespace evenkeel::test {

inline pipeline::Step step(std::string_view request, uint8_t code) {
  const std::span<const std::byte> bytes = as_bytes(request);
  return {.request = {bytes.begin(), bytes.end()}, .code = code};
}

inline pipeline::Steps steps(std::vector<pipeline::Step> list) {
  return std::make_shared<const std::vector<pipeline::Step>>(std::move(list));
}

inline std::string binary_request(uint8_t opcode, std::string key = "", std::string value = "") {
  return encode({.magic = 0x80,
                 .opcode = opcode,
                 .opaque = wire::kHandshakeOpaque,
                 .key = std::move(key),
                 .value = std::move(value)});
}

inline pipeline::Steps binary_steps() {
  pipeline::Step version = step(binary_request(0x0b), 0x0b);
  version.tells_version = true;
  return steps({version});
}

inline pipeline::Steps meta_steps() {
  pipeline::Step version = step("version\r\n", layout::kMetaAnswerVersion);
  version.tells_version = true;
  return steps({step("mn\r\n", layout::kMetaAnswerNoOp), version});
}

}  // namespace evenkeel::test
