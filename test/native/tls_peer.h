// The server's side of TLS connections, played by the test. Its records pass through the test's hands, which
// can hold them back, split them, cut them off and falsify them.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "certificates.h"
#include "peer.h"

namespace evenkeel::test {

using ServerContext = std::shared_ptr<SSL_CTX>;

inline ServerContext make_server_context(const Identity& identity, int version = TLS1_3_VERSION) {
  ServerContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate(context.get(), identity.certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  return context;
}

class TlsPeer {
 public:
  TlsPeer(const ServerContext& context, std::unique_ptr<Peer> wire)
      : wire_(std::move(wire)), session_(SSL_new(context.get()), SSL_free) {
    SSL_set_bio(session_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(session_.get());
  }

  // Of what it sends, no more than so many bytes at each turn; after `cut_after` bytes the connection ends.
  size_t step = SIZE_MAX;
  size_t cut_after = SIZE_MAX;

  SSL* session() const { return session_.get(); }
  Peer& wire() { return *wire_; }
  bool is_established() const { return SSL_is_init_finished(session_.get()) == 1; }
  size_t total_sent() const { return sent_; }
  // What is wrong with what the client sent.
  const std::string& error() const { return error_; }
  std::string received;

  // Does what there is to do.
  void turn() {
    ERR_clear_error();
    const std::string bytes = wire_->take();
    if (!bytes.empty()) BIO_write(SSL_get_rbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
    std::string block(65536, ' ');
    for (int length = 1; length > 0;) {
      length = SSL_read(session_.get(), block.data(), static_cast<int>(block.size()));
      if (length > 0) received.append(block, 0, static_cast<size_t>(length));
      if (length <= 0 && SSL_get_error(session_.get(), length) == SSL_ERROR_SSL && error_.empty())
        error_ = ERR_reason_error_string(ERR_peek_error());
    }
    deliver();
  }

  void send(std::string_view bytes) {
    ERR_clear_error();
    ASSERT_EQ(SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  // What would be sent as it is, TLS or not.
  void send_raw(std::string_view bytes) { unsent_ += bytes; }
  // Takes what would be sent away.
  std::string intercept() {
    collect();
    return std::exchange(unsent_, {});
  }
  void say_goodbye() { SSL_shutdown(session_.get()); }
  bool has_sent_everything() {
    deliver();
    return unsent_.empty() && wire_->has_sent_everything();
  }

 private:
  void collect() {
    std::string block(65536, ' ');
    for (int length;
         (length = BIO_read(SSL_get_wbio(session_.get()), block.data(), static_cast<int>(block.size()))) > 0;)
      unsent_.append(block, 0, static_cast<size_t>(length));
  }
  void deliver() {
    collect();
    const size_t length = std::min({step, unsent_.size(), cut_after - sent_});
    wire_->send(std::string_view(unsent_).substr(0, length));
    unsent_.erase(0, length);
    sent_ += length;
    if (sent_ == cut_after) wire_->close();
  }

  std::unique_ptr<Peer> wire_;
  std::shared_ptr<SSL> session_;
  std::string unsent_;
  std::string error_;
  size_t sent_ = 0;
};

}  // namespace evenkeel::test
