// Several servers and several connections: what is routed where, how servers come and go while operations are
// in flight, and that what one of them does is nothing to the others.
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "client_test.h"

namespace evenkeel::test {
namespace {

// By the key's last character, a digit.
class ByDigit final : public pipeline::Topology {
 public:
  explicit ByDigit(size_t servers) : Topology(servers) {}
  pipeline::Route route(std::span<const std::byte> key) const override {
    const auto digit = static_cast<size_t>(key.back()) - '0';
    return {.server = static_cast<uint16_t>(digit % servers()), .hash = 0};
  }
};

class ClientServers : public ClientTest {
 protected:
  static constexpr uint16_t kServers = 3;

  void start_all(pipeline::Options options = quick()) {
    client_ = std::make_unique<ClientHarness>(GetParam(), options);
    std::vector<uint16_t> ids;
    for (uint16_t id = 0; id < kServers; ++id) {
      if (id > 0) client_->client().add_server(id, wire::memcache::kBinary, binary_steps());
      client_->client().set_addresses(id, {*net::Address::ip("127.0.0.1", listeners_[id].port())});
      ids.push_back(id);
    }
    client_->client().route_by(std::make_unique<ByDigit>(kServers), ids);
  }
  void start_all_connected(const pipeline::Options& options = quick()) {
    start_all(options);
    for (uint16_t id = 0; id < kServers; ++id) ASSERT_NO_FATAL_FAILURE(peers_[id] = accepted(listeners_[id]));
  }
  // The next connection of this listener, with its handshake done.
  std::unique_ptr<Peer> accepted(Listener& listener) {
    std::unique_ptr<Peer> peer;
    EXPECT_TRUE(client_->until([&] { return (peer = listener.accept()) != nullptr; }));
    Packet version = next_of(*peer);
    EXPECT_EQ(version.opcode, 0x0b);
    const int connected = client_->count(layout::kOutcomeConnected);
    peer->answer({.opcode = 0x0b, .opaque = version.opaque, .value = "1.6.45"});
    EXPECT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeConnected) == connected + 1; }));
    return peer;
  }
  Packet next_of(Peer& peer) {
    Packet request;
    EXPECT_TRUE(client_->until([&] {
      const auto next = peer.request();
      if (next) request = *next;
      return next.has_value();
    }));
    return request;
  }
  void answer_by(Peer& peer, const Packet& request, std::string value) {
    peer.answer({.opcode = request.opcode,
                 .opaque = request.opaque,
                 .extras = std::string(4, '\0'),
                 .value = std::move(value)});
  }
  int retired() const { return client_->count(layout::kOutcomeRetired); }

  std::array<Listener, kServers> listeners_;
  std::array<std::unique_ptr<Peer>, kServers> peers_;
};

INSTANTIATE_TEST_SUITE_P(Drives, ClientServers, kBothDrives, drive_name);

TEST_P(ClientServers, EachKeyGoesToItsServerAndEachAnswerIsItsOwn) {
  start_all_connected();
  std::vector<size_t> gets;
  for (int i = 0; i < 9; ++i) gets.push_back(client_->submit({.key = "key" + std::to_string(i)}));
  client_->flush();
  for (int round = 0; round < 3; ++round) {
    for (uint16_t id = kServers; id-- > 0;) {
      const Packet request = next_of(*peers_[id]);
      EXPECT_EQ(request.key, "key" + std::to_string(round * 3 + id));
      answer_by(*peers_[id], request, "of " + std::to_string(id));
    }
  }
  for (size_t i = 0; i < gets.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(wait_for(gets[i]));
    EXPECT_EQ(client_->operation(gets[i]).value, "of " + std::to_string(i % 3));
    EXPECT_EQ(client_->operation(gets[i]).connection, i % 3);
  }
}

