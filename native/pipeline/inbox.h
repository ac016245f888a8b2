// Inbox: the bytes of one connection, split into answers and matched with the operations that wait for them.
// Safe on any bytes: whatever a server sends either settles an operation or results in a cause for ending the
// connection. A value that cannot be received (too large, no memory) settles its own operation and is skipped
// as it arrives.
//
// Threads: the loop's only.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/due.h"
#include "pipeline/flights.h"
#include "pipeline/handshake.h"
#include "pipeline/meter.h"
#include "wire/protocol.h"

namespace evenkeel::pipeline {

class Inbox {
 public:
  // `due` holds the requests of this connection that are completely written but not answered.
  Inbox(uint16_t connection, const wire::Protocol& protocol, Steps steps, uint32_t max_value,
        Flights& flights, Due& due, Allocator& allocator, Meter& meter)
      : connection_(connection),
        protocol_(protocol),
        max_value_(max_value),
        flights_(flights),
        due_(due),
        allocator_(allocator),
        meter_(meter),
        handshake_(std::move(steps)) {}

  static constexpr uint32_t kNobody = UINT32_MAX;  // no operation

  // Where to receive the next bytes: the rest of a large value first, then room for about half of the answers
  // that are due. With room for all of them, the server would be idle until the last one is processed, and
  // the first ones would have left the cache.
  std::span<const iovec> space();
  size_t space_size() const { return space_size_; }

  struct Progress {
    size_t answered = 0;          // answered operations, including abandoned ones
    size_t skipped = 0;           // bytes of answers that nobody wants
    uint32_t cause = 0;           // not 0: the connection must end
    bool handshake_done = false;  // by this read
    bool sent_back = false;       // there is something for Due::collect()
    size_t reads = 0;             // answers to operations that read a value
    size_t hits = 0;              // with one

    void read(bool is_hit) {
      ++reads;
      hits += is_hit ? 1 : 0;
    }
  };
  // `length` bytes were received into space(). `leaving` is the partly written request, or kNobody.
  Progress received(size_t length, uint32_t leaving);

  Handshake& handshake() { return handshake_; }

  // For a connection that ends for `cause`: the operation whose answer is being received or could not be
  // understood, or kNobody; and the bytes that were received but not understood, or the message of a server
  // that refused the handshake.
  uint32_t blamed(uint32_t cause) const;
  std::span<const std::byte> unread() const { return available(); }

  // Resets the state for a new connection.
  void reset();

 private:
  // Room for any answer without a large value (its head and kLargeValue bytes), and for many of them at once.
  static constexpr size_t kInputBytes = size_t{128} << 10;
  static constexpr size_t kSmallestWindow = size_t{4} << 10;
  static constexpr size_t kFewAnswers = 64;  // not worth splitting
  static constexpr size_t kTextKept = 256;   // of a server's error text
  // No server stores larger items, whatever its options.
  static constexpr size_t kLargestItem = size_t{1} << 30;
  static constexpr size_t kUsualAnswer = 24;
  static constexpr size_t kMostKeptConfiguration = size_t{1} << 20;
  static constexpr uint32_t kTellingPause = 100'000;  // µs between two tellings of the same configuration
  static constexpr uint32_t kMostNotices = 64;        // in as long
  static constexpr size_t kMostInHandshake = size_t{96} << 10;

  bool read_answer(uint32_t leaving, Progress* progress);
  bool read_item(const wire::Answer& answer, Flight& flight, Progress* progress);
  void tell(uint32_t outcome, uint32_t detail, std::span<const std::byte> value, uint32_t flags);
  bool is_talkative();
  bool read_notice(const wire::Answer& answer, Progress* progress);
  size_t most_in_handshake() const;
  bool shake_hands(const wire::Answer& answer, Progress* progress);
  Flight* match(const wire::Answer& answer, uint32_t leaving) const;
  bool read_large(const wire::Answer& answer, Flight& flight, Progress* progress);
  bool start_large(const wire::Answer& answer, Flight& flight);
  bool read_sent_back(const wire::Answer& answer, Flight& flight, Progress* progress);
  void send_back(const wire::Answer& answer, Flight& flight, std::span<const std::byte> configuration,
                 Progress* progress);
  bool refuse(const wire::Answer& answer, Flight& flight, uint32_t cause, Progress* progress);
  bool skip(size_t length, size_t tail, Progress* progress);
  bool skip_rest(Progress* progress);
  bool finish_large(Progress* progress);
  void settle(Flight& flight, const wire::Answer& answer, std::span<const std::byte> value,
              Progress* progress);
  Completion* conclude(Flight& flight, uint32_t outcome, Progress* progress);
  bool has_tail(const wire::Answer& answer, std::span<const std::byte> bytes, Progress* progress) const;

  std::span<const std::byte> available() const { return {input_.get() + begin_, end_ - begin_}; }

  const uint16_t connection_;
  const wire::Protocol& protocol_;
  const uint32_t max_value_;
  Flights& flights_;
  Due& due_;
  Allocator& allocator_;
  Meter& meter_;
  Handshake handshake_;
  std::unique_ptr<std::byte[]> input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t answer_size_ = kUsualAnswer;  // the average of the last read
  size_t discard_ = 0;                 // bytes of an unwanted value still to come
  size_t tail_ = 0;                    // bytes after a large or unwanted value still to come
  std::unique_ptr<LargeValue> large_;
  size_t large_filled_ = 0;
  wire::Answer large_answer_;
  Flight* large_flight_ = nullptr;
  // Of the last operation that was sent back: the configuration, and when it was told.
  std::vector<std::byte> configuration_;
  uint32_t configuration_told_ = 0;
  uint32_t notices_since_ = 0;
  uint32_t notices_ = 0;  // in this time
  std::array<iovec, 2> space_{};
  size_t space_size_ = 0;
};

}  // namespace evenkeel::pipeline
