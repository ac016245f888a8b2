// A client of servers that have the partitions of a bucket among them: where its operations go, and what
// becomes of those that a server does not have the partition of.
#include "client_partitions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "seed.h"

namespace evenkeel::test {
namespace {

INSTANTIATE_TEST_SUITE_P(, ClientPartitions, kBothDrives, drive_name);

TEST_P(ClientPartitions, AnOperationGoesWhereItsPartitionIs) {
  start_servers_connected();
  for (uint16_t partition = 0; partition < kPartitions; ++partition)
    owners_[partition] = partition % kServers;
  publish();
  for (uint16_t partition = 0; partition < kPartitions; ++partition) {
    const std::string key = key_in(partition);
    const size_t get = client_->send({.key = key});
    const Packet request = next_of(partition % kServers);
    EXPECT_EQ(request.status, partition);  // where a request has it
    EXPECT_EQ(request.key, std::string(1, '\0') + key);
    grant(partition % kServers, request, "value");
    ASSERT_NO_FATAL_FAILURE(wait_for(get));
    EXPECT_EQ(client_->operation(get).value, "value");
  }
}

TEST_P(ClientPartitions, WhatIsSentBackGoesToWhereTheNewTopologySays) {
  start_servers_connected();
  const size_t set = client_->send({.opcode = Opcode::kSet, .key = key_in(5), .value = "value"});
  const Packet first = next_of(0);
  refuse_all(0, {first}, "{configuration}");
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  EXPECT_EQ(sent_back()[0].value, "{configuration}");
  EXPECT_EQ(sent_back()[0].detail, kNotMine);
  EXPECT_EQ(sent_back()[0].connection, 0u);
  move(5, 2);
  const Packet second = next_of(2);
  EXPECT_EQ(second.opaque, first.opaque);
  EXPECT_EQ(second.status, 5);
  EXPECT_EQ(second.key, first.key);
  EXPECT_EQ(second.extras, first.extras);
  EXPECT_EQ(second.value, "value");
  grant(2, second);
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(outcome(set), layout::kOutcomeAnswered);
  EXPECT_EQ(client_->operation(set).status, 0);
  EXPECT_EQ(client_->operation(set).connection, 2u);
}

TEST_P(ClientPartitions, WhatIsSentBackByAServerThatLostItGoesToTheOneThatHasIt) {
  start_servers_connected();
  const size_t set = client_->send({.opcode = Opcode::kSet, .key = key_in(5), .value = "value"});
  const Packet first = next_of(0);
  move(5, 1);
  settle_down();
  refuse(0, first, "", kConfigOnly);
  grant(1, next_of(1));
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(outcome(set), layout::kOutcomeAnswered);
}

TEST_P(ClientPartitions, AServerThatShouldHaveItIsAskedAgainAfterAPause) {
  start_servers_connected();
  const size_t get = client_->send({.key = key_in(5)});
  const base::Millis start = base::now();
  refuse(0, next_of(0));
  const Packet again = next_of(0);
  EXPECT_GE(base::now() - start, 99u);
  refuse(0, again);
  grant(0, next_of(0), "value");
  EXPECT_GE(base::now() - start, 299u);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "value");
}

TEST_P(ClientPartitions, ATopologyWithAnotherServerEndsThePause) {
  start_servers_connected();
  const size_t get = client_->send({.key = key_in(5)});
  for (size_t times = 0; times < 4; ++times) {
    const uint16_t server = times % 2;
    refuse(server, next_of(server), std::to_string(times));
    ASSERT_NO_FATAL_FAILURE(wait_until_sent_back(times + 1));
    move(5, server == 0 ? 1 : 0);
  }
  grant(0, next_of(0), "value");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
}

TEST_P(ClientPartitions, ATopologyWithTheSameServerDoesNotEndThePause) {
  start_servers_connected();
  const size_t get = client_->send({.key = key_in(5)});
  const base::Millis start = base::now();
  refuse(0, next_of(0));
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  move(6, 1);
  grant(0, next_of(0), "value");
  EXPECT_GE(base::now() - start, 99u);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
}

TEST_P(ClientPartitions, WhatNobodyHasWaits) {
  start_servers_connected();
  move(5, kNobody);
  const size_t get = client_->send({.key = key_in(5)});
  const size_t other = client_->send({.key = key_in(6)});
  EXPECT_EQ(next_of(0).key, std::string(1, '\0') + key_in(6));
  settle_down();
  for (uint16_t id = 0; id < kServers; ++id) EXPECT_FALSE(peers_[id]->request());
  move(5, 1);
  grant(1, next_of(1), "value");
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(client_->operation(get).value, "value");
  EXPECT_FALSE(client_->settled(other));
}

TEST_P(ClientPartitions, WhatNobodyHasKeepsItsDeadline) {
  start_servers_connected();
  move(6, kNobody);
  const size_t set = client_->send({.opcode = Opcode::kSet, .key = key_in(6), .value = "v", .timeout = 40});
  ASSERT_NO_FATAL_FAILURE(wait_for_release(set));
  EXPECT_EQ(outcome(set), layout::kOutcomeTimedOut);
  EXPECT_FALSE(written(set));
  EXPECT_EQ(client_->operation(set).detail, 0u);
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

// Until there is time enough to be sent back in it.
TEST_P(ClientPartitions, WhatIsSentBackKeepsItsDeadline) {
  start_servers_connected();
  for (uint32_t timeout = 50;; timeout *= 2) {
    const std::string value = std::to_string(timeout);
    const size_t set =
        client_->send({.opcode = Opcode::kSet, .key = key_in(5), .value = value, .timeout = timeout});
    if (!reaches(0, set, value)) continue;
    const size_t before = sent_back().size();
    refuse(0, last_, value);
    ASSERT_TRUE(client_->until([&] { return client_->settled(set) || sent_back().size() > before; }));
    if (client_->settled(set)) continue;
    ASSERT_NO_FATAL_FAILURE(wait_for_release(set));
    EXPECT_EQ(outcome(set), layout::kOutcomeTimedOut);
    if (written(set)) continue;  // the pause was over before
    EXPECT_EQ(client_->operation(set).detail, layout::kCauseSentBack);
    EXPECT_EQ(client_->client().queued_bytes(), 0u);
    return;
  }
}

TEST_P(ClientPartitions, ATimeoutSaysThatItWasSentBackBefore) {
  start_servers_connected();
  for (uint32_t timeout = 50;; timeout *= 2) {
    owners_.fill(0);
    publish();
    const std::string value = std::to_string(timeout);
    const size_t set =
        client_->send({.opcode = Opcode::kSet, .key = key_in(5), .value = value, .timeout = timeout});
    if (!reaches(0, set, value)) continue;
    const size_t before = sent_back().size();
    refuse(0, last_, value);
    ASSERT_TRUE(client_->until([&] { return client_->settled(set) || sent_back().size() > before; }));
    move(5, 1);
    if (!reaches(1, set, value)) continue;
    ASSERT_NO_FATAL_FAILURE(wait_for(set));
    EXPECT_EQ(outcome(set), layout::kOutcomeTimedOut);
    EXPECT_TRUE(written(set));
    EXPECT_EQ(client_->operation(set).detail, layout::kCauseSentBack);
    return;
  }
}

TEST_P(ClientPartitions, WhatWaitsCanBeCancelled) {
  start_servers_connected();
  const size_t sent = client_->send({.key = key_in(5)});
  refuse_all(0, {next_of(0)}, "c");
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  client_->cancel(sent);
  ASSERT_TRUE(until([&] { return client_->released(sent); }));
  move(5, 1);
  settle_down();
  EXPECT_FALSE(peers_[1]->request());
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

TEST_P(ClientPartitions, WhatWaitsIsClosedWithTheClient) {
  start_servers_connected();
  move(6, kNobody);
  const size_t sent = client_->send({.key = key_in(5)});
  const size_t never = client_->send({.key = key_in(6)});
  refuse(0, next_of(0), "c");
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  client_->close();
  EXPECT_EQ(outcome(sent), layout::kOutcomeClosed);
  EXPECT_EQ(outcome(never), layout::kOutcomeClosed);
  EXPECT_FALSE(written(never));
}

TEST_P(ClientPartitions, WhatWaitsForAServerThatIsGoneGoesToItsSuccessor) {
  listeners_[0].close();
  start_servers();
  for (uint16_t id = 1; id < kServers; ++id) ASSERT_NO_FATAL_FAILURE(connect_peer(id));
  const size_t get = client_->send({.key = key_in(5)});
  const size_t set = client_->send(
      {.opcode = Opcode::kSet, .key = key_in(5, 1), .payload = std::make_unique<TextPayload>("payload")});
  settle_down();
  move(5, 2);
  grant(2, next_of(2), "value");
  const Packet stored = next_of(2);
  EXPECT_EQ(stored.value, "payload");
  grant(2, stored);
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  ASSERT_NO_FATAL_FAILURE(wait_for(set));
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
}

TEST_P(ClientPartitions, WhatIsHeldBackStaysSoAndLeavesForWhereItsPartitionIsThen) {
  start_servers_connected();
  const size_t stays = client_->submit({.key = key_in(4)});
  const size_t moves = client_->submit({.key = key_in(5)});
  client_->flush(pipeline::Flush::kHold);
  move(5, 1);
  settle_down();
  for (uint16_t id = 0; id < kServers; ++id) EXPECT_FALSE(peers_[id]->request());
  client_->flush();
  grant(1, next_of(1), "moved");
  grant(0, next_of(0), "stayed");
  ASSERT_NO_FATAL_FAILURE(wait_for(stays));
  ASSERT_NO_FATAL_FAILURE(wait_for(moves));
  EXPECT_EQ(client_->operation(moves).value, "moved");
}

TEST_P(ClientPartitions, WhatIsSentAgainIsWhatItWas) {
  start_servers_connected();
  std::vector<std::string> values;
  for (const size_t length : {size_t{0}, size_t{1}, size_t{10'000}, size_t{100'000}})
    values.emplace_back(length, static_cast<char>('a' + values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    Submission submission{.opcode = Opcode::kSet, .key = key_in(5, i)};
    if (values[i].size() < 50'000)
      submission.value = values[i];
    else
      submission.payload = std::make_unique<TextPayload>(values[i]);
    client_->submit(std::move(submission));
  }
  client_->flush();
  std::vector<Packet> requests;
  for (size_t i = 0; i < values.size(); ++i) requests.push_back(next_of(0));
  refuse_all(0, requests, "c");
  ASSERT_NO_FATAL_FAILURE(wait_until_sent_back());
  move(5, 1);
  std::map<std::string, std::string> stored;
  for (size_t i = 0; i < values.size(); ++i) {
    const Packet request = next_of(1);
    EXPECT_TRUE(stored.emplace(request.key.substr(1), request.value).second);
    grant(1, request);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(wait_for(i));
    EXPECT_EQ(outcome(i), layout::kOutcomeAnswered);
    EXPECT_TRUE(stored[key_in(5, i)] == values[i]) << i;
  }
}

TEST_P(ClientPartitions, AConfigurationIsToldWholeAndOnceForManyOperations) {
  start_servers_connected();
  for (const size_t length : {size_t{100}, size_t{20'000}, size_t{300'000}}) {
    const std::string configuration(length, 'c');
    const size_t before = sent_back().size();
    const base::Millis start = base::now();
    for (size_t i = 0; i < 20; ++i) client_->submit({.key = key_in(5, i)});
    client_->flush();
    std::vector<Packet> requests;
    for (size_t i = 0; i < 20; ++i) requests.push_back(next_of(0));
    refuse_all(0, requests, configuration);
    ASSERT_NO_FATAL_FAILURE(wait_until_sent_back(before + 1));
    EXPECT_TRUE(sent_back()[before].value == configuration);
    move(5, 1);
    for (size_t i = 0; i < 20; ++i) grant(1, next_of(1));
    ASSERT_TRUE(until([&] { return client_->client().active() == 0; }));
    EXPECT_LE(sent_back().size() - before, 1 + (base::now() - start) / 100);
    refusing_ = kNobody;
    move(5, 0);
  }
}

TEST_P(ClientPartitions, WhatOnlyTheCallerCanDecideIsTheCallers) {
  start_servers_connected();
  auto partitions = pipeline::Partitions::make(std::vector<int16_t>{0, 1}, 2, kServers);
  client_->client().route_by_partitions(std::move(partitions), {0, 1, 2});
  const size_t replica = client_->send({.opcode = Opcode::kGetReplica, .replica = 1});
  refuse(1, next_of(1), "words");
  const size_t noop = client_->submit_to(2, Opcode::kNoop, "");
  client_->flush();
  refuse(2, next_of(2), "words");
  for (const size_t operation : {replica, noop}) {
    ASSERT_NO_FATAL_FAILURE(wait_for(operation));
    EXPECT_EQ(client_->operation(operation).status, kNotMine);
    EXPECT_EQ(client_->operation(operation).value, "words");
  }
  EXPECT_EQ(client_->begin({.request = {.op = Opcode::kGetReplica, .replica = 2}}, "k"),
            layout::kRefusedNoCopy);
  EXPECT_TRUE(sent_back().empty());
}

TEST_P(ClientPartitions, WhatIsLostWasNotSentBack) {
  start_servers_connected();
  const size_t lost = client_->send({.opcode = Opcode::kSet, .key = key_in(5), .value = "v"});
  next_of(0);
  peers_[0]->reset();
  ASSERT_NO_FATAL_FAILURE(wait_for(lost));
  EXPECT_EQ(outcome(lost), layout::kOutcomeLost);
  EXPECT_TRUE(written(lost));
}

// Partitions that wander between servers, some of which lie, while connections break: nothing is executed
// twice, and what is said not to have been written is not executed at all.
TEST_P(ClientPartitions, WanderingSettleEachOperationOnceAndExecuteItAtMostOnce) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  std::mt19937_64 random(seed);
  pipeline::Options options = quick();
  options.connections = 2;
  start_servers(options);
  struct Served {
    std::unique_ptr<Peer> peer;
    uint16_t server;
    std::string output{};
  };
  std::vector<Served> served;
  Owners truth{};
  std::map<std::string, int> executions;
  std::vector<std::string> keys;
  bool is_calm = false;

  const auto serve = [&](Served& each) {
    while (const auto request = each.peer->request()) {
      Packet answer{.opcode = request->opcode, .opaque = request->opaque, .cas = 1};
      if (request->opcode == 0x0b) {
        answer.value = "7.6.0";
      } else if (truth[request->status] != each.server || (!is_calm && random() % 16 == 0)) {
        answer.status = random() % 4 == 0 ? kConfigOnly : kNotMine;
        answer.value = std::string(random() % 3 == 0 ? 20'000 : random() % 100, 'c');
      } else {
        EXPECT_EQ(request->value, "value of " + request->key.substr(1));
        ++executions[request->key.substr(1)];
      }
      each.output += encode(answer);
    }
    const size_t length = random() % 4 == 0 ? random() % (each.output.size() + 1) : each.output.size();
    each.peer->send(each.output.substr(0, length));
    each.output.erase(0, length);
    if (!is_calm && random() % 400 == 0) each.peer->reset();
  };
  const auto turn = [&] {
    for (uint16_t id = 0; id < kServers; ++id)
      while (auto peer = listeners_[id].accept()) served.push_back({std::move(peer), id});
    for (Served& each : served) serve(each);
    client_->turn();
  };
  for (int round = 0; round < 600; ++round) {
    for (size_t burst = random() % 4; burst-- > 0;) {
      const std::string key = "key:" + std::to_string(keys.size());
      Submission submission{.opcode = Opcode::kSet, .key = key, .timeout = kLongTimeout};
      if (random() % 3 == 0) submission.timeout = static_cast<uint32_t>(random() % 150);
      const std::string value = "value of " + key;
      if (random() % 4 == 0)
        submission.payload = std::make_unique<TextPayload>(value);
      else
        submission.value = value;
      client_->submit(std::move(submission));
      keys.push_back(key);
    }
    if (random() % 4 != 0) client_->flush(static_cast<pipeline::Flush>(random() % 3));
    if (random() % 8 == 0 && !keys.empty()) client_->cancel(random() % keys.size());
    if (random() % 8 == 0) truth[random() % kPartitions] = static_cast<int16_t>(random() % 4) - 1;
    if (random() % 8 == 0) {
      owners_ = truth;
      if (random() % 4 == 0) owners_[random() % kPartitions] = static_cast<int16_t>(random() % 4) - 1;
      ASSERT_NO_FATAL_FAILURE(publish());
    }
    turn();
  }
  is_calm = true;
  for (int16_t& owner : truth) owner = static_cast<int16_t>(random() % kServers);
  owners_ = truth;
  publish();
  client_->flush();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (client_->client().active() > 0 && std::chrono::steady_clock::now() < end) turn();
  ASSERT_EQ(client_->client().active(), 0u);
  EXPECT_EQ(client_->client().queued_bytes(), 0u);
  size_t answered = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const Operation& operation = client_->operation(i);
    const int times = executions[keys[i]];
    const bool was_answered = operation.settled && operation.outcome == layout::kOutcomeAnswered;
    ASSERT_LE(times, 1) << keys[i];
    if (was_answered) {
      ASSERT_EQ(times, 1) << keys[i];
      ASSERT_EQ(operation.status, 0) << keys[i];
    }
    if (operation.settled && !operation.cancelled && !operation.written) {
      ASSERT_EQ(times, 0) << keys[i];
    }
    answered += was_answered ? 1 : 0;
  }
  EXPECT_GT(answered, keys.size() / 3);
}

}  // namespace
}  // namespace evenkeel::test
