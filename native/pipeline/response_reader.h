// ResponseReader: the bytes of one connection, cut into answers and matched with the operations in flight.
// Safe on any bytes: whatever a server sends either settles an operation or yields the cause for which the
// connection must end. A value that is not to be had (too large, no memory) settles its own operation and is
// skipped as it arrives.
//
// Threads: the loop's only.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "pipeline/flights.h"
#include "wire/memcache/response.h"

namespace evenkeel::pipeline {

class ResponseReader {
 public:
  ResponseReader(uint16_t node, uint32_t max_value, Flights& flights, Allocator& allocator)
      : node_(node), max_value_(max_value), flights_(flights), allocator_(allocator) {}

  // The pipeline's own request, awaited in the handshake.
  static constexpr uint32_t kHandshakeOpaque = UINT32_MAX;
  static constexpr uint32_t kNobody = UINT32_MAX;  // of no operation

  // Where the next bytes go: what is missing of a large value first, then room for about half of the
  // `unanswered` operations' answers. With all of them the server would be idle until the last one is dealt
  // with, and has taken the cache from the first.
  std::span<const iovec> space(size_t unanswered);
  size_t space_size() const { return space_size_; }

  struct Progress {
    size_t answered = 0;          // operations answered, the abandoned ones among them
    size_t early = 0;             // of these: before their requests were written whole
    size_t skipped = 0;           // bytes of answers that nobody takes
    uint32_t cause = 0;           // not 0: the connection must end
    bool handshake_done = false;  // version() has the server's
  };
  // `length` bytes were received into space(). `leaving`: the request of which a part has been written, or
  // kNobody.
  Progress received(size_t length, uint32_t leaving);

  std::span<const std::byte> version() const { return std::as_bytes(std::span(version_)); }

  // For when the connection ends: whose answer is being received or could not be understood, or kNobody; and
  // what has been received and not been understood.
  uint32_t head_opaque() const;
  std::span<const std::byte> unread() const { return available(); }

  // Forgets everything of the connection that ended.
  void reset();

 private:
  // Holds every answer that is not a large value: head, extras, key and kLargeValue bytes; and many of them
  // at once.
  static constexpr size_t kInputBytes = size_t{128} << 10;
  static constexpr size_t kSmallestWindow = size_t{4} << 10;
  static constexpr size_t kFewAnswers = 64;  // not worth splitting
  static constexpr size_t kTextKept = 256;   // of a server's words for an error
  // No memcached keeps more in an item, whatever its options.
  static constexpr size_t kLargestItem = size_t{1} << 30;

  bool read_answer(uint32_t leaving, Progress* progress);
  bool read_large(const wire::memcache::ResponseHeader& header, Flight& flight, Progress* progress);
  bool refuse(const wire::memcache::ResponseHeader& header, Flight& flight, uint32_t cause,
              Progress* progress);
  bool skip(size_t length, Progress* progress);
  void finish_large(Progress* progress);
  void answer(Flight& flight, const wire::memcache::ResponseHeader& header, std::span<const std::byte> body,
              Progress* progress);
  Completion* conclude(Flight& flight, uint32_t outcome, Progress* progress);

  std::span<const std::byte> available() const { return {input_.get() + begin_, end_ - begin_}; }

  const uint16_t node_;
  const uint32_t max_value_;
  Flights& flights_;
  Allocator& allocator_;
  std::unique_ptr<std::byte[]> input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t answer_size_ = wire::memcache::kHeaderSize;  // the average of the last read
  size_t discard_ = 0;                                // bytes of an unwanted body still to come
  std::unique_ptr<LargeValue> large_;
  size_t large_filled_ = 0;
  wire::memcache::ResponseHeader large_header_;
  uint32_t large_flags_ = 0;
  std::string version_;
  std::array<iovec, 2> space_{};
  size_t space_size_ = 0;
};

}  // namespace evenkeel::pipeline
