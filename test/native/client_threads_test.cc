// Clients on one loop, hammered from their own thread: for ThreadSanitizer above all.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "base/loop_thread.h"
#include "batches.h"
#include "chaos_server.h"
#include "inbox_harness.h"
#include "pipeline/client.h"
#include "seed.h"

namespace evenkeel::test {
namespace {

using Opcode = wire::Op;

// Without a book, which would slow it down: it counts.
class Hammer final : private pipeline::ClientListener {
 public:
  Hammer(base::LoopThread* loop, uint16_t port, uint64_t seed)
      : random_(seed), client_(pipeline::Client::create(loop->base(), true, options(), allocator_, *this)) {
    client_->add_server(0, wire::memcache::kBinary, binary_steps());
    client_->route_by(std::make_unique<pipeline::Single>(), {0});
    client_->set_addresses(0, {*net::Address::ip("127.0.0.1", port)});
  }

  void strike() {
    for (int burst = 0; burst < 20; ++burst) submit();
    if (random_() % 3 != 0) client_->flush(static_cast<pipeline::Flush>(random_() % 3));
    if (!slots_.empty() && random_() % 2 == 0) cancel(slots_[random_() % slots_.size()]);
    if (slots_.size() > 256) slots_.clear();
    if (is_ready_.exchange(false)) take();
  }
  void close() { client_->close(); }
  void tear_down() { client_->tear_down(); }
  void take() {
    while (const uint32_t taken = client_->take(records_.data(), kRecords, slab_, 0)) {
      for (uint32_t i = 0; i < taken; ++i) {
        const uint32_t* record = &records_[size_t{i} * layout::kRecordWords];
        const uint32_t word = record[layout::kRecordOutcome];
        if (record[layout::kRecordSlot] == layout::kControlSlot) {
          has_ended_ |= (word & layout::kOutcomeMask) == layout::kOutcomeEnded;
          continue;
        }
        released_ += (word & layout::kOutcomeReleaseBit) != 0 ? 1 : 0;
        if ((word & layout::kOutcomeLargeBit) != 0) client_->take_large(record[layout::kRecordValueOffset]);
      }
    }
  }
  bool has_ended() const { return has_ended_; }
  size_t submitted() const { return submitted_; }
  size_t released() const { return released_; }
  uint32_t active() const { return client_->active(); }

 private:
  static constexpr uint32_t kRecords = 256;

  static pipeline::Options options() {
    pipeline::Options options;
    options.backoff_min = options.backoff_max = 1;
    options.max_operations = 2000;
    return options;
  }

  void submit() {
    const bool is_set = random_() % 2 == 0;
    const std::string key = "key:" + std::to_string(random_() % 10 == 0 ? 20'000 : 20);
    pipeline::Client::Call call{.request = {.op = is_set ? Opcode::kSet : Opcode::kGet},
                                .timeout = static_cast<uint32_t>(1 + random_() % 100)};
    if (client_->begin(call, as_bytes(key), 0) != 0) return;
    const bool is_by_reference = is_set && random_() % 4 == 0;
    slots_.push_back(is_by_reference
                         ? client_->commit(0, std::make_unique<TextPayload>(std::string(5000, 'p')))
                         : client_->commit(0));
    ++submitted_;
  }
  void cancel(uint32_t slot) { client_->cancel(slot); }
  void on_completions_ready() override { is_ready_ = true; }

  std::mt19937_64 random_;
  HeapAllocator allocator_;
  std::atomic<bool> is_ready_{false};
  std::vector<uint32_t> records_ = std::vector<uint32_t>(size_t{kRecords} * layout::kRecordWords);
  std::vector<std::byte> slab_ = std::vector<std::byte>(layout::kSlabBytes);
  std::vector<uint32_t> slots_;  // some of them over
  size_t submitted_ = 0;
  size_t released_ = 0;
  bool has_ended_ = false;
  const std::shared_ptr<pipeline::Client> client_;
};

class ClientThreads : public testing::Test {
 protected:
  void SetUp() override {
    Status status;
    loop_ = base::LoopThread::start("test", &status);
    ASSERT_TRUE(status.is_ok());
  }
  void TearDown() override {
    loop_.reset();
    EXPECT_EQ(base::counters.pipelines.load(), 0);
    EXPECT_EQ(base::counters.streams.load(), 0);
    EXPECT_EQ(base::counters.payloads.load(), 0);
    EXPECT_EQ(base::counters.large_values.load(), 0);
    EXPECT_EQ(base::counters.unsettled.load(), 0);
  }
  std::unique_ptr<base::LoopThread> loop_;
};

constexpr ChaosServer::Faults kSomeFaults{.reset = 5, .cut = 5, .silence = 20, .garbage = 5, .stall = 20};

TEST_F(ClientThreads, HammeringSeveralClientsOfOneLoopAndClosingThemInFullSwing) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  ChaosServer server(seed, kSomeFaults);
  std::vector<std::unique_ptr<Hammer>> hammers;
  for (uint64_t i = 0; i < 3; ++i)
    hammers.push_back(std::make_unique<Hammer>(loop_.get(), server.port(), seed + i));
  while (hammers.back()->submitted() < 10'000) {
    for (const auto& hammer : hammers) hammer->strike();
  }
  for (const auto& hammer : hammers) {
    hammer->close();
    while (!hammer->has_ended()) hammer->take();
    hammer->take();
    EXPECT_EQ(hammer->released(), hammer->submitted());
    EXPECT_EQ(hammer->active(), 0u);
    EXPECT_GT(hammer->submitted(), 0u);
  }
}

// What the end of an environment does: the loop is joined first, and the pipeline torn down on the caller's
// thread.
TEST_F(ClientThreads, TearingDownAfterTheLoopHasEnded) {
  const uint64_t seed = choose_seed();
  SCOPED_TRACE(describe_seed(seed));
  ChaosServer server(seed, kSomeFaults);
  for (int round = 0; round < 20; ++round) {
    SetUp();
    Hammer hammer(loop_.get(), server.port(), seed + static_cast<uint64_t>(round));
    for (int i = 0; i < round * 5; ++i) hammer.strike();
    loop_->stop();
    hammer.tear_down();
    hammer.take();
    loop_.reset();
  }
}

TEST_F(ClientThreads, ClosingAtOnce) {
  ChaosServer server(1, {});
  for (uint64_t round = 0; round < 100; ++round) {
    Hammer hammer(loop_.get(), server.port(), round);
    if (round % 2 == 0) hammer.strike();
    hammer.close();
    while (!hammer.has_ended()) hammer.take();
  }
}

}  // namespace
}  // namespace evenkeel::test
