// Servers that speak no TLS, stop in the middle of it, or say what they should not: the connection ends, and
// what is told says why.
#include <random>
#include <string>

#include "seed.h"
#include "tls_harness.h"

namespace evenkeel::test {
namespace {

class TlsHostileTest : public TlsTest {
 protected:
  ServerContext server(int version = TLS1_3_VERSION) const {
    return make_server_context(issue("DNS:localhost"), version);
  }
};

TEST_F(TlsHostileTest, PlainTextIsQuoted) {
  begin(server());
  peer_->wire().send("ERROR \x01 unknown command\r\nmore");
  while (client_->state == TlsClient::State::kConnecting) base_->poll(1);
  EXPECT_EQ(client_->fault, "the server does not speak TLS; it said \"ERROR . unknown command\"");
  EXPECT_EQ(client_->end.status.error(), EPROTO);
}

TEST_F(TlsHostileTest, ASilentServerIsSaidToBeOne) {
  begin(server());
  while (peer_->wire().rest().empty()) base_->poll(1);
  EXPECT_EQ(client_->channel.fault(), "the server took the connection and did not finish the TLS handshake");
  client_->channel.close();
  EXPECT_EQ(client_->channel.fault(), "the server took the connection and did not finish the TLS handshake");
}

TEST_F(TlsHostileTest, HangingUpOnTheHandshakeIsTold) {
  begin(server());
  while (peer_->wire().rest().empty()) base_->poll(1);
  peer_->wire().close();
  while (client_->state == TlsClient::State::kConnecting) base_->poll(1);
  EXPECT_EQ(client_->fault, "the server ended the connection in the TLS handshake");
}

TEST_F(TlsHostileTest, ARefusedConnectionIsTheSystemsError) {
  const uint16_t port = listener_.port();
  listener_.close();
  net::TlsMistake mistake;
  const auto context = net::TlsContext::create(*net::OpenSsl::find(), options_, &mistake);
  TlsClient client(*base_, context, "localhost");
  const Status started = client.channel.connect(*net::Address::ip("127.0.0.1", port));
  if (!started.is_ok()) return;
  while (client.state == TlsClient::State::kConnecting) base_->poll(1);
  EXPECT_EQ(client.end.status.error(), ECONNREFUSED);
  EXPECT_EQ(client.fault, "");
}

// How much a server says in all differs by a few bytes, so that the last cuts may come too late.
TEST_F(TlsHostileTest, AConnectionMayEndAnywhere) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ServerContext context = server(version);
    const std::string words(20, 'w');
    connect(context);
    peer_->send(words);
    turn_until([&] { return client_->received == words; });
    const size_t total = peer_->total_sent();
    for (size_t cut = 0; cut < total; cut += cut < 20 || cut + 60 > total ? 1 : 23) {
      begin(context);
      peer_->cut_after = cut;
      bool has_sent = false;
      turn_until([&] {
        if (peer_->is_established() && !std::exchange(has_sent, true)) peer_->send(words);
        return client_->state == TlsClient::State::kOver || client_->received == words;
      });
      if (client_->received == words) break;
      EXPECT_TRUE(client_->end.end_of_stream || client_->end.status.error() == ECONNRESET ||
                  client_->end.status.error() == EPIPE)
          << cut << ": " << client_->end.status.error() << client_->fault;
    }
  }
}

TEST_F(TlsHostileTest, FalsifiedBytesAreNeverReceived) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 60; ++i) {
    connect(server(i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION));
    turn_until([&] { return peer_->has_sent_everything(); });
    peer_->send("the truth");
    std::string records = peer_->intercept();
    records[random() % records.size()] ^= static_cast<char>(1U << random() % 8);
    peer_->send_raw(records);
    turn_until([&] { return peer_->has_sent_everything(); });
    peer_->wire().close();
    turn_until([&] { return client_->state == TlsClient::State::kOver; });
    EXPECT_EQ(client_->received, "");
  }
}

TEST_F(TlsHostileTest, NonsenseInTheHandshakeEndsIt) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 60; ++i) {
    begin(server(i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION));
    while (peer_->total_sent() == 0) {
      base_->poll(1);
      const std::string hello = peer_->wire().take();
      if (hello.empty()) continue;
      BIO_write(SSL_get_rbio(peer_->session()), hello.data(), static_cast<int>(hello.size()));
      SSL_do_handshake(peer_->session());
      std::string answer = peer_->intercept();
      for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips)
        answer[random() % answer.size()] = static_cast<char>(random());
      peer_->wire().send(answer);
      break;
    }
    base_->poll(1);
    peer_->wire().close();
    while (client_->state == TlsClient::State::kConnecting) base_->poll(1);
  }
}

}  // namespace
}  // namespace evenkeel::test