TEST_P(ClientServers, TheEndOfOneConnectionLosesOnlyWhatWasOnIt) {
  start_all_connected();
  const size_t lost = client_->send({.key = "k0"});
  const size_t kept = client_->send({.key = "k1"});
  next_of(*peers_[0]);
  const Packet request = next_of(*peers_[1]);
  peers_[0].reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(lost));
  EXPECT_EQ(outcome(lost), layout::kOutcomeLost);
  EXPECT_FALSE(client_->settled(kept));
  answer_by(*peers_[1], request, "kept");
  ASSERT_NO_FATAL_FAILURE(wait_for(kept));
  EXPECT_EQ(outcome(kept), layout::kOutcomeAnswered);
  EXPECT_EQ(client_->events().back().connection, 0);
}

TEST_P(ClientServers, AnAnswerFromAnotherServerEndsThatConnectionAndSettlesNothing) {
  start_all_connected();
  const size_t get = client_->send({.key = "k1"});
  const Packet request = next_of(*peers_[1]);
  answer_by(*peers_[2], request, "forged");
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  EXPECT_EQ(client_->last_cause(), layout::kCauseUnknownOpaque);
  EXPECT_FALSE(client_->settled(get));
  answer_by(*peers_[1], request, "genuine");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "genuine");
}

TEST_P(ClientServers, AServerThatIsRetiredAnswersWhatItHasAndGoes) {
  start_all_connected();
  const size_t written = client_->send({.key = "k2"});
  const Packet request = next_of(*peers_[2]);
  const size_t staged = client_->submit({.key = "k2"});
  const size_t held = client_->submit({.key = "k2"});
  client_->client().retire_server(2);
  client_->client().route_by(std::make_unique<ByDigit>(2), {0, 1});
  const size_t elsewhere = client_->send({.key = "k2"});
  EXPECT_EQ(next_of(*peers_[0]).key, "k2");
  EXPECT_EQ(retired(), 0);
  answer_by(*peers_[2], request, "late");
  for (int i = 0; i < 2; ++i) answer_by(*peers_[2], next_of(*peers_[2]), "after it was told to go");
  for (const size_t operation : {written, staged, held}) {
    ASSERT_NO_FATAL_FAILURE(wait_for(operation));
    EXPECT_EQ(outcome(operation), layout::kOutcomeAnswered);
  }
  ASSERT_TRUE(client_->until([&] { return retired() == 1; }));
  EXPECT_TRUE(client_->until([&] { return peers_[2]->has_ended(); }));
  EXPECT_FALSE(client_->settled(elsewhere));
}

TEST_P(ClientServers, AnIdIsUsedAgainForAnotherServer) {
  start_all_connected();
  client_->client().route_by(std::make_unique<ByDigit>(2), {0, 1});
  client_->client().retire_server(2);
  ASSERT_TRUE(client_->until([&] { return retired() == 1; }));
  Listener another;
  client_->client().add_server(2, wire::memcache::kBinary, binary_steps());
  client_->client().set_addresses(2, {*net::Address::ip("127.0.0.1", another.port())});
  client_->client().route_by(std::make_unique<ByDigit>(3), {0, 1, 2});
  const size_t get = client_->send({.key = "k2"});
  const auto peer = accepted(another);
  answer_by(*peer, next_of(*peer), "new");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "new");
}

TEST_P(ClientServers, AServerThatIsRetiredWhileItIsDownGoesWhenItsOperationsAreOver) {
  listeners_[2].close();
  start_all();
  const size_t get = client_->send({.key = "k2", .timeout = 100});
  client_->client().retire_server(2);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(outcome(get), layout::kOutcomeTimedOut);
  ASSERT_TRUE(client_->until([&] { return retired() == 1; }));
}

TEST_P(ClientServers, WhatIsHeldBackForAServerThatIsGoneIsNoHindrance) {
  start_all_connected();
  const size_t held = client_->submit({.key = "k2", .timeout = 100});
  client_->flush(pipeline::Flush::kHold);
  client_->client().route_by(std::make_unique<ByDigit>(2), {0, 1});
  client_->client().retire_server(2);
  ASSERT_NO_FATAL_FAILURE(wait_for(held));
  ASSERT_TRUE(client_->until([&] { return retired() == 1; }));
  client_->send({.key = "k0"});
  EXPECT_EQ(next_of(*peers_[0]).key, "k0");
}

