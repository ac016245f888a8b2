// Channel: a connection that bytes go into and come out of, whatever lies between them and the socket. Stream
// is the plain one.
//
// Threads: the base's only. on_channel_ready() may close or connect the channel it is called for, but not
// destroy it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "net/address.h"

namespace evenkeel::net {

class ChannelHandler {
 public:
  // `readable` is told again, turn after turn, for as long as there is something to receive: also what the
  // channel holds itself, of which the poller knows nothing.
  virtual void on_channel_ready(bool readable, bool writable) = 0;

 protected:
  ~ChannelHandler() = default;
};

class Channel {
 public:
  struct Transfer {
    size_t bytes = 0;
    Status status{};  // not ok: the connection is of no more use
    bool would_block = false;
    bool end_of_stream = false;
  };

  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  virtual bool is_open() const = 0;

  // Starts connecting, after closing what was open. Until it is decided the handler is called with `writable`
  // whenever finish_connect() may know more; `would_block` there means: not yet. Nothing is received or sent
  // before.
  virtual Status connect(const Address& address) = 0;
  virtual Transfer finish_connect() = 0;

  virtual Transfer receive(std::span<const iovec> into) = 0;
  // What is taken counts as written: the peer may come to have it, whatever happens to the connection.
  virtual Transfer send(std::span<const iovec> from) = 0;

  // Of several requests, the most bytes to hand to one send(). A request of more goes alone, and so does what
  // is left of one of which a part has been taken.
  virtual size_t most_together() const { return SIZE_MAX; }

  // Something was sent, and the peer's system has not acknowledged it nor anything else for `limit`: the way
  // there, or the machine, is dead. A peer that merely does not answer is not. False where the system does
  // not say.
  virtual bool is_dead(base::Millis limit) const = 0;

  // Readable is always of interest; writable while asked for.
  virtual void want_writable(bool wanted) = 0;
  virtual void close() = 0;

  // What is wrong with the connection, for people, where a Status does not say it; empty otherwise. Good
  // until the next connect().
  virtual std::string_view fault() const { return {}; }

 protected:
  Channel() = default;
};

}  // namespace evenkeel::net
