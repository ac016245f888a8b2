// What the canned responder answers to the binary protocol: every read is a hit of one fixed value, every
// write succeeds, and nothing is stored. NOOP, VERSION, STAT and the quiet forms follow memcached, so that a
// client's handshake and its multi-get fences work.
#pragma once

#include <string>
#include <vector>

#include "wire.h"

namespace bench {

class BinaryAnswers {
 public:
  BinaryAnswers(size_t value_size, uint32_t flags) : hit_(kHeaderSize + 4 + value_size, 'c') {
    Header h;
    h.magic = kResponseMagic;
    h.extras_length = 4;
    h.body_length = static_cast<uint32_t>(4 + value_size);
    h.write(hit_.data());
    hit_[kHeaderSize - 1] = 1;  // a CAS, which no stored item is without
    store_be32(hit_.data() + kHeaderSize, flags);
  }

  static bool wants_key(uint8_t opcode) { return opcode == kGetK || opcode == kGetKQ; }

  // key is read for the opcodes that echo it only. False asks for the connection to be closed.
  bool append(std::vector<char>& out, const Header& request, const char* key) const {
    switch (request.opcode) {
      case kGet:
      case kGetQ:
      case kGat:
      case kGatQ:
        append_hit(out, request);
        return true;
      case kGetK:
      case kGetKQ:
        append_hit_with_key(out, request, key);
        return true;
      case kVersion:
        append_plain(out, request, kSuccess, "1.6.18");
        return true;
      case kIncrement:
      case kDecrement:
        append_plain(out, request, kSuccess, std::string(8, '\0'));
        return true;
      case kHello:
      case kSaslAuth - 1:
      case kSaslAuth:
        append_plain(out, request, kUnknownCommand, "Unknown command");
        return true;
      case kQuit:
        return false;
      default:
        // Quiet mutations answer errors only, and here there are none.
        if (request.opcode < kSetQ || request.opcode > kPrependQ) append_plain(out, request, kSuccess, "");
        return true;
    }
  }

 private:
  void append_hit(std::vector<char>& out, const Header& request) const {
    const size_t at = out.size();
    out.insert(out.end(), hit_.begin(), hit_.end());
    out[at + 1] = static_cast<char>(request.opcode);
    std::memcpy(out.data() + at + 12, &request.opaque, sizeof request.opaque);
  }

  void append_hit_with_key(std::vector<char>& out, const Header& request, const char* key) const {
    const size_t at = out.size();
    append_hit(out, request);
    store_be16(out.data() + at + 2, request.key_length);
    store_be32(out.data() + at + 8, static_cast<uint32_t>(hit_.size() - kHeaderSize + request.key_length));
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(at + kHeaderSize + 4), key,
               key + request.key_length);
  }

  static void append_plain(std::vector<char>& out, const Header& request, Status status,
                           const std::string& value) {
    Header h;
    h.magic = kResponseMagic;
    h.opcode = request.opcode;
    h.status = status;
    h.body_length = static_cast<uint32_t>(value.size());
    h.opaque = request.opaque;
    char header[kHeaderSize];
    h.write(header);
    header[kHeaderSize - 1] = 1;
    out.insert(out.end(), header, header + kHeaderSize);
    out.insert(out.end(), value.begin(), value.end());
  }

  std::vector<char> hit_;
};

}  // namespace bench