TEST_P(ClientServers, WhatIsForAServerGoesThereWhateverTheTopologySays) {
  start_all_connected();
  client_->client().route_by(std::make_unique<ByDigit>(1), {0});
  const auto refused = [this](uint16_t server, std::string_view argument) {
    pipeline::Client::Call call{.request = {.op = Opcode::kStat}, .timeout = 1000};
    return client_->client().begin_at(server, call, as_bytes(argument));
  };
  EXPECT_EQ(refused(1, "a b"), layout::kRefusedKeyForbiddenByte);
  for (uint16_t server = 0; server < kServers; ++server) {
    const size_t number = client_->submit_to(server, Opcode::kStat, "items");
    client_->flush();
    const Packet request = next_of(*peers_[server]);
    EXPECT_EQ(request.opcode, 0x10);
    EXPECT_EQ(request.key, "items");
    peers_[server]->answer({.opcode = 0x10, .opaque = request.opaque, .key = "pid", .value = "17"});
    peers_[server]->answer({.opcode = 0x10, .opaque = request.opaque});
    ASSERT_TRUE(client_->until([&] { return client_->released(number); }));
    EXPECT_EQ(client_->operation(number).items, (std::vector<std::string>{"pid17"}));
    EXPECT_EQ(client_->operation(number).outcome, layout::kOutcomeAnswered);
  }
}

TEST_P(ClientServers, OneThatDoesNotAnswerLeavesRoomToTheOthers) {
  pipeline::Options options = quick();
  options.max_operations = 12;
  start_all_connected(options);
  const auto begin = [this](std::string_view key, bool fits = false) {
    return client_->begin({.request = {.op = Opcode::kGet}, .timeout = kLongTimeout, .fits = fits}, key);
  };
  size_t held = 0;
  for (; begin("k1") == 0; ++held) client_->send({.key = "k1"});
  EXPECT_EQ(held, 7u) << "as much as it leaves to the others, and one";
  EXPECT_EQ(begin("k1"), layout::kRefusedShare);
  EXPECT_EQ(begin("k1", true), 0) << "what belongs together is accepted together";
  for (int round = 0; round < 10; ++round) {
    const size_t first = client_->send({.key = "k0"});
    const size_t second = client_->send({.key = "k2"});
    answer_by(*peers_[0], next_of(*peers_[0]), "well");
    answer_by(*peers_[2], next_of(*peers_[2]), "well");
    ASSERT_NO_FATAL_FAILURE(wait_for_release(first));
    ASSERT_NO_FATAL_FAILURE(wait_for_release(second));
  }
  // Where there is but one it may have all.
  client_->client().route_by(std::make_unique<ByDigit>(1), {1});
  client_->client().retire_server(0);
  client_->client().retire_server(2);
  EXPECT_EQ(begin("k1"), 0);
}

