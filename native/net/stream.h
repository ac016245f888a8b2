// Stream: one non-blocking stream socket on an event base. It moves bytes and knows nothing of what they
// mean.
//
// Threads: the base's only. on_stream_ready() may close or connect the stream it is called for.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "base/counters.h"
#include "base/event_base.h"
#include "base/status.h"
#include "net/address.h"

namespace evenkeel::net {

class StreamHandler {
 public:
  virtual void on_stream_ready(bool readable, bool writable) = 0;

 protected:
  ~StreamHandler() = default;
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
class Stream final : private base::DescriptorHandler {
 public:
  Stream(base::EventBase& base, StreamHandler& handler) : base_(base), handler_(handler) {}
  ~Stream() { close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool is_open() const { return fd_ >= 0; }

  // Starts connecting; the handler is called with `writable` when it is decided, and finish_connect() tells
  // how.
  Status connect(const Address& address);
  Status finish_connect();

  struct Transfer {
    size_t bytes = 0;
    Status status;  // not ok: the connection is of no more use
    bool would_block = false;
    bool end_of_stream = false;
  };
  Transfer receive(std::span<const iovec> into);
  Transfer send(std::span<const iovec> from);

  // Something was sent, and the peer's system has not acknowledged it nor anything else for `limit`: the way
  // there, or the machine, is dead. A peer that merely does not answer is not. False where the system does
  // not say.
  bool is_dead(base::Millis limit) const;

  // Readable is always of interest; writable while asked for.
  void want_writable(bool wanted);
  void close();

 private:
  void on_ready(bool readable, bool writable) override { handler_.on_stream_ready(readable, writable); }

  base::EventBase& base_;
  StreamHandler& handler_;
  int fd_ = -1;
  bool wants_writable_ = false;
};

}  // namespace evenkeel::net
