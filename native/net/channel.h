// Channel: a bidirectional connection for bytes, independent of what is between it and the socket. Stream is
// the plain one.
//
// Threads: the base's only. on_channel_ready() may close or connect the channel that it is called for, but
// must not destroy it.
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
  // `readable` is reported turn after turn while there is something to receive, including bytes buffered in
  // the channel, of which the poller does not know.
  virtual void on_channel_ready(bool readable, bool writable) = 0;

 protected:
  ~ChannelHandler() = default;
};

class Channel {
 public:
  struct Transfer {
    size_t bytes = 0;
    Status status{};  // not ok: the connection is unusable
    bool would_block = false;
    bool end_of_stream = false;
  };

  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  virtual bool is_open() const = 0;

  // Starts connecting, after closing what was open. Until the outcome is known, the handler is called with
  // `writable` whenever finish_connect() may know more; `would_block` in its result means: not yet. Nothing
  // is received or sent before.
  virtual Status connect(const Address& address) = 0;
  virtual Transfer finish_connect() = 0;

  virtual Transfer receive(std::span<const iovec> into) = 0;
  // Bytes taken count as written: the peer may receive them, whatever happens to the connection.
  virtual Transfer send(std::span<const iovec> from) = 0;

  // The limit for one send() of several requests, in bytes. A larger request is sent alone, and so is the
  // rest of a partly taken one.
  virtual size_t most_together() const { return SIZE_MAX; }

  // The path or the peer's machine is dead when its system has not acknowledged anything of what was sent for
  // `limit`, although some of it was sent again; a peer that merely does not answer is not dead. 0: it is.
  // Otherwise the time in which it cannot become dead; `limit` when the system does not know.
  virtual base::Millis alive_for(base::Millis limit) const = 0;

  // Readability is always watched; writability on request.
  virtual void want_writable(bool wanted) = 0;
  virtual void close() = 0;

  // A description of the fault for messages, if a Status does not describe it; otherwise empty. Valid until
  // the next connect().
  virtual std::string_view fault() const { return {}; }

 protected:
  Channel() = default;
};

}  // namespace evenkeel::net
