// A TlsChannel and the server at its other end, for tests of the channel.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "net/tls_channel.h"
#include "tls_peer.h"

namespace evenkeel::test {

// Drives a channel as a connection of the pipeline does: one receive() a turn, writes until it would block.
class TlsClient final : public net::ChannelHandler {
 public:
  TlsClient(base::EventBase& base, std::shared_ptr<const net::TlsContext> context, const std::string& host)
      : channel(base, *this, std::move(context), host) {}

  enum class State { kConnecting, kConnected, kOver };

  net::TlsChannel channel;
  State state = State::kConnecting;
  net::Channel::Transfer end;  // how it ended
  std::string fault;           // the same in words
  std::string received;
  size_t chunk = 4096;  // of one receive()
  size_t told_writable = 0;

  void send(std::string_view bytes) {
    unsent_ += bytes;
    if (state == State::kConnected) write();
  }
  size_t unsent() const { return unsent_.size(); }

  void on_channel_ready(bool readable, bool writable) override {
    if (state == State::kConnecting) return finish_connecting();
    if (readable) read();
    told_writable += writable ? 1 : 0;
    if (writable && state == State::kConnected) write();
  }
  void read() {
    std::string block(chunk, ' ');
    const iovec space{block.data(), block.size()};
    const net::Channel::Transfer transfer = channel.receive({&space, 1});
    received.append(block, 0, transfer.bytes);
    if (transfer.end_of_stream || !transfer.status.is_ok()) finish(transfer);
  }

 private:
  void finish_connecting() {
    const net::Channel::Transfer transfer = channel.finish_connect();
    if (transfer.would_block) return;
    if (transfer.end_of_stream || !transfer.status.is_ok()) return finish(transfer);
    state = State::kConnected;
    write();
  }
  // In pieces of many sizes, so that records are made of several of them.
  void write() {
    while (!unsent_.empty()) {
      std::array<iovec, 8> segments;
      size_t offset = 0;
      size_t count = 0;
      for (const size_t size : {0, 1, 100, 40000, 7, 16384, 3, 100000}) {
        const size_t length = std::min<size_t>(size, unsent_.size() - offset);
        segments[count++] = {unsent_.data() + offset, length};
        offset += length;
      }
      const net::Channel::Transfer transfer = channel.send({segments.data(), count});
      if (!transfer.status.is_ok()) return finish(transfer);
      unsent_.erase(0, transfer.bytes);
      if (transfer.would_block) return channel.want_writable(true);
    }
    channel.want_writable(false);
  }
  void finish(const net::Channel::Transfer& transfer) {
    state = State::kOver;
    end = transfer;
    fault = channel.fault();
    channel.close();
  }

  std::string unsent_;
};

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    Status status;
    base_ = base::EventBase::create(&status);
    ASSERT_TRUE(status.is_ok());
    authority_ = make_identity({.name = "authority", .is_authority = true});
    options_.authorities = {authority_.certificate_pem()};
  }

  Identity issue(const std::string& alternatives, long valid_until = 3600) const {
    return make_identity({.name = "server", .alternatives = alternatives, .valid_until = valid_until},
                         &authority_);
  }
  // A client and a server in the middle of connecting; turn() does the rest.
  void begin(const ServerContext& server, const std::string& host = "localhost") {
    peer_.reset();
    net::TlsMistake mistake;
    const auto context = net::TlsContext::create(*net::OpenSsl::find(), options_, &mistake);
    ASSERT_NE(context, nullptr) << mistake.text;
    client_ = std::make_unique<TlsClient>(*base_, context, host);
    ASSERT_TRUE(client_->channel.connect(*net::Address::ip("127.0.0.1", listener_.port())).is_ok());
    std::unique_ptr<Peer> wire;
    while ((wire = listener_.accept()) == nullptr) base_->poll(1);
    peer_ = std::make_unique<TlsPeer>(server, std::move(wire));
  }
  void turn() {
    base_->poll(1);
    peer_->turn();
  }
  template <typename Condition>
  void turn_until(Condition condition) {
    while (!condition()) turn();
  }
  void settle() {
    turn_until([this] { return client_->state != TlsClient::State::kConnecting; });
  }
  void connect(const ServerContext& server, const std::string& host = "localhost") {
    begin(server, host);
    settle();
    ASSERT_EQ(client_->state, TlsClient::State::kConnected) << client_->fault << peer_->error();
    turn_until([this] { return peer_->is_established(); });
  }
  // Why there is no connection.
  std::string refusal(const ServerContext& server, const std::string& host = "localhost") {
    begin(server, host);
    settle();
    EXPECT_EQ(client_->state, TlsClient::State::kOver);
    return client_->fault;
  }

  std::unique_ptr<base::EventBase> base_;
  Listener listener_;
  Identity authority_;
  net::TlsOptions options_;
  std::unique_ptr<TlsPeer> peer_;
  std::unique_ptr<TlsClient> client_;
};

}  // namespace evenkeel::test
