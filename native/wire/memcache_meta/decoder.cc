#include "wire/memcache_meta/decoder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace evenkeel::wire::memcache_meta {

namespace {

constexpr size_t kLongestLine = 2048;
constexpr size_t kLongestCounter = 20;
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kItemEnd = "\r\nEND\r\n";

// Answer.code.
enum Code : uint8_t {
  kValue,
  kDone,
  kMiss,
  kNotFound,
  kNotStored,
  kExists,
  kStatistic,
  kItem,
  kEnd,
  kOk,
  kUnknown,
  kBadRequest,
  kFailed
};

namespace status {
constexpr uint16_t kKeyNotFound = 0x01;
constexpr uint16_t kKeyExists = 0x02;
constexpr uint16_t kTooLarge = 0x03;
constexpr uint16_t kInvalidArguments = 0x04;
constexpr uint16_t kNotStored = 0x05;
constexpr uint16_t kNotNumeric = 0x06;
constexpr uint16_t kAuthentication = 0x20;
constexpr uint16_t kUnknownCommand = 0x81;
constexpr uint16_t kOutOfMemory = 0x82;
constexpr uint16_t kInternal = 0x84;
}  // namespace status

constexpr bool is_counter(Op op) { return op == Op::kIncrement || op == Op::kDecrement; }
constexpr bool is_extension(Op op) { return op == Op::kAppend || op == Op::kPrepend; }
constexpr bool is_store(Op op) {
  return op == Op::kSet || op == Op::kAdd || op == Op::kReplace || is_extension(op);
}
constexpr bool is_read(Op op) { return brings_value(op) || op == Op::kTouch; }

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Number>
bool read_number(std::string_view text, Number* number, int base = 10) {
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, *number, base);
  return fault == std::errc() && stop == end;
}

// Takes the next word off the line; empty at its end.
std::string_view next_word(std::string_view* line) {
  const size_t begin = std::min(line->find_first_not_of(' '), line->size());
  const size_t end = std::min(line->find(' ', begin), line->size());
  const std::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return word;
}

std::optional<Code> code_of(std::string_view word) {
  if (word.size() != 2) return std::nullopt;
  switch (word[0] << 8 | word[1]) {
    case 'V' << 8 | 'A':
      return kValue;
    case 'H' << 8 | 'D':
      return kDone;
    case 'E' << 8 | 'N':
      return kMiss;
    case 'N' << 8 | 'F':
      return kNotFound;
    case 'N' << 8 | 'S':
      return kNotStored;
    case 'E' << 8 | 'X':
      return kExists;
    default:
      return std::nullopt;
  }
}

// Whether a line may go on like this, of which the end has not come.
bool may_begin(std::string_view bytes) {
  static constexpr std::array<std::string_view, 16> kBeginnings{
      "VA",       "HD",    "EN",           "NF",           "NS",    "EX",      "MN\r", "STORED\r",
      "VERSION ", "ERROR", "CLIENT_ERROR", "SERVER_ERROR", "STAT ", "RESET\r", "OK\r", "CONFIG "};
  return std::any_of(kBeginnings.begin(), kBeginnings.end(), [bytes](std::string_view beginning) {
    const size_t length = std::min(bytes.size(), beginning.size());
    return bytes.substr(0, length) == beginning.substr(0, length);
  });
}

// The line without its end: empty optional when it has none yet. `fault` says what that means.
std::optional<std::string_view> first_line(std::string_view bytes, Decoded* fault) {
  const size_t end = bytes.substr(0, kLongestLine).find('\n');
  if (end == std::string_view::npos) {
    *fault = bytes.size() >= kLongestLine ? Decoded::kDistorted : Decoded::kIncomplete;
    return std::nullopt;
  }
  if (end == 0 || bytes[end - 1] != '\r') {
    *fault = Decoded::kDistorted;
    return std::nullopt;
  }
  return bytes.substr(0, end - 1);
}

// Of what has expired since, the server tells the difference to now as an unsigned number.
bool read_ttl(std::string_view text, uint32_t* ttl) {
  *ttl = kNeverExpires;
  if (text == "-1") return true;
  if (!read_number(text, ttl)) return false;
  if (*ttl > INT32_MAX) *ttl = 0;
  return true;
}

