// A hostile server. The input starts some operations and then tells, step by step, what arrives and what
// happens on this side meanwhile. Each operation must settle at most once and be released exactly once, and
// the bytes of the values must add up.
//
// The first byte says how many operations there are, with 0x20 that they are Couchbase's, which keeps their
// requests, with 0x40 that they are the meta protocol's, and with 0x80 that the limit of values is a small
// one; one byte each says in which state. Of those that have not left, the first is half written. Then come
// steps:
//   0xxxxxxx           that many bytes of the input, as they are
//   10nnnnnn + 5 bytes an answer with a head that is right but for what the bytes change: status, opcode, key
//                      length and value length of one to operation n; in the meta protocol the first word,
//                      what is returned, the opaque, the end and the length of one to the operation that is
//                      due; in Couchbase's the second one also says the magic and the datatype
//   110nnnnn           operation n times out or is cancelled; 31: what is half written is written whole
//   111nnnnn           the next bytes arrive in pieces of 2^(n % 17) bytes
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../steps.h"
#include "pipeline/inbox.h"
#include "wire/couchbase/couchbase.h"
#include "wire/memcache/binary.h"
#include "wire/memcache_meta/meta.h"

namespace {

using evenkeel::net::Packet;
using evenkeel::pipeline::Allocator;
using evenkeel::pipeline::Completion;
using evenkeel::pipeline::CompletionBatch;
using evenkeel::pipeline::Due;
using evenkeel::pipeline::Flight;
using evenkeel::pipeline::Flights;
using evenkeel::pipeline::FlightState;
using evenkeel::pipeline::Inbox;
using evenkeel::pipeline::LargeValue;
using evenkeel::wire::Op;
namespace layout = evenkeel::layout;

constexpr uint32_t kMaxValue = 100'000;
constexpr uint32_t kSmallMaxValue = 50;
constexpr size_t kTextKept = 256;
constexpr std::array<uint8_t, 4> kOpcodes{0x00, 0x01, 0x05, 0x1d};
constexpr std::array<uint8_t, 4> kMetaOps{0x00, 0x01, 0x05, 0xe0};
constexpr std::array<uint8_t, 4> kCouchbaseOps{0x00, 0x01, 0xd0, 0xdb};
constexpr uint8_t kStat = 0x10;
constexpr uint8_t kScan = 0xdb;

enum class Wire : uint8_t { kBinary, kMeta, kCouchbase };

const evenkeel::wire::Protocol& protocol_of(Wire wire) {
  if (wire == Wire::kMeta) return evenkeel::wire::memcache_meta::kMeta;
  return wire == Wire::kCouchbase ? evenkeel::wire::couchbase::kCouchbase : evenkeel::wire::memcache::kBinary;
}

const std::array<uint8_t, 4>& ops_of(Wire wire) {
  if (wire == Wire::kMeta) return kMetaOps;
  return wire == Wire::kCouchbase ? kCouchbaseOps : kOpcodes;
}

void require(bool condition) {
  if (!condition) std::abort();
}

class HeapValue final : public LargeValue {
 public:
  explicit HeapValue(size_t length) : bytes_(new std::byte[length]), length_(length) {}
  std::span<std::byte> bytes() override { return {bytes_.get(), length_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t length_;
};

class HeapAllocator final : public Allocator {
 public:
  std::unique_ptr<LargeValue> allocate(size_t length) override {
    require(length <= kMaxValue);
    // Now and then there is no memory.
    return ++calls_ % 13 == 0 ? nullptr : std::make_unique<HeapValue>(length);
  }

 private:
  int calls_ = 0;
};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t byte() {
    if (empty()) return 0;
    --size_;
    return *data_++;
  }
  std::string bytes(size_t length) {
    length = std::min(length, size_);
    std::string bytes(reinterpret_cast<const char*>(data_), length);
    data_ += length;
    size_ -= length;
    return bytes;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

struct Expected {
  uint32_t opaque;
  uint8_t opcode;
  int settled = 0;
  int released = 0;
};

class Connection {
 public:
  Connection(Wire wire, uint32_t max_value)
      : wire_(wire),
        max_value_(max_value),
        inbox_(0, protocol_of(wire),
               wire == Wire::kMeta ? evenkeel::test::meta_steps() : evenkeel::test::binary_steps(), max_value,
               flights_, due_, allocator_, meter_) {
    inbox_.handshake().next();
    if (wire == Wire::kMeta) {
      require(receive("MN\r\nVERSION 1.6.18\r\n") && inbox_.handshake().is_over());
      return;
    }
    std::string greeted(24, '\0');
    greeted[0] = static_cast<char>(0x81);
    greeted[1] = 0x0b;
    greeted.replace(12, 4, 4, static_cast<char>(0xff));
    require(receive(greeted) && inbox_.handshake().is_over());
  }

  void start(uint8_t how) {
    const uint32_t slot = static_cast<uint32_t>(operations_.size()) * 97;  // of several blocks
    const uint32_t opaque = uint32_t{how} << layout::kSlotBits | slot;
    const uint8_t opcode = how / 8 % 8 == 6 ? kStat : ops_of(wire_)[how % kOpcodes.size()];
    flights_.start({.deadline = 1000,
                    .opaque = opaque,
                    .inline_length = 0,
                    .op = opcode,
                    .discards_value = how / 4 % 2 == 1},
                   how / 8 % 8 == 7 ? 1 : 0);
    Flight& flight = *flights_.find(opaque);
    const uint8_t state = how / 64;
    operations_.push_back({opaque, opcode});
    const bool has_not_left = (state == 0 || state == 2) && how % 3 == 0;
    if (has_not_left && leaving_ == Inbox::kNobody) leaving_ = opaque;
    if (state == 0 && has_not_left) return;
    flight.state = FlightState::kWritten;
    if (has_not_left) flight.state = FlightState::kLeaving;
    if (!has_not_left) write(flight);
    if (state == 3) give_up(flight, layout::kOutcomeReleased);
  }

  void give_up(size_t number) {
    if (operations_.empty()) return;
    const Expected& operation = operations_[number % operations_.size()];
    Flight* flight = flights_.find(operation.opaque);
    if (flight == nullptr) return;
    const bool is_leaving = flight->state == FlightState::kQueued && operation.opaque == leaving_;
    if (flight->state != FlightState::kWritten && !is_leaving) return;
    give_up(*flight, number % 2 == 0 ? layout::kOutcomeReleased : layout::kOutcomeTimedOut);
    if (is_leaving) flight->state = FlightState::kLeaving;
  }

  void give_up(Flight& flight, uint32_t outcome) {
    due_.forget(flight);
    flights_.abandon(flight, outcome);
  }

  // All of it has left.
  void write(Flight& flight) {
    if (flight.connection != 0) return;
    if (wire_ != Wire::kCouchbase || flight.state != FlightState::kWritten) return due_.append(flight);
    const Packet packet{.deadline = 1000,
                        .opaque = flight.opaque,
                        .inline_length = sizeof kRequest,
                        .op = static_cast<uint8_t>(flight.op),
                        .discards_value = flight.discards_value,
                        .numbering = 1};
    due_.append(flight, {packet, std::as_bytes(std::span(kRequest)), nullptr});
  }

  // What another server is to have: it has it, and never answers.
  size_t take_sent_back() {
    evenkeel::net::Batch batch = due_.collect();
    batch.for_each([this](const evenkeel::net::Batch::Item& request) {
      require(request.bytes.size() == sizeof kRequest);
      require(std::memcmp(request.bytes.data(), kRequest, sizeof kRequest) == 0);
      flights_.settle(*flights_.find(request.packet.opaque), layout::kOutcomeClosed);
    });
    return batch.packets.size();
  }

  void write_the_rest() {
    Flight* flight = flights_.find(leaving_);
    leaving_ = Inbox::kNobody;
    if (flight == nullptr) return;
    if (flight->state == FlightState::kAnswered) {
      flights_.release(*flight);
    } else {
      flight->state = flight->state == FlightState::kQueued ? FlightState::kWritten : FlightState::kAbandoned;
      write(*flight);
    }
  }

  std::string answer(size_t number, Input* input) {
    if (operations_.empty()) return "";
    if (wire_ == Wire::kMeta) return meta_answer(number, input);
    const Expected& operation = operations_[number % operations_.size()];
    const uint8_t status = input->byte();
    const uint8_t how = input->byte();
    const uint8_t opcode = operation.opcode ^ (how == 1 ? 1 : 0);
    const size_t extras = input->byte() % 6;
    const uint8_t key = input->byte();
    const size_t key_length = key < 250 ? key % 4 : size_t{key} * 257;
    const size_t value_length = size_t{input->byte()} << (number % 11);
    const size_t body = extras + key_length + value_length;
    std::string bytes(24 + body, 'v');
    std::fill_n(bytes.begin(), 24, '\0');
    bytes[0] = static_cast<char>(0x81);
    bytes[1] = static_cast<char>(opcode);
    bytes[2] = static_cast<char>(key_length >> 8);
    bytes[3] = static_cast<char>(key_length);
    bytes[4] = static_cast<char>(extras);
    if (wire_ == Wire::kCouchbase) {
      static constexpr std::array<uint8_t, 4> kMagics{0x81, 0x81, 0x18, 0x82};
      bytes[0] = static_cast<char>(kMagics[how / 4 % kMagics.size()]);
      bytes[5] = static_cast<char>(how / 16);
    }
    const bool is_sent_back = wire_ == Wire::kCouchbase && (status == 7 || status == 13);
    bytes[7] = static_cast<char>(status < 128 && !is_sent_back ? 0 : status);
    for (size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<char>(body >> (24 - 8 * i));
    std::memcpy(bytes.data() + 12, &operation.opaque, sizeof operation.opaque);
    return bytes;
  }

  std::string meta_answer(size_t number, Input* input) {
    static constexpr std::array<std::string_view, 9> kWords{
        "VA", "HD", "EN", "NF", "NS", "EX", "ERROR", "CLIENT_ERROR", "SERVER_ERROR"};
    static constexpr std::array<std::string_view, 8> kReturned{" c7", " f1", " t-1", " l4",
                                                               " h1", " W",  " X",   " Z"};
    const uint8_t word = input->byte();
    const uint8_t returned = input->byte();
    const uint8_t opaque = input->byte();
    const uint8_t end = input->byte();
    const size_t value_length = size_t{input->byte()} << (number % 11);
    std::string line(kWords[word % kWords.size()]);
    const bool has_value = line == "VA";
    if (has_value) line += ' ' + std::to_string(value_length);
    for (size_t i = 0; i < kReturned.size(); ++i)
      if ((returned >> i & 1) != 0) line += kReturned[i];
    const Flight* const due = due_.empty() ? flights_.find(leaving_) : due_.first();
    const uint32_t expected = due == nullptr ? 0 : due->opaque;
    std::array<char, 16> digits{};
    std::snprintf(digits.data(), digits.size(), " O%x", opaque == 1 ? expected + 1 : expected);
    if (opaque != 2 && line.find("ERROR") == std::string::npos) line += digits.data();
    line += end == 1 ? "\n" : "\r\n";
    if (has_value) line += std::string(value_length, 'v') + (end == 2 ? "vv" : "\r\n");
    return line;
  }

  void set_piece(size_t length) { piece_ = length; }

  // False when the connection must end.
  bool receive(std::string_view bytes) {
    while (!bytes.empty()) {
      std::string_view piece = bytes.substr(0, piece_);
      size_t received = 0;
      for (const iovec& segment : inbox_.space()) {
        const size_t length = std::min(segment.iov_len, piece.size());
        std::memcpy(segment.iov_base, piece.data(), length);
        piece.remove_prefix(length);
        received += length;
      }
      require(received > 0 && inbox_.space_size() >= received);
      bytes.remove_prefix(received);
      const size_t before = flights_.size();
      const size_t due = due_.size();
      const Inbox::Progress progress = inbox_.received(received, leaving_);
      const size_t sent_back = progress.sent_back ? take_sent_back() : 0;
      require(progress.sent_back == (sent_back > 0));
      due_.tidy(flights_);
      require(before - flights_.size() == due - due_.size());
      const size_t early = progress.answered - (due - due_.size());
      require(early <= (leaving_ == Inbox::kNobody ? 0 : 1));
      require(progress.skipped <= received + kReadAhead);
      if (progress.cause != 0) return false;
    }
    return true;
  }

  // As a connection does when it is gone.
  void end() {
    const uint32_t blamed = inbox_.blamed(ECONNRESET);
    require(inbox_.unread().size() <= kReadAhead);
    while (Flight* flight = due_.first()) {
      due_.remove(*flight);
      if (flight->state == FlightState::kWritten) {
        flights_.lose(*flight, ECONNRESET, 0, flight->opaque == blamed);
      } else {
        flights_.release(*flight);
      }
    }
    inbox_.reset();
    require(inbox_.blamed(ECONNRESET) == Inbox::kNobody && inbox_.unread().empty());
    for (const Expected& operation : operations_) {
      Flight* flight = flights_.find(operation.opaque);
      if (flight == nullptr) continue;
      const bool is_settled = evenkeel::pipeline::is_settled(flight->state);
      flights_.settle(*flight, is_settled ? layout::kOutcomeReleased : layout::kOutcomeClosed);
    }
    require(flights_.size() == 0 && flights_.deadlines().size() == 0);
  }

  void check() {
    CompletionBatch& batch = flights_.completions();
    size_t inline_bytes = 0;
    size_t larges = 0;
    for (const Completion& completion : batch.records) {
      if (completion.slot == layout::kControlSlot) {
        require(wire_ == Wire::kCouchbase && completion.value_length <= max_value_ + layout::kLargeValue);
        if ((completion.outcome & layout::kOutcomeLargeBit) != 0)
          require(batch.larges.at(larges++)->bytes().size() == completion.value_length);
        else
          inline_bytes += completion.value_length;
        continue;
      }
      Expected& operation = operations_.at(completion.slot / 97);
      require(completion.slot == (operation.opaque & ((1u << layout::kSlotBits) - 1)));
      const uint32_t outcome = completion.outcome & layout::kOutcomeMask;
      if (outcome == layout::kOutcomeItem) {
        require(operation.settled == 0 && operation.released == 0);
        require(operation.opcode == kStat || operation.opcode == kScan);
        require(completion.flags <= completion.value_length);
      } else if (outcome != layout::kOutcomeReleased) {
        ++operation.settled;
      }
      if ((completion.outcome & layout::kOutcomeReleaseBit) != 0) ++operation.released;
      if ((completion.outcome & layout::kOutcomeDescribedBit) != 0)
        require(describes(static_cast<Op>(operation.opcode)));
      if ((completion.outcome & layout::kOutcomeLargeBit) != 0) {
        require(batch.larges.at(larges++)->bytes().size() == completion.value_length);
        require(completion.value_length <= max_value_);
      } else {
        const bool is_error = completion.outcome >> layout::kOutcomeStatusShift != 0;
        const bool is_read = brings_value(static_cast<Op>(operation.opcode));
        // Couchbase's answers with some statuses are no errors, and are told whole.
        if (is_error && wire_ != Wire::kCouchbase) require(completion.value_length <= kTextKept);
        if (!is_error && is_read) require(completion.value_length <= max_value_);
        if (outcome == layout::kOutcomeRefused)
          require((is_read || brings_much(static_cast<Op>(operation.opcode))) &&
                  (completion.flags > max_value_ || completion.detail == ENOMEM));
        require(completion.value_length <= layout::kLargeValue);
        inline_bytes += completion.value_length;
      }
    }
    require(inline_bytes == batch.values.size() && larges == batch.larges.size());
    for (const Expected& operation : operations_) require(operation.released == 1 && operation.settled <= 1);
  }

 private:
  static constexpr size_t kReadAhead = size_t{128} << 10;

  static constexpr char kRequest[] = "a request that may be sent again";

  const Wire wire_;
  const uint32_t max_value_;
  Flights flights_{0};
  evenkeel::net::QueuedBytes queued_;
  Due due_{queued_};
  HeapAllocator allocator_;
  evenkeel::pipeline::Meter meter_;
  Inbox inbox_;
  uint32_t leaving_ = Inbox::kNobody;
  std::vector<Expected> operations_;
  size_t piece_ = SIZE_MAX;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  {
    Input input(data, size);
    const uint8_t first = input.byte();
    const Wire wire = (first & 0x40) != 0   ? Wire::kMeta
                      : (first & 0x20) != 0 ? Wire::kCouchbase
                                            : Wire::kBinary;
    Connection connection(wire, first < 128 ? kMaxValue : kSmallMaxValue);
    for (size_t count = (first & 0x1f) % 24; count-- > 0;) connection.start(input.byte());
    bool is_open = true;
    while (is_open && !input.empty()) {
      const uint8_t step = input.byte();
      if (step < 0x80) {
        is_open = connection.receive(input.bytes(size_t{step} + 1));
      } else if (step < 0xc0) {
        is_open = connection.receive(connection.answer(step & 0x3f, &input));
      } else if (step == 0xdf) {
        connection.write_the_rest();
      } else if (step < 0xe0) {
        connection.give_up(step & 0x1f);
      } else {
        connection.set_piece(size_t{1} << ((step & 0x1f) % 17));
      }
    }
    connection.end();
    connection.check();
  }
  require(evenkeel::base::counters.large_values.load() == 0);
  require(evenkeel::base::counters.unsettled.load() == 0);
  return 0;
}
