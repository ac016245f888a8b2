// ResponseReader: the bytes of one connection, cut into answers and matched with the operations in flight.
// Safe on any bytes: whatever a server sends either settles an operation or yields the cause for which the
// connection must end.
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

  // Where the next bytes go: what is missing of a large value first, then room for about half of the
  // `unanswered` operations' answers. With all of them the server would be idle until the last one is dealt
  // with, and has taken the cache from the first.
  std::span<const iovec> space(size_t unanswered);
  size_t space_size() const { return space_size_; }

  struct Progress {
    size_t answered = 0;          // operations answered, the abandoned ones among them
    uint32_t cause = 0;           // not 0: the connection must end
    bool handshake_done = false;  // version() has the server's
  };
  // `length` bytes were received into space().
  Progress received(size_t length);

  std::span<const std::byte> version() const { return std::as_bytes(std::span(version_)); }

  // Forgets everything of the connection that ended.
  void reset();

 private:
  // Holds every answer that is not a large value: head, extras, key and kLargeValue bytes; and many of them
  // at once.
  static constexpr size_t kInputBytes = size_t{128} << 10;
  static constexpr size_t kSmallestWindow = size_t{4} << 10;
  static constexpr size_t kFewAnswers = 64;  // not worth splitting

  bool read_answer(Progress* progress);
  bool begin_large(const wire::memcache::ResponseHeader& header, Flight& flight, Progress* progress);
  void finish_large();
  void answer(Flight& flight, const wire::memcache::ResponseHeader& header, std::span<const std::byte> body);

  std::span<const std::byte> available() const { return {input_.get() + begin_, end_ - begin_}; }

  const uint16_t node_;
  const uint32_t max_value_;
  Flights& flights_;
  Allocator& allocator_;
  std::unique_ptr<std::byte[]> input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t answer_size_ = wire::memcache::kHeaderSize;  // the average of the last read
  size_t discard_ = 0;                                // bytes of an unwanted value still to come
  std::unique_ptr<LargeValue> large_;
  size_t large_filled_ = 0;
  wire::memcache::ResponseHeader large_header_;
  uint32_t large_flags_ = 0;
  std::string version_;
  std::array<iovec, 2> space_{};
  size_t space_size_ = 0;
};

}  // namespace evenkeel::pipeline