Decoded read_returned(std::string_view line, Code code, Answer* answer) {
  bool has_cas = false;
  bool has_flags = false;
  if (code == kValue) {
    uint32_t length = 0;
    if (!read_number(next_word(&line), &length)) return Decoded::kDistorted;
    answer->value = length;
    answer->tail = kLineEnd.size();
  }
  for (std::string_view word = next_word(&line); !word.empty(); word = next_word(&line)) {
    const std::string_view rest = word.substr(1);
    bool is_good = true;
    switch (word[0]) {
      case 'O':
        is_good = !answer->has_opaque && read_number(rest, &answer->opaque, 16);
        answer->has_opaque = is_good;
        break;
      case 'c':
        is_good = !std::exchange(has_cas, true) && read_number(rest, &answer->cas);
        break;
      case 'f':
        is_good = !std::exchange(has_flags, true) && read_number(rest, &answer->flags);
        break;
      case 't':
        is_good = read_ttl(rest, &answer->ttl);
        break;
      case 'l':
        is_good = read_number(rest, &answer->idle);
        break;
      case 'h':
        if (rest == "1") answer->marks |= kWasRead;
        break;
      case 'W':
        answer->marks |= kClaimWon;
        break;
      case 'X':
        answer->marks |= kIsStale;
        break;
      case 'Z':
        answer->marks |= kClaimIsTaken;
        break;
      default:
        break;
    }
    if (!is_good) return Decoded::kDistorted;
  }
  return answer->has_opaque ? Decoded::kAnswer : Decoded::kDistorted;
}

bool begins_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

uint16_t status_of_client_error(std::string_view words) {
  if (begins_with(words, "cannot increment or decrement")) return status::kNotNumeric;
  if (begins_with(words, "unauthenticated") || begins_with(words, "authentication failure"))
    return status::kAuthentication;
  return status::kInvalidArguments;
}

uint16_t status_of_server_error(std::string_view words) {
  if (begins_with(words, "object too large")) return status::kTooLarge;
  if (begins_with(words, "out of memory") || begins_with(words, "Out of memory")) return status::kOutOfMemory;
  return status::kInternal;
}

// Of a line that is an error; its words are the answer's value.
Decoded read_error(std::string_view line, Answer* answer) {
  std::string_view words = line;
  const std::string_view kind = words.substr(0, words.find(' '));
  words.remove_prefix(kind.size());
  words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
  if (kind == "ERROR") {
    answer->code = kUnknown;
    answer->status = status::kUnknownCommand;
  } else if (kind == "CLIENT_ERROR") {
    answer->code = kBadRequest;
    answer->status = status_of_client_error(words);
  } else if (kind == "SERVER_ERROR") {
    answer->code = kFailed;
    answer->status = status_of_server_error(words);
  } else {
    return Decoded::kForeign;
  }
  answer->head = line.size() - words.size();
  answer->value = words.size();
  answer->tail = kLineEnd.size();
  return Decoded::kAnswer;
}

// A claim on a missing record is a record without bytes and flags: it is there for those who claim it too.
bool stands_for_nothing(const Answer& answer) {
  const bool is_claimed = (answer.marks & (kClaimWon | kClaimIsTaken)) != 0;
  return is_claimed && answer.value == 0 && answer.flags == 0;
}

// Of a line with the kind of an item, its name, flags and length.
bool read_item(std::string_view line, Answer* answer) {
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) word = next_word(&line);
  uint32_t length = 0;
  if ((words[0] != "CONFIG" && words[0] != "VALUE") || !next_word(&line).empty() ||
      !read_number(words[3], &length))
    return false;
  answer->code = kItem;
  answer->value = length;
  answer->tail = kItemEnd.size();
  return true;
}

// Of a line that answers a classic command and nothing else.
bool read_classic(std::string_view line, Answer* answer) {
  static constexpr std::string_view kStat = "STAT ";
  answer->head = line.size() + kLineEnd.size();
  if (line == "END" || line == "RESET") {
    answer->code = kEnd;
  } else if (line == "OK") {
    answer->code = kOk;
  } else if (begins_with(line, kStat)) {
    answer->code = kStatistic;
    answer->head = kStat.size();
    answer->value = line.size() - kStat.size();
    answer->tail = kLineEnd.size();
    answer->name = std::min(line.find(' ', kStat.size()), line.size()) - kStat.size();
  } else {
    return read_item(line, answer);
  }
  return true;
}