TEST_P(ClientServers, TheBytesOfOneThatIsDownLeaveRoomToTheOthers) {
  listeners_[1].close();
  pipeline::Options options = quick();
  options.max_queued_bytes = 100'000;
  start_all(options);
  const auto begin = [this](std::string_view key) {
    return client_->begin({.request = {.op = Opcode::kSet}, .timeout = kLongTimeout}, key);
  };
  for (size_t held = 0; begin("k1") == 0; ++held) {
    ASSERT_LT(held, 20u);
    client_->send({.opcode = Opcode::kSet, .key = "k1", .value = std::string(10'000, 'v')});
  }
  EXPECT_EQ(begin("k1"), layout::kRefusedShare);
  EXPECT_EQ(begin("k0"), 0);
  EXPECT_EQ(begin("k2"), 0);
}

TEST_P(ClientServers, WithoutAnyServerKeysAreRefused) {
  start_all();
  client_->client().route_by(std::make_unique<ByDigit>(1), {});
  EXPECT_EQ(client_->begin({}, "k1"), layout::kRefusedNoServer);
  EXPECT_EQ(client_->client().check_key({}, as_bytes("k1")), layout::kRefusedNoServer);
}

TEST_P(ClientServers, NoKeyIsRoutedToAServerThatIsNotThere) {
  start_all_connected();
  EXPECT_FALSE(client_->client().route_by(std::make_unique<ByDigit>(2), {0, 7}));
  client_->client().retire_server(7);
  answer_by(*peers_[2], (client_->send({.key = "k2"}), next_of(*peers_[2])), "as before");
  client_->client().retire_server(2);
  EXPECT_EQ(client_->begin({}, "k2"), layout::kRefusedNoServer);
  EXPECT_EQ(client_->begin({}, "k0"), layout::kRefusedNoServer);
  pipeline::Client::Call stat{.request = {.op = Opcode::kStat}};
  EXPECT_EQ(client_->client().begin_at(2, stat, {}), layout::kRefusedNoServer);
  EXPECT_EQ(client_->client().begin_at(7, stat, {}), layout::kRefusedNoServer);
  EXPECT_FALSE(client_->client().route_by(std::make_unique<ByDigit>(3), {0, 1, 2}));
  ASSERT_TRUE(client_->until([&] { return retired() == 1; }));
  client_->client().retire_server(2);
  EXPECT_TRUE(client_->client().route_by(std::make_unique<ByDigit>(2), {0, 1}));
  client_->send({.key = "k2"});
  EXPECT_EQ(next_of(*peers_[0]).key, "k2");
}

TEST_P(ClientServers, WhatIsHeldBackGoesOutToAllServers) {
  start_all_connected();
  for (int i = 0; i < 3; ++i) client_->submit({.key = "held" + std::to_string(i)});
  client_->flush(pipeline::Flush::kHold);
  client_->submit({.key = "past0"});
  client_->flush(pipeline::Flush::kStaged);
  EXPECT_EQ(next_of(*peers_[0]).key, "past0");
  client_->flush(pipeline::Flush::kAll);
  for (uint16_t id = 0; id < kServers; ++id) EXPECT_EQ(next_of(*peers_[id]).key, "held" + std::to_string(id));
}

TEST_P(ClientServers, OperationsWaitForAFirstAttemptAndFailWhenItHasFailed) {
  listeners_[1].close();
  pipeline::Options options = quick();
  options.offline = pipeline::Offline::kFailWhenDown;
  start_all(options);
  const size_t first = client_->send({.key = "k1"});
  ASSERT_NO_FATAL_FAILURE(wait_for(first));
  EXPECT_EQ(outcome(first), layout::kOutcomeOffline);
  const size_t second = client_->send({.key = "k1"});
  ASSERT_NO_FATAL_FAILURE(wait_for(second));
  EXPECT_EQ(outcome(second), layout::kOutcomeOffline);
  const auto peer = accepted(listeners_[0]);
  const size_t other = client_->send({.key = "k0"});
  answer_by(*peer, next_of(*peer), "well");
  ASSERT_NO_FATAL_FAILURE(wait_for(other));
  EXPECT_EQ(outcome(other), layout::kOutcomeAnswered);
}

TEST_P(ClientServers, AConnectionThatEndsIsNoServerThatIsDown) {
  pipeline::Options options = quick();
  options.offline = pipeline::Offline::kFailWhenDown;
  start_all_connected(options);
  peers_[1].reset();
  ASSERT_NO_FATAL_FAILURE(wait_for_disconnect());
  const size_t get = client_->send({.key = "k1"});
  const auto again = accepted(listeners_[1]);
  answer_by(*again, next_of(*again), "again");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "again");
}

class ServerConnections : public ClientServers {
 protected:
  void start_with(uint16_t connections, pipeline::Options options = quick()) {
    options.connections = connections;
    client_ = std::make_unique<ClientHarness>(GetParam(), options);
    client_->client().route_by(pipeline::Modulo::make(pipeline::KeyHash::kOneAtATime, 1), {0});
    client_->connect(listener_.port());
    connections_ = connections;
  }
  // One more with each call.
  std::string key_of(uint16_t connection) {
    std::string key;
    do key = "key:" + std::to_string(keys_++);
    while (pipeline::hash_key(pipeline::KeyHash::kOneAtATime, as_bytes(key)) % connections_ != connection);
    return key;
  }
  void answer_next(Peer& peer, const std::string& key) {
    const Packet request = next_of(peer);
    EXPECT_EQ(request.key, key);
    answer_by(peer, request, "well");
  }

  uint16_t connections_ = 0;
  size_t keys_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Drives, ServerConnections, kBothDrives, drive_name);

TEST_P(ServerConnections, TheSecondFollowsAsSoonAsTheFirstIsThere) {
  start_with(3);
  const auto first = accepted(listener_);
  const auto second = accepted(listener_);
  const auto third = accepted(listener_);
  EXPECT_EQ(client_->count(layout::kOutcomeConnected), 3);
}

TEST_P(ServerConnections, OneAtATimeTriesWhileTheServerIsDown) {
  listener_.close();
  start_with(4);
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) >= 6; }));
  for (const Event& event : client_->events()) EXPECT_EQ(event.connection, 0);
}

