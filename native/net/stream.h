// Stream: a non-blocking stream socket on an event base, and the plain Channel. It moves bytes without
// interpreting them.
#pragma once

#include "base/counters.h"
#include "base/event_base.h"
#include "net/channel.h"

namespace evenkeel::net {

class Stream final : public Channel, private base::DescriptorHandler {
 public:
  Stream(base::EventBase& base, ChannelHandler& handler) : base_(base), handler_(handler) {}
  ~Stream() override { Stream::close(); }

  bool is_open() const override { return fd_ >= 0; }
  Status connect(const Address& address) override;
  Transfer finish_connect() override;
  Transfer receive(std::span<const iovec> into) override;
  Transfer send(std::span<const iovec> from) override;
  base::Millis alive_for(base::Millis limit) const override;
  void want_writable(bool wanted) override;
  void close() override;

 private:
  void on_ready(bool readable, bool writable) override { handler_.on_channel_ready(readable, writable); }

  base::EventBase& base_;
  ChannelHandler& handler_;
  int fd_ = -1;
  bool wants_writable_ = false;
};

}  // namespace evenkeel::net