bool read_as_classic(Op op, Answer* answer) {
  switch (answer->code) {
    case kUnknown:
    case kBadRequest:
    case kFailed:
      return true;
    case kStatistic:
      answer->is_item = true;
      break;
    default:
      break;
  }
  answer->is_success = true;
  switch (op) {
    case Op::kStat:
      return answer->code == kStatistic || answer->code == kEnd;
    case Op::kClusterConfig:
      if (answer->code == kItem) return true;
      answer->is_success = false;
      answer->status = status::kKeyNotFound;
      return answer->code == kEnd;
    case Op::kFlush:
      return answer->code == kOk;
    default:
      return answer->code == kAnswerVersion;
  }
}

// 1.6.18 is the first with the opaque of a miss. What has no such number is judged by what it does.
bool is_new_enough(std::string_view version) {
  std::array<uint32_t, 3> parts{};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return true;
    const auto [stop, fault] = std::from_chars(at, end, parts[i]);
    if (fault != std::errc()) return true;
    at = stop;
  }
  return parts >= std::array<uint32_t, 3>{1, 6, 18};
}

// Of a line that only a handshake asks for, or of an error.
Decoded read_other(std::string_view line, Answer* answer) {
  static constexpr std::string_view kVersion = "VERSION ";
  if (line == "MN" || line == "STORED") {
    answer->code = line == "MN" ? kAnswerNoOp : kAnswerStored;
    answer->is_success = true;
    answer->head = line.size() + kLineEnd.size();
    return Decoded::kAnswer;
  }
  if (!begins_with(line, kVersion)) return read_error(line, answer);
  const std::string_view version = line.substr(kVersion.size());
  answer->code = kAnswerVersion;
  answer->is_success = is_new_enough(version);
  answer->head = kVersion.size();
  answer->value = version.size();
  answer->tail = kLineEnd.size();
  return Decoded::kAnswer;
}

}  // namespace

Decoded MetaDecoder::decode(std::span<const std::byte> given, Answer* answer) const {
  const std::string_view bytes = as_text(given);
  Decoded fault{};
  const std::optional<std::string_view> line = first_line(bytes, &fault);
  if (!line.has_value()) return may_begin(bytes) ? fault : Decoded::kForeign;
  const size_t head = line->size() + kLineEnd.size();
  std::string_view rest = *line;
  const std::string_view word = next_word(&rest);
  const std::optional<Code> code = code_of(word);
  if (!code.has_value()) return read_classic(*line, answer) ? Decoded::kAnswer : read_other(*line, answer);
  if (line->front() == ' ') return Decoded::kForeign;
  answer->code = *code;
  answer->head = head;
  return read_returned(rest, *code, answer);
}

bool MetaDecoder::read_as(Op op, bool discards_value, Answer* answer) const {
  if (is_of_server(op)) return read_as_classic(op, answer);
  const bool wants_value = is_counter(op) || (brings_value(op) && !discards_value);
  switch (answer->code) {
    case kValue:
      if (!wants_value) return false;
      if (brings_value(op) && op != Op::kGetOrClaim && stands_for_nothing(*answer)) {
        answer->status = status::kKeyNotFound;
        return true;
      }
      if (is_counter(op)) {
        if (answer->value == 0 || answer->value > kLongestCounter) return false;
        answer->flags = kDecimalCounter;
      }
      answer->is_success = true;
      return true;
    case kDone:
      answer->is_success = true;
      return !wants_value;
    case kMiss:
      answer->status = status::kKeyNotFound;
      return is_read(op);
    case kNotFound:
      answer->status = is_extension(op) ? status::kNotStored : status::kKeyNotFound;
      return !is_read(op);
    case kNotStored:
      answer->status = status::kNotStored;
      if (op == Op::kAdd) answer->status = status::kKeyExists;
      if (op == Op::kReplace) answer->status = status::kKeyNotFound;
      return is_store(op);
    case kExists:
      answer->status = status::kKeyExists;
      return !is_read(op);
    case kUnknown:
    case kBadRequest:
      // A line that was not understood may have had no length: what the value would be taken for is the
      // server's secret.
      answer->is_last = is_store(op);
      return true;
    case kFailed:
      return true;
    default:
      return false;
  }
}

bool MetaDecoder::is_tail(std::span<const std::byte> tail) const {
  return as_text(tail) == (tail.size() == kItemEnd.size() ? kItemEnd : kLineEnd);
}

}  // namespace evenkeel::wire::memcache_meta
