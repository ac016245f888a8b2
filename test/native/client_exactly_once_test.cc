// Random operations against a server with random faults. Whatever happens: every operation settles once (the
// harness keeps the book), gets what was meant for it, and is executed at most once, and not at all when it
// is said never to have been written.
#include <gtest/gtest.h>

#include <random>

#include "chaos_server.h"
#include "client_harness.h"
#include "client_test.h"
#include "seed.h"

namespace evenkeel::test {
namespace {

class ExactlyOnce : public testing::TestWithParam<Drive> {
 protected:
  void TearDown() override {
    EXPECT_EQ(base::counters.pipelines.load(), 0);
    EXPECT_EQ(base::counters.streams.load(), 0);
    EXPECT_EQ(base::counters.payloads.load(), 0);
    EXPECT_EQ(base::counters.large_values.load(), 0);
    EXPECT_EQ(base::counters.unsettled.load(), 0);
  }

  Submission any_operation() {
    Submission submission;
    const uint64_t number = ++count_;
    const size_t length = random_() % 50 == 0 ? 10'000 + random_() % 60'000 : random_() % 200;
    submission.key = std::to_string(number) + ":" + std::to_string(length);
    submission.timeout = random_() % 3 == 0 ? static_cast<uint32_t>(random_() % 20) : kLongTimeout;
    submission.discards_value = random_() % 5 == 0;
    if (random_() % 2 == 0) return submission;
    submission.opcode = Opcode::kSet;
    submission.discards_value = false;
    if (random_() % 4 == 0) {
      submission.payload = std::make_unique<TextPayload>(std::string(length * 10, 'p'));
    } else {
      submission.value = std::string(length, 'v');
    }
    return submission;
  }

  void run_round(const pipeline::Options& options, ChaosServer::Faults faults, size_t operations) {
    ChaosServer server(random_(), faults);
    std::vector<Opcode> opcodes;
    std::vector<std::string> keys;
    std::vector<bool> discards;
    ClientHarness client(GetParam(), options);
    client.client().route_by(pipeline::Modulo::make(pipeline::KeyHash::kOneAtATime, 1), {0});
    client.connect(server.port());
    while (keys.size() < operations) {
      for (size_t burst = random_() % 30; burst-- > 0 && client.client().available() > 0;) {
        Submission submission = any_operation();
        opcodes.push_back(submission.opcode);
        keys.push_back(submission.key);
        discards.push_back(submission.discards_value);
        client.submit(std::move(submission));
        if (random_() % 20 == 0) client.flush(static_cast<pipeline::Flush>(random_() % 3));
      }
      if (random_() % 4 != 0) client.flush();
      if (random_() % 4 == 0 && !keys.empty()) client.cancel(random_() % keys.size());
      client.turn();
    }
    client.flush();
    if (random_() % 2 == 0) {  // every deadline that is near has passed, and most answers are there
      const base::Millis until = base::now() + 40;
      while (base::now() < until) client.turn();
    }
    client.close();
    server.stop();

    for (size_t i = 0; i < keys.size(); ++i) {
      const Operation& operation = client.operation(i);
      const int executions = opcodes[i] == Opcode::kSet ? server.executions(keys[i]) : 0;
      const bool was_answered = operation.settled && operation.outcome == layout::kOutcomeAnswered;
      ASSERT_LE(executions, 1) << keys[i];
      if (opcodes[i] == Opcode::kSet && was_answered) {
        ASSERT_EQ(executions, 1) << keys[i];
      }
      if (operation.settled && !operation.cancelled && !operation.written) {
        ASSERT_EQ(executions, 0) << keys[i];
      }
      if (opcodes[i] == Opcode::kGet && was_answered) {
        ASSERT_TRUE(operation.value == (discards[i] ? "" : ChaosServer::value_of(keys[i]))) << keys[i];
      }
      answered_ += was_answered ? 1 : 0;
      others_ += was_answered ? 0 : 1;
    }
  }

  std::mt19937_64 random_;
  uint64_t count_ = 0;
  size_t answered_ = 0;
  size_t others_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, ExactlyOnce, kBothDrives, drive_name);

TEST_P(ExactlyOnce, UnderRandomFaults) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  random_.seed(seed);
  for (int round = 0; round < 12; ++round) {
    pipeline::Options options;
    options.backoff_min = 1 + random_() % 4;
    options.backoff_max = options.backoff_min * 2;
    options.silence_limit = random_() % 2 == 0 ? 10 : 2500;
    options.offline = random_() % 4 != 0 ? pipeline::Offline::kWait : pipeline::Offline::kFail;
    options.max_written = random_() % 2 == 0 ? 1 + static_cast<uint32_t>(random_() % 50) : 16384;
    options.max_operations = random_() % 4 == 0 ? 64 : 4096;
    options.connect_timeout = 50;
    options.connections = static_cast<uint16_t>(1 + random_() % 3);
    const auto rate = [this] { return random_() % 2 == 0 ? static_cast<uint32_t>(random_() % 200) : 0; };
    run_round(options,
              {.reset = rate(), .cut = rate(), .silence = rate(), .garbage = rate(), .stall = rate()}, 600);
    if (HasFailure()) break;
  }
  EXPECT_GT(answered_, 0u);
  EXPECT_GT(others_, 0u);
}

TEST_P(ExactlyOnce, AgainstAServerThatBehavesEverythingIsAnswered) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  random_.seed(seed);
  ChaosServer server(random_(), {});
  ClientHarness client(GetParam(), {});
  client.connect(server.port());
  size_t operations = 0;
  for (int burst = 0; burst < 100; ++burst, client.turn()) {
    for (int i = 0; i < 50; ++i, ++operations) {
      Submission submission = any_operation();
      submission.timeout = kLongTimeout;
      client.submit(std::move(submission));
    }
    client.flush();
  }
  ASSERT_TRUE(client.until([&] { return client.settled(operations - 1) && client.client().active() == 0; }));
  for (const Operation& operation : client.operations())
    ASSERT_EQ(operation.outcome, layout::kOutcomeAnswered);
}

}  // namespace
}  // namespace evenkeel::test
