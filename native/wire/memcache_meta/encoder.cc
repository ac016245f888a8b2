#include "wire/memcache_meta/encoder.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>
#include <string_view>

#include "wire/memcache/request.h"

namespace evenkeel::wire::memcache_meta {

namespace {

// Three bytes are four characters, and a server's limit of 250 is for these.
constexpr size_t kMostEncodedBytes = memcache::kMaxKeyLength / 4 * 3;

constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kOpaqueDigits = 8;
// The length of a value may become known only when its place is fixed: so many digits and zeros before the
// opaque's are written together.
constexpr size_t kLengthDigits = 10;
constexpr size_t kMostOpaqueDigits = 31;  // that memcached takes
static_assert(kOpaqueDigits + kLengthDigits - 1 <= kMostOpaqueDigits);

constexpr uint32_t kNeverCreate = UINT32_MAX;
constexpr uint32_t kLatestExpiry = INT32_MAX;  // the server reads expiries as int32

constexpr bool is_store(Op op) {
  return op == Op::kSet || op == Op::kAdd || op == Op::kReplace || op == Op::kAppend || op == Op::kPrepend;
}

constexpr size_t digits_of(uint64_t number) {
  size_t digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

constexpr size_t base64_size(size_t length) { return (length + 2) / 3 * 4; }

void write_base64(std::span<const std::byte> bytes, char* to) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? std::to_integer<uint32_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) *to++ = i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
}

class Counter {
 public:
  void text(std::string_view text) { size_ += text.size(); }
  void number(uint64_t number) { size_ += digits_of(number); }
  void plain_key(std::span<const std::byte> key) { size_ += key.size(); }
  void base64_key(std::span<const std::byte> key) { size_ += base64_size(key.size()); }
  void length(size_t) { size_ += kLengthDigits; }
  void end(uint32_t) { size_ += kOpaqueDigits + kLineEnd.size(); }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};

class Writer {
 public:
  explicit Writer(std::span<std::byte> out)
      : at_(reinterpret_cast<char*>(out.data())), end_(at_ + out.size()) {}
  void text(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void number(uint64_t number) { at_ = std::to_chars(at_, end_, number).ptr; }
  void plain_key(std::span<const std::byte> key) {
    std::memcpy(at_, key.data(), key.size());
    at_ += key.size();
  }
  void base64_key(std::span<const std::byte> key) {
    write_base64(key, at_);
    at_ += base64_size(key.size());
  }
  void length(size_t length) { number(length); }
  // All that is left of the line is the opaque's, in hexadecimal.
  void end(uint32_t opaque) {
    char* digit = end_ - kLineEnd.size();
    std::memcpy(digit, kLineEnd.data(), kLineEnd.size());
    assert(digit >= at_ + kOpaqueDigits);
    while (digit > at_) {
      *--digit = "0123456789abcdef"[opaque & 15];
      opaque >>= 4;
    }
  }

 private:
  char* at_;
  char* const end_;
};

template <typename Out>
void put_number(Out& out, std::string_view flag, uint64_t number) {
  out.text(flag);
  out.number(number);
}

// In any order but for the opaque, which is last.
template <typename Out>
void put_expiry(Out& out, std::string_view flag, uint32_t expiry) {
  put_number(out, flag, std::min(expiry, kLatestExpiry));
}

template <typename Out>
void put_read(Out& out, const Request& request) {
  if (request.discards_value) return;
  out.text(" v f");
  if (request.wants_cas) out.text(" c");
}

template <typename Out>
void put_store(Out& out, const Request& request, std::string_view mode) {
  out.text(mode);
  if (request.op == Op::kAppend || request.op == Op::kPrepend) return;
  if (request.flags != 0) put_number(out, " F", request.flags);
  if (request.expiry != 0) put_expiry(out, " T", request.expiry);
  if (request.new_cas != 0) put_number(out, " E", request.new_cas);
}

template <typename Out>
void put_count(Out& out, const Request& request, std::string_view mode) {
  out.text(mode);
  put_number(out, " D", request.delta);
  if (request.expiry == kNeverCreate) return;
  put_number(out, " J", request.initial);
  put_expiry(out, " N", request.expiry);
}

constexpr std::string_view command_of(Op op) {
  if (is_store(op)) return "ms ";
  if (op == Op::kDelete || op == Op::kInvalidate) return "md ";
  return op == Op::kIncrement || op == Op::kDecrement ? "ma " : "mg ";
}

template <typename Out>
void put_classic(Out& out, const Request& request, std::span<const std::byte> argument) {
  if (request.op == Op::kVersion) out.text("version");
  if (request.op == Op::kFlush) put_number(out, "flush_all ", std::min(request.expiry, kLatestExpiry));
  if (request.op == Op::kClusterConfig) out.text(argument.empty() ? "config get cluster" : "get ");
  if (request.op == Op::kClusterConfig) out.plain_key(argument);
  if (request.op == Op::kStat) {
    out.text("stats");
    if (!argument.empty()) {
      out.text(" ");
      out.text({reinterpret_cast<const char*>(argument.data()), argument.size()});
    }
  }
  out.text(kLineEnd);
}

// The line, once to count its bytes and once to write them.
template <typename Out>
void put(Out& out, const Request& request, std::span<const std::byte> key, size_t value_length) {
  if (is_of_server(request.op)) return put_classic(out, request, key);
  out.text(command_of(request.op));
  request.encodes_key ? out.base64_key(key) : out.plain_key(key);
  if (is_store(request.op)) {
    out.text(" ");
    out.length(value_length);
  }
  if (request.encodes_key) out.text(" b");
  switch (request.op) {
    case Op::kGet:
      put_read(out, request);
      break;
    case Op::kGetAndTouch:
      put_read(out, request);
      put_expiry(out, " T", request.expiry);
      break;
    case Op::kGetOrClaim:
      put_read(out, request);
      put_expiry(out, " N", request.expiry);
      if (request.recache != 0) put_expiry(out, " R", request.recache);
      break;
    case Op::kGetDetails:
      put_read(out, request);
      out.text(" t l h u");
      break;
    case Op::kTouch:
      put_expiry(out, " T", request.expiry);
      break;
    case Op::kSet:
      put_store(out, request, " c");
      break;
    case Op::kAdd:
      put_store(out, request, " c ME");
      break;
    case Op::kReplace:
      put_store(out, request, " c MR");
      break;
    case Op::kAppend:
      put_store(out, request, " c MA");
      break;
    case Op::kPrepend:
      put_store(out, request, " c MP");
      break;
    case Op::kIncrement:
      put_count(out, request, " v");
      break;
    case Op::kDecrement:
      put_count(out, request, " v MD");
      break;
    case Op::kInvalidate:
      out.text(" I");
      if (request.expiry != 0) put_expiry(out, " T", request.expiry);
      break;
    default:
      break;
  }
  if (request.cas != 0 && !brings_value(request.op) && request.op != Op::kTouch)
    put_number(out, " C", request.cas);
  out.text(" O");
  out.end(request.opaque);
}

}  // namespace

KeyCheck MetaEncoder::check_key(const Request&, std::span<const std::byte> key) const {
  const KeyFault fault = memcache::check_key(key);
  if (fault == KeyFault::kForbiddenByte && key.size() <= kMostEncodedBytes)
    return {.fault = KeyFault::kNone, .needs_encoding = true};
  return {.fault = fault};
}

KeyFault MetaEncoder::check_argument(std::span<const std::byte> argument) const {
  return memcache::check_argument(argument);
}

size_t MetaEncoder::prefix_size(const Request& request, std::span<const std::byte> key, size_t) const {
  Counter counter;
  put(counter, request, key, 0);
  return counter.size();
}

size_t MetaEncoder::suffix_size(Op op) const { return is_store(op) ? kLineEnd.size() : 0; }

void MetaEncoder::encode(const Request& request, std::span<const std::byte> key, size_t value_length,
                         std::span<std::byte> prefix, std::span<std::byte> suffix) const {
  Writer writer(prefix);
  put(writer, request, key, value_length);
  if (!suffix.empty()) std::memcpy(suffix.data(), kLineEnd.data(), kLineEnd.size());
}

}  // namespace evenkeel::wire::memcache_meta