TEST_P(ServerConnections, OneKeyAlwaysTakesTheSameAndManyKeysTakeThemAll) {
  start_with(3);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(accepted(listener_));
  constexpr size_t kKeys = 60;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < kKeys; ++i) client_->submit({.key = "key:" + std::to_string(i)});
  }
  client_->flush();
  std::map<std::string, size_t> connection_of;
  std::array<size_t, 3> taken{};
  size_t seen = 0;
  ASSERT_TRUE(client_->until([&] {
    for (size_t i = 0; i < peers.size(); ++i) {
      while (const auto request = peers[i]->request()) {
        EXPECT_EQ(connection_of.emplace(request->key, i).first->second, i) << request->key;
        ++taken[i];
        ++seen;
      }
    }
    return seen == 2 * kKeys;
  }));
  for (const size_t each : taken) EXPECT_GT(each, 0u);
}

TEST_P(ServerConnections, WhatMayNotWaitForAServerWaitsForItsSecondConnection) {
  pipeline::Options options = quick();
  options.offline = pipeline::Offline::kFail;
  start_with(2, options);
  std::array<std::unique_ptr<Peer>, 2> peers{accepted(listener_)};
  constexpr size_t kKeys = 20;
  for (size_t i = 0; i < kKeys; ++i) client_->submit({.key = "key:" + std::to_string(i)});
  client_->flush();
  peers[1] = accepted(listener_);
  const auto settled = [this](size_t count) {
    return std::all_of(client_->operations().begin(), client_->operations().begin() + count,
                       [](const Operation& each) { return each.settled; });
  };
  ASSERT_TRUE(client_->until([&] {
    for (auto& peer : peers) {
      while (const auto request = peer->request()) answer_by(*peer, *request, "well");
    }
    return settled(kKeys);
  }));
  for (const Operation& each : client_->operations()) EXPECT_EQ(each.outcome, layout::kOutcomeAnswered);
}

TEST_P(ServerConnections, TheEndOfOneIsNothingToTheOthers) {
  start_with(2);
  std::array<std::unique_ptr<Peer>, 2> peers{accepted(listener_), accepted(listener_)};
  peers[0].reset();
  const auto again = accepted(listener_);
  EXPECT_FALSE(peers[1]->has_ended());
  EXPECT_EQ(client_->count(layout::kOutcomeDisconnected), 1);
}

TEST_P(ServerConnections, TheOneThatWasThereIsMadeAnewAtOnceWhileAnotherCannotBeHad) {
  pipeline::Options options;
  options.backoff_min = 1;
  options.backoff_max = 1u << 20;
  start_with(2, options);
  const auto only = accepted(listener_);
  const std::string key = key_of(0);
  const size_t get = client_->send({.key = key});
  answer_next(*only, key);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  listener_.close();
  constexpr int kFailures = 11;  // the pause that begins is 512 ms at least, and can be 1024
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) == kFailures; }));
  listener_.reopen();
  const base::Millis begun = base::now();
  only->reset();
  const auto again = accepted(listener_);
  EXPECT_LT(base::now() - begun, 512u);
}

TEST_P(ServerConnections, WhatIsForOneThatDoesNotComeUpGoesOverOneThatIsThere) {
  start_with(3);
  std::vector<std::string> keys;
  for (uint16_t i = 0; i < 3; ++i) client_->submit({.key = keys.emplace_back(key_of(i))});
  client_->flush(pipeline::Flush::kHold);
  client_->flush();
  const auto first = accepted(listener_);  // the others are never spoken to
  for (const std::string& key : keys) answer_next(*first, key);
  for (uint16_t i = 0; i < 3; ++i) {
    const std::string key = key_of(i);
    const size_t get = client_->send({.key = key});
    answer_next(*first, key);
    ASSERT_NO_FATAL_FAILURE(wait_for(get));
    EXPECT_EQ(outcome(get), layout::kOutcomeAnswered);
  }
}

