// What TLS connections carry. Whom they trust: tls_trust_test.cc; what servers do wrong: tls_hostile_test.cc.
#include "net/tls_channel.h"

#include <string>

#include "tls_harness.h"

namespace evenkeel::test {
namespace {

std::string pattern(size_t length) {
  std::string bytes(length, ' ');
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

class TlsChannelTest : public TlsTest, public testing::WithParamInterface<int> {
 protected:
  ServerContext server() const { return make_server_context(issue("DNS:localhost"), GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Versions, TlsChannelTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TlsChannelTest, CarriesBytesBothWays) {
  connect(server());
  EXPECT_EQ(SSL_version(peer_->session()), GetParam());
  EXPECT_STREQ(SSL_get_servername(peer_->session(), TLSEXT_NAMETYPE_host_name), "localhost");
  EXPECT_TRUE(client_->channel.fault().empty());
  client_->send("to the server");
  turn_until([&] { return peer_->received == "to the server"; });
  peer_->send("to the client");
  turn_until([&] { return client_->received == "to the client"; });
}

TEST_P(TlsChannelTest, CarriesMegabytesBothWaysAtOnce) {
  connect(server());
  const std::string up = pattern(5 << 20);
  const std::string down = pattern((3 << 20) + 1);
  client_->chunk = 100000;
  peer_->send(down);
  client_->send(up);
  turn_until([&] { return client_->received.size() == down.size() && peer_->received.size() == up.size(); });
  EXPECT_EQ(client_->received, down);
  EXPECT_EQ(peer_->received, up);
}

// The poller has told of all of them once they have left the socket.
TEST_P(TlsChannelTest, RecordsThatAreHeldAreToldOfTurnAfterTurn) {
  connect(server());
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string words = "record " + std::to_string(i) + "; ";
    peer_->send(words);
    expected += words;
  }
  client_->chunk = 10;
  turn_until([&] { return client_->received.size() == expected.size(); });
  EXPECT_EQ(client_->received, expected);
  // And there is peace afterwards.
  for (int i = 0; i < 3; ++i) base_->poll(0);
  const auto before = base_->stats();
  for (int i = 0; i < 10; ++i) base_->poll(0);
  EXPECT_EQ(base_->stats().timers_fired, before.timers_fired);
  EXPECT_EQ(base_->stats().ready_events, before.ready_events);
}

TEST_P(TlsChannelTest, RecordsMayComeByteByByte) {
  begin(server());
  peer_->step = 1;
  settle();
  ASSERT_EQ(client_->state, TlsClient::State::kConnected) << client_->fault;
  turn_until([&] { return peer_->is_established(); });
  const std::string words = pattern(300);
  peer_->send(words);
  client_->send(words);
  turn_until([&] { return client_->received == words && peer_->received == words; });
}

TEST_P(TlsChannelTest, SmallRequestsShareRecordsAndSystemCalls) {
  connect(server());
  client_->send("a first one");  // what the server says after the handshake is through with that
  turn_until([&] { return peer_->received == "a first one"; });
  peer_->received.clear();
  const auto writes = base_->stats().writes;
  std::array<iovec, 60> segments;
  std::string request(100, 'r');
  for (iovec& segment : segments) segment = {request.data(), request.size()};
  const auto transfer = client_->channel.send(segments);
  EXPECT_EQ(transfer.bytes, 6000u);
  EXPECT_FALSE(transfer.would_block);
  EXPECT_EQ(base_->stats().writes, writes + 1);
  while (peer_->wire().rest().size() < 6000) base_->poll(1);
  EXPECT_LT(peer_->wire().rest().size(), 6060u);
  turn_until([&] { return peer_->received.size() == 6000; });
}

TEST_P(TlsChannelTest, AFullSocketBlocksAndWhatWaitsIsBounded) {
  connect(server());
  const std::string block = pattern(1 << 20);
  const iovec segment{const_cast<char*>(block.data()), block.size()};
  size_t taken = 0;
  net::Channel::Transfer transfer;
  do {
    transfer = client_->channel.send({&segment, 1});
    ASSERT_TRUE(transfer.status.is_ok());
    taken += transfer.bytes;
  } while (!transfer.would_block);
  // Nothing more is taken for as long as the socket is full.
  EXPECT_EQ(client_->channel.send({&segment, 1}).bytes, 0u);
  EXPECT_TRUE(client_->channel.send({&segment, 1}).would_block);
  client_->channel.want_writable(true);
  client_->told_writable = 0;
  for (int i = 0; i < 10; ++i) base_->poll(0);
  EXPECT_EQ(client_->told_writable, 0u);
  turn_until([&] { return client_->told_writable > 0; });
  turn_until([&] { return peer_->received.size() == taken; });
}

// Nobody waits for the room, but what was taken has to arrive.
TEST_P(TlsChannelTest, WhatWasTakenLeavesAlsoWhenNobodyAsksForWritability) {
  connect(server());
  const std::string block = pattern(1 << 20);
  const iovec segment{const_cast<char*>(block.data()), block.size()};
  size_t taken = 0;
  net::Channel::Transfer transfer;
  do {
    transfer = client_->channel.send({&segment, 1});
    taken += transfer.bytes;
  } while (!transfer.would_block);
  client_->channel.want_writable(false);
  turn_until([&] { return peer_->received.size() == taken; });
  EXPECT_EQ(client_->told_writable, 0u);
}

TEST_P(TlsChannelTest, TheServersGoodbyeIsTheEndBehindItsLastWords) {
  connect(server());
  peer_->send("last words");
  peer_->say_goodbye();
  turn_until([&] { return client_->state == TlsClient::State::kOver; });
  EXPECT_EQ(client_->received, "last words");
  EXPECT_TRUE(client_->end.end_of_stream);
  EXPECT_EQ(client_->fault, "");
}

TEST_P(TlsChannelTest, TheEndOfTheSocketIsTheEndBehindItsLastWords) {
  connect(server());
  peer_->send("last words");
  turn_until([&] { return peer_->has_sent_everything(); });
  peer_->wire().close();
  turn_until([&] { return client_->state == TlsClient::State::kOver; });
  EXPECT_EQ(client_->received, "last words");
  EXPECT_TRUE(client_->end.end_of_stream);
  EXPECT_EQ(client_->fault, "");
}

TEST_P(TlsChannelTest, AResetIsTold) {
  connect(server());
  client_->send("hello");
  turn_until([&] { return peer_->received == "hello"; });
  peer_->wire().reset();
  turn_until([&] { return client_->state == TlsClient::State::kOver; });
  EXPECT_EQ(client_->end.status.error(), ECONNRESET);
}

TEST_P(TlsChannelTest, WritingToAResetConnectionIsAStatus) {
  connect(server());
  peer_->turn();
  peer_->wire().reset();
  const std::string words = "hello";
  const iovec segment{const_cast<char*>(words.data()), words.size()};
  net::Channel::Transfer transfer;
  do {
    transfer = client_->channel.send({&segment, 1});
  } while (transfer.status.is_ok());
  EXPECT_TRUE(transfer.status.error() == EPIPE || transfer.status.error() == ECONNRESET);
  EXPECT_EQ(transfer.bytes, 0u);
}

TEST_P(TlsChannelTest, ClosingSaysGoodbye) {
  connect(server());
  client_->channel.close();
  EXPECT_FALSE(client_->channel.is_open());
  turn_until([&] { return (SSL_get_shutdown(peer_->session()) & SSL_RECEIVED_SHUTDOWN) != 0; });
  EXPECT_EQ(client_->channel.receive({}).status.error(), ENOTCONN);
  EXPECT_EQ(client_->channel.send({}).status.error(), ENOTCONN);
}

TEST_P(TlsChannelTest, OneChannelConnectsAgainAndAgain) {
  const ServerContext context = server();
  connect(context);
  for (int i = 0; i < 3; ++i) {
    client_->state = TlsClient::State::kConnecting;
    client_->received.clear();
    ASSERT_TRUE(client_->channel.connect(*net::Address::ip("127.0.0.1", listener_.port())).is_ok());
    std::unique_ptr<Peer> wire;
    while ((wire = listener_.accept()) == nullptr) base_->poll(1);
    peer_ = std::make_unique<TlsPeer>(context, std::move(wire));
    settle();
    ASSERT_EQ(client_->state, TlsClient::State::kConnected);
    turn_until([&] { return peer_->is_established(); });
    peer_->send("again");
    turn_until([&] { return client_->received == "again"; });
  }
  client_->channel.close();
  EXPECT_EQ(base_->stats().descriptors, 0u);
  EXPECT_EQ(base_->stats().timers, 0u);
}

// The queue of errors is the thread's: Node's own crypto uses it as well.
TEST_P(TlsChannelTest, ErrorsOfOthersInTheThreadDoNotMatterAndNoneIsLeft) {
  begin(server());
  const auto spoil = [] { ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH); };
  while (client_->state == TlsClient::State::kConnecting) {
    peer_->turn();
    spoil();
    base_->poll(1);
  }
  ASSERT_EQ(client_->state, TlsClient::State::kConnected) << client_->fault;
  turn_until([&] { return peer_->is_established(); });
  peer_->send("to the client");
  spoil();
  client_->send("to the server");
  while (client_->received != "to the client") {
    peer_->turn();
    spoil();
    base_->poll(1);
  }
  turn_until([&] { return peer_->received == "to the server"; });
  peer_->send_raw("nonsense");
  turn_until([&] { return client_->state == TlsClient::State::kOver; });
}

TEST_P(TlsChannelTest, FailuresLeaveNoErrorInTheThread) {
  connect(server());
  peer_->send_raw("nonsense");
  while (client_->state != TlsClient::State::kOver) {
    peer_->turn();
    ERR_clear_error();
    base_->poll(1);
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

class Tls13Test : public TlsTest {
 protected:
  ServerContext server() const { return make_server_context(issue("DNS:localhost")); }
};

TEST_F(Tls13Test, TicketsAfterTheHandshakeAreNoNews) {
  connect(server());
  for (int i = 0; i < 20; ++i) {
    SSL_new_session_ticket(peer_->session());
    SSL_do_handshake(peer_->session());
  }
  peer_->send("behind tickets");
  turn_until([&] { return client_->received == "behind tickets"; });
}

TEST_F(Tls13Test, KeysMayChangeAtAnyTime) {
  connect(server());
  for (int i = 0; i < 20; ++i) {
    SSL_key_update(peer_->session(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(peer_->session());
  }
  peer_->send("with new keys");
  turn_until([&] { return client_->received == "with new keys"; });
  client_->send("with new keys, too");
  turn_until([&] { return peer_->received == "with new keys, too"; });
}

class Tls12Test : public TlsTest {
 protected:
  ServerContext server() const { return make_server_context(issue("DNS:localhost"), TLS1_2_VERSION); }
};

TEST_F(Tls12Test, RenegotiationIsRefused) {
  connect(server());
  SSL_renegotiate(peer_->session());
  SSL_do_handshake(peer_->session());
  turn_until([&] { return !peer_->error().empty() || client_->state == TlsClient::State::kOver; });
  EXPECT_NE(peer_->error().find("renegotiation"), std::string::npos) << peer_->error();
}

}  // namespace
}  // namespace evenkeel::test
