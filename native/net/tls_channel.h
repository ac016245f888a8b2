// TlsChannel: TLS over a Stream. It is connected when the handshake is complete and the server's identity is
// verified.
//
//   kClosed -> kConnecting -> kHandshake -> kOpen
//      ^            \______________\__________/  a fault, or the end
//      |                           v
//      +---- close() ----------- kEnded
//
// send() turns what it takes into records. The kernel has most of them; at most kMostUnsent bytes wait for
// room in the socket, and meanwhile no more is taken.
//
// No record contains the end of one request and the start of another: memcached before 1.6.39 may take the
// rest of a value out of a record, and leave what follows it there until something else arrives.
//
// Threads: the base's only.
#pragma once

#include <memory>
#include <string>

#include "base/event_base.h"
#include "net/socket_bio.h"
#include "net/stream.h"
#include "net/tls_context.h"

namespace evenkeel::net {

class Segments;

class TlsChannel final : public Channel, private ChannelHandler, private base::Timer {
 public:
  // `host` is the name or numeric address that the server's certificate must match; a name is also sent to
  // the server. Empty: any certificate of the authorities is accepted.
  TlsChannel(base::EventBase& base, ChannelHandler& handler, std::shared_ptr<const TlsContext> context,
             std::string host);
  ~TlsChannel() override { TlsChannel::close(); }

  bool is_open() const override { return stream_.is_open(); }
  Status connect(const Address& address) override;
  Transfer finish_connect() override;
  Transfer receive(std::span<const iovec> into) override;
  Transfer send(std::span<const iovec> from) override;
  size_t most_together() const override { return kRecord; }
  base::Millis alive_for(base::Millis limit) const override { return stream_.alive_for(limit); }
  void want_writable(bool wanted) override;
  void close() override;
  std::string_view fault() const override { return fault_; }

 private:
  enum class State : uint8_t { kClosed, kConnecting, kHandshake, kOpen, kEnded };

  static constexpr size_t kRecord = size_t{16} << 10;  // the largest content of a record
  static constexpr size_t kMostUnsent = 3 * kRecord;

  struct Free {
    const OpenSsl* ssl;
    void operator()(ssl_st* session) const { ssl->SSL_free(session); }
  };

  void on_channel_ready(bool readable, bool writable) override;
  void on_timer() override { on_channel_ready(true, false); }

  bool start();
  bool identify_server();
  Transfer shake_hands();
  size_t decrypt(std::span<std::byte> into);
  size_t encrypt(Segments& from);
  // OpenSSL needs to read first, and the socket may still provide something.
  bool is_waiting(int result) const;
  // Buffered bytes, of which the poller does not know.
  bool holds_input() const { return bio_.has_input() || ssl_.SSL_pending(session_.get()) > 0; }
  void call_back() { base_.schedule(this, base_.time()); }
  void update_interest();
  void end(int result);
  std::string explain(bool was_closed);

  base::EventBase& base_;
  ChannelHandler& handler_;
  const std::shared_ptr<const TlsContext> context_;
  const OpenSsl& ssl_;
  const std::string host_;
  Stream stream_;
  SocketBio bio_;
  std::string names_;  // in the refused certificate; must outlive the session
  std::unique_ptr<ssl_st, Free> session_;
  State state_ = State::kClosed;
  bool wants_writable_ = false;
  bool is_stalled_ = false;  // OpenSSL must read before it can write
  Transfer ended_;           // what to report when it is not open
  std::string fault_;
};

}  // namespace evenkeel::net
