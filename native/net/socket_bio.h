// SocketBio: the socket as OpenSSL sees it, buffered in both directions. OpenSSL reads records from memory
// and writes them there; this class moves them. Thus many small reads and writes of OpenSSL become few system
// calls, and the event base keeps the socket.
//
// Memory: kInputBytes while it is attached; for output as much as there is to send.
//
// Threads: the base's only.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/byte_buffer.h"
#include "net/openssl.h"
#include "net/stream.h"

namespace evenkeel::net {

class SocketBio {
 public:
  SocketBio(const OpenSsl& ssl, Stream& stream) : ssl_(ssl), stream_(stream) {}
  SocketBio(const SocketBio&) = delete;
  SocketBio& operator=(const SocketBio&) = delete;

  // Becomes both directions of a session, for a new connection. The session must end before reset(). False:
  // there is no memory.
  bool attach(ssl_st* session);
  void reset();

  // Call before OpenSSL reads. Once the socket has no more input, or has provided kMostPerTurn, it is not
  // read again until the next call.
  void begin_turn();
  bool is_drained() const { return is_drained_; }
  bool has_input() const { return begin_ < end_; }
  // How the input ended, once it has.
  const Channel::Transfer& end() const { return over_; }
  bool is_over() const { return over_.end_of_stream || !over_.status.is_ok(); }
  // The beginning of the server's first bytes if they cannot be TLS; printable.
  const std::string& foreign_words() const { return foreign_words_; }

  // Reserves room for this many bytes that OpenSSL will write.
  void expect_output(size_t bytes) { output_.reserve(bytes); }
  // Sends what OpenSSL has written, as far as the socket accepts it.
  void flush();
  bool has_output() const { return sent_ < output_.size(); }
  // Not ok: the unsent bytes will never be sent.
  Status write_status() const { return write_status_; }
  uint64_t total_sent() const { return total_sent_; }

 private:
  static constexpr size_t kInputBytes = size_t{16} << 10;
  static constexpr size_t kMostPerTurn = size_t{1} << 20;
  static constexpr size_t kOutputKept = size_t{16} << 10;
  // No honest server makes OpenSSL answer this much by itself.
  static constexpr size_t kMostOutput = size_t{1} << 20;

  static bio_method_st* method(const OpenSsl& ssl);
  static int on_read(bio_st* bio, char* into, size_t length, size_t* taken);
  static int on_write(bio_st* bio, const char* from, size_t length, size_t* added);
  size_t take(std::span<std::byte> into);
  size_t refill(std::span<std::byte> into);
  void listen(std::span<const std::byte> first);

  const OpenSsl& ssl_;
  Stream& stream_;
  std::unique_ptr<std::byte[]> input_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t received_ = 0;  // in this turn
  bool is_drained_ = false;
  bool has_heard_ = false;
  Channel::Transfer over_;
  std::string foreign_words_;
  base::ByteBuffer output_;
  size_t sent_ = 0;  // of output_
  uint64_t total_sent_ = 0;
  Status write_status_;
};

}  // namespace evenkeel::net
