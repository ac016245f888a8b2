// A client of servers that have the partitions of a bucket among them, and these servers in the test's hands.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "client_test.h"
#include "pipeline/crc32.h"
#include "pipeline/partitions.h"
#include "wire/couchbase/couchbase.h"

namespace evenkeel::test {

inline constexpr uint16_t kNotMine = 0x07;
inline constexpr uint16_t kConfigOnly = 0x0d;
inline constexpr size_t kPartitions = 16;

inline uint16_t partition_of(const std::string& key) {
  return static_cast<uint16_t>((pipeline::crc32(as_bytes(key)) >> 16 & 0x7fff) % kPartitions);
}

// One for each number.
inline std::string key_in(uint16_t partition, size_t number = 0) {
  for (size_t i = 0;; ++i) {
    std::string key = "key:" + std::to_string(i);
    if (partition_of(key) == partition && number-- == 0) return key;
  }
}

class ClientPartitions : public ClientTest {
 protected:
  static constexpr uint16_t kServers = 3;
  static constexpr int16_t kNobody = -1;
  using Owners = std::array<int16_t, kPartitions>;

  void start_servers(const pipeline::Options& options = quick()) {
    client_ =
        std::make_unique<ClientHarness>(GetParam(), options, binary_steps(), wire::couchbase::kCouchbase);
    for (uint16_t id = 1; id < kServers; ++id)
      client_->client().add_server(id, wire::couchbase::kCouchbase, binary_steps());
    for (uint16_t id = 0; id < kServers; ++id)
      client_->client().set_addresses(id, {*net::Address::ip("127.0.0.1", listeners_[id].port())});
    owners_.fill(0);
    publish();
  }
  void start_servers_connected(const pipeline::Options& options = quick()) {
    start_servers(options);
    for (uint16_t id = 0; id < kServers; ++id) ASSERT_NO_FATAL_FAILURE(connect_peer(id));
  }
  void connect_peer(uint16_t id) {
    ASSERT_TRUE(client_->until([&] { return (peers_[id] = listeners_[id].accept()) != nullptr; }));
    const Packet version = next_of(id);
    const int connected = client_->count(layout::kOutcomeConnected);
    peers_[id]->answer({.opcode = 0x0b, .opaque = version.opaque, .value = "7.6.0"});
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeConnected) == connected + 1; }));
  }
  // `owners_`, without a replica.
  void publish() {
    auto partitions = pipeline::Partitions::make({owners_.begin(), owners_.end()}, 1, kServers);
    ASSERT_NE(partitions, nullptr);
    client_->client().route_by_partitions(std::move(partitions), {0, 1, 2});
  }
  void move(uint16_t partition, int16_t server) {
    owners_[partition] = server;
    publish();
  }
  // Meanwhile whatever comes to the server of which that is said is sent back: a pause may be over at any
  // time.
  template <typename Condition>
  [[nodiscard]] bool until(Condition condition) {
    return client_->until([&] {
      for (const auto& peer : peers_)
        if (peer != nullptr) (void)peer->has_sent_everything();
      if (refusing_ != kNobody) {
        const auto id = static_cast<uint16_t>(refusing_);
        while (const auto request = peers_[id]->request()) refuse(id, *request, configuration_);
      }
      return condition();
    });
  }
  Packet next_of(uint16_t id) {
    Packet request;
    EXPECT_TRUE(until([&] {
      const auto next = peers_[id]->request();
      if (next) request = *next;
      return next.has_value();
    }));
    return request;
  }
  // And all that come to it from here on.
  void refuse_all(uint16_t id, const std::vector<Packet>& requests, const std::string& configuration) {
    for (const Packet& request : requests) refuse(id, request, configuration);
    refusing_ = static_cast<int16_t>(id);
    configuration_ = configuration;
  }
  void refuse(uint16_t id, const Packet& request, std::string configuration = "",
              uint16_t status = kNotMine) {
    peers_[id]->answer({.opcode = request.opcode,
                        .status = status,
                        .opaque = request.opaque,
                        .value = std::move(configuration)});
  }
  void grant(uint16_t id, const Packet& request, std::string value = "") {
    peers_[id]->answer({.opcode = request.opcode,
                        .opaque = request.opaque,
                        .cas = 1,
                        .extras = request.opcode == 0 ? std::string(4, '\0') : "",
                        .value = std::move(value)});
  }
  // A request with this value, before it is settled; `last_` is what the server gets.
  bool reaches(uint16_t id, size_t operation, const std::string& value) {
    bool has_come = false;
    EXPECT_TRUE(client_->until([&] {
      while (const auto next = peers_[id]->request()) {
        last_ = *next;
        has_come |= next->value == value;
        if (has_come) break;
      }
      return has_come || client_->settled(operation);
    }));
    return has_come;
  }
  std::vector<Event> sent_back() const {
    std::vector<Event> events;
    for (const Event& event : client_->events())
      if (event.outcome == layout::kOutcomeSentBack) events.push_back(event);
    return events;
  }
  void wait_until_sent_back(size_t times = 1) {
    ASSERT_TRUE(until([&] { return sent_back().size() >= times; }));
  }
  // Whatever is to happen at once has happened.
  void settle_down() {
    for (int i = 0; i < 10; ++i) client_->turn();
    client_->barrier();
  }

  std::array<Listener, kServers> listeners_;
  std::array<std::unique_ptr<Peer>, kServers> peers_;
  Owners owners_{};
  Packet last_;
  int16_t refusing_ = kNobody;
  std::string configuration_;
};

}  // namespace evenkeel::test
