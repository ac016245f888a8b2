// Operations that go elsewhere than they were going, because their partition does: in which order they come
// there, and which of them do not.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client_partitions.h"

namespace evenkeel::test {
namespace {

class ClientRerouting : public ClientPartitions {
 protected:
  size_t submit_set(const std::string& key, const std::string& value) {
    return client_->submit({.opcode = Opcode::kSet, .key = key, .value = value});
  }
  size_t send_set(const std::string& key, const std::string& value) {
    const size_t number = submit_set(key, value);
    client_->flush();
    return number;
  }
  // In this order, each one answered before the next.
  void expect_values(uint16_t id, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      const Packet request = next_of(id);
      EXPECT_EQ(request.value, value);
      grant(id, request);
    }
  }
  // The bucket is made anew, and server 1 has all of it.
  void renumber(size_t partitions) {
    client_->client().route_by_partitions(
        pipeline::Partitions::make(std::vector<int16_t>(partitions, 1), 1, kServers), {0, 1, 2});
  }
  void expect_given_back(size_t operation) {
    ASSERT_NO_FATAL_FAILURE(wait_for(operation));
    EXPECT_EQ(outcome(operation), layout::kOutcomeLost);
    EXPECT_EQ(client_->operation(operation).detail, layout::kCausePartitions);
    EXPECT_FALSE(written(operation));
  }
};
INSTANTIATE_TEST_SUITE_P(, ClientRerouting, kBothDrives, drive_name);

TEST_P(ClientRerouting, WhatWasHeldBackComesBeforeWhatWasCalledLater) {
  start_servers_connected();
  submit_set(key_in(5), "first");
  client_->flush(pipeline::Flush::kHold);
  move(5, 1);
  send_set(key_in(5), "second");
  expect_values(1, {"first", "second"});
}

TEST_P(ClientRerouting, WhatWaitsForADeadServerComesBeforeWhatIsCalledLater) {
  listeners_[0].close();
  start_servers();
  for (uint16_t id = 1; id < kServers; ++id) ASSERT_NO_FATAL_FAILURE(connect_peer(id));
  send_set(key_in(5), "first");
  settle_down();
  client_->at_once([&] {
    move(5, 1);
    send_set(key_in(5), "second");
  });
  expect_values(1, {"first", "second"});
}

TEST_P(ClientRerouting, WhatHasNotBeenSeenByTheLoopComesBeforeWhatIsCalledLater) {
  if (GetParam() == Drive::kSameThread) return;  // there the loop sees each flush
  start_servers_connected();
  client_->at_once([&] {
    send_set(key_in(5), "first");
    move(5, 1);
    send_set(key_in(5), "second");
  });
  expect_values(1, {"first", "second"});
}

TEST_P(ClientRerouting, WhatNobodyHadComesBeforeWhatIsCalledLater) {
  start_servers_connected();
  move(5, kNobody);
  send_set(key_in(5), "first");
  client_->at_once([&] {
    move(5, 1);
    send_set(key_in(5), "second");
  });
  expect_values(1, {"first", "second"});
}

TEST_P(ClientRerouting, WhatPausesIsNotOvertaken) {
  start_servers_connected();
  send_set(key_in(5), "first");
  refuse(0, next_of(0));
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  send_set(key_in(5), "second");
  submit_set(key_in(5), "third");
  client_->flush(pipeline::Flush::kHold);
  client_->flush();
  expect_values(0, {"first", "second", "third"});
}

TEST_P(ClientRerouting, WhatPausesIsNotOvertakenByWhatWaitsForTheWindow) {
  pipeline::Options options = quick();
  options.max_written = 1;
  start_servers_connected(options);
  send_set(key_in(5), "first");
  const Packet request = next_of(0);
  send_set(key_in(5), "second");
  settle_down();
  refuse(0, request);
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  send_set(key_in(5), "third");
  expect_values(0, {"first", "second", "third"});
}

TEST_P(ClientRerouting, OtherPartitionsDoNotWaitForOneThatPauses) {
  start_servers_connected();
  send_set(key_in(5), "first");
  refuse(0, next_of(0));
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  move(6, 1);
  send_set(key_in(5), "second");
  send_set(key_in(6), "other");
  expect_values(1, {"other"});
}

TEST_P(ClientRerouting, WhatIsHalfWrittenWhenItsServerDiesGoesToTheNextOne) {
  constexpr size_t kSize = size_t{24} << 20;
  start_servers_connected();
  const size_t set = client_->send({.opcode = Opcode::kSet,
                                    .key = key_in(5),
                                    .payload = std::make_unique<TextPayload>(std::string(kSize, 'x'))});
  ASSERT_TRUE(client_->until([&] {
    peers_[0]->pull_some(24 - peers_[0]->received().size());
    return peers_[0]->received().size() == 24;
  }));
  listeners_[0].close();
  move(5, 1);
  settle_down();
  EXPECT_FALSE(peers_[1]->request());
  peers_[0]->reset();
  const Packet request = next_of(1);
  EXPECT_EQ(request.value.size(), kSize);
  grant(1, request);
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(outcome(set), layout::kOutcomeAnswered);
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

// Server 0 has one connection, which carries for the other.
TEST_P(ClientRerouting, KeysComeToTheConnectionThatIsTheirs) {
  pipeline::Options options = quick();
  options.connections = 2;
  start_servers(options);
  ASSERT_NO_FATAL_FAILURE(connect_peer(0));
  std::unique_ptr<Peer> silent;
  ASSERT_TRUE(client_->until([&] { return (silent = listeners_[0].accept()) != nullptr; }));
  ASSERT_NO_FATAL_FAILURE(connect_peer(1));
  const std::unique_ptr<Peer> other = std::exchange(peers_[1], nullptr);
  ASSERT_NO_FATAL_FAILURE(connect_peer(1));

  constexpr size_t kKeys = 16;
  const auto send_all = [&] {
    for (size_t i = 0; i < kKeys; ++i) submit_set(key_in(i % 2 == 0 ? 4 : 5, i / 2), "value");
    client_->flush();
  };
  const auto take_all = [&] {
    std::map<std::string, const Peer*> came;
    EXPECT_TRUE(client_->until([&] {
      for (Peer* const peer : {other.get(), peers_[1].get()})
        while (const auto request = peer->request()) came[request->key] = peer;
      return came.size() == kKeys;
    }));
    return came;
  };
  send_all();
  std::vector<Packet> requests;
  for (size_t i = 0; i < kKeys; ++i) requests.push_back(next_of(0));
  owners_[4] = owners_[5] = 1;
  publish();
  settle_down();
  for (const Packet& request : requests) refuse(0, request);
  const auto moved = take_all();
  send_all();
  EXPECT_EQ(take_all(), moved);
}

TEST_P(ClientRerouting, WithAnotherNumberOfPartitionsWhatIsNotExecutedComesBack) {
  start_servers_connected();
  move(5, kNobody);
  const size_t parked = send_set(key_in(5), "value");
  const size_t sent = send_set(key_in(13), "value");
  const Packet request = next_of(0);
  const size_t held = submit_set(key_in(6), "value");
  client_->flush(pipeline::Flush::kHold);
  size_t unseen = parked;
  client_->at_once([&] {
    if (GetParam() == Drive::kThreaded) {
      unseen = submit_set(key_in(7), "value");
      client_->flush(pipeline::Flush::kStaged);
    }
    renumber(8);
  });
  ASSERT_NO_FATAL_FAILURE(expect_given_back(parked));
  ASSERT_NO_FATAL_FAILURE(expect_given_back(unseen));
  refuse(0, request);
  ASSERT_NO_FATAL_FAILURE(expect_given_back(sent));
  EXPECT_FALSE(client_->settled(held));
  client_->flush();
  ASSERT_NO_FATAL_FAILURE(expect_given_back(held));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
  const std::string key = key_in(13);
  send_set(key, "anew");
  const Packet anew = next_of(1);
  EXPECT_EQ(anew.value, "anew");
  EXPECT_EQ(anew.status, 13 % 8);
}

TEST_P(ClientRerouting, WhatWaitsForAnotherServerComesBackWithAnotherNumberOfPartitions) {
  listeners_[0].close();
  start_servers();
  for (uint16_t id = 1; id < kServers; ++id) ASSERT_NO_FATAL_FAILURE(connect_peer(id));
  const size_t queued = send_set(key_in(5), "value");
  settle_down();
  renumber(32);
  ASSERT_NO_FATAL_FAILURE(expect_given_back(queued));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

TEST_P(ClientRerouting, WhatMayHaveToBeSentAgainCountsUntilItsAnswer) {
  pipeline::Options options = quick();
  options.max_queued_bytes = 50'000;
  start_servers_connected(options);
  const auto send_large = [&](size_t number) {
    return client_->send({.opcode = Opcode::kSet,
                          .key = key_in(5, number),
                          .payload = std::make_unique<TextPayload>(std::string(60'000, 'x'))});
  };
  const size_t set = send_large(0);
  const Packet request = next_of(0);
  settle_down();
  EXPECT_GT(client_->client().queued_bytes(), 60'000u);
  EXPECT_EQ(client_->begin({.request = {.op = Opcode::kGet}}, key_in(5)), layout::kRefusedQueuedBytes);
  grant(0, request);
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
  const size_t lost = send_large(1);
  next_of(0);
  peers_[0]->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(lost));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

}  // namespace
}  // namespace evenkeel::test