TEST_P(ServerConnections, OneThatComesUpOvertakesNothingThatWasSentForIt) {
  start_with(2);
  const auto first = accepted(listener_);
  const std::string key = key_of(1);
  const size_t before = client_->send({.opcode = Opcode::kSet, .key = key, .value = "1"});
  const Packet set = next_of(*first);
  EXPECT_EQ(set.key, key);
  const auto second = accepted(listener_);
  const size_t after = client_->send({.key = key});
  for (int i = 0; i < 20; ++i) client_->turn();
  EXPECT_FALSE(second->request());
  EXPECT_FALSE(first->request());
  first->answer({.opcode = set.opcode, .opaque = set.opaque});
  answer_next(*second, key);
  ASSERT_NO_FATAL_FAILURE(wait_for(before));
  ASSERT_NO_FATAL_FAILURE(wait_for(after));
}

TEST_P(ServerConnections, WhatWaitsForOneThatEndsGoesOverAnotherInItsOrder) {
  pipeline::Options options = quick();
  options.max_written = 1;
  start_with(3, options);
  std::array<std::unique_ptr<Peer>, 3> peers{accepted(listener_), accepted(listener_), accepted(listener_)};
  listener_.close();
  const std::string lost = key_of(1);
  const std::string kept = key_of(1);
  const size_t written = client_->send({.key = lost});
  const size_t waiting = client_->send({.key = kept});
  EXPECT_EQ(next_of(*peers[1]).key, lost);
  peers[1].reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(written));
  EXPECT_EQ(outcome(written), layout::kOutcomeLost);
  const size_t later = client_->send({.key = kept});
  Peer* carrier = nullptr;
  Packet request;
  ASSERT_TRUE(client_->until([&] {
    for (const size_t i : {0, 2}) {
      const auto next = peers[i]->request();
      if (next) {
        carrier = peers[i].get();
        request = *next;
      }
    }
    return carrier != nullptr;
  }));
  EXPECT_EQ(request.key, kept);
  answer_by(*carrier, request, "well");
  answer_next(*carrier, kept);
  ASSERT_NO_FATAL_FAILURE(wait_for(waiting));
  ASSERT_NO_FATAL_FAILURE(wait_for(later));
}

TEST_P(ServerConnections, WhatACarrierLeavesComesBeforeWhatFollowsIt) {
  start_with(2);
  std::unique_ptr<Peer> first = accepted(listener_);
  const std::string key = key_of(1);
  // Of those one has been written when the connection ends.
  const size_t written = client_->send({.key = key});
  EXPECT_EQ(next_of(*first).key, key);
  const auto second = accepted(listener_);
  const size_t waiting = client_->send({.opcode = Opcode::kGet, .key = key});
  listener_.close();
  first.reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(written));
  EXPECT_EQ(outcome(written), layout::kOutcomeLost);
  answer_next(*second, key);
  ASSERT_NO_FATAL_FAILURE(wait_for(waiting));
  const std::string other = key_of(0);
  const size_t get = client_->send({.key = other});
  answer_next(*second, other);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
}

// Their pause would be of a minute otherwise.
TEST_P(ServerConnections, HoweverManyEndTogetherThePauseIsThatAfterOneFailure) {
  constexpr uint16_t kMany = 16;
  pipeline::Options options;
  options.backoff_min = 1;
  options.backoff_max = 600'000;
  start_with(kMany, options);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Peer>> peers;
    for (uint16_t i = 0; i < kMany; ++i) peers.push_back(accepted(listener_));
    if (HasFailure()) return;
    // The end of one after the other is seen in turns of their own.
    for (auto& peer : peers) {
      peer.reset();
      client_->turn();
    }
  }
}

}  // namespace
}  // namespace evenkeel::test
