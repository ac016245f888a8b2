#include "base/poller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "pipe.h"

namespace evenkeel::base {
namespace {

constexpr uint64_t kTag = 0x1234'5678'9abc'def0;

class PollerTest : public testing::Test {
 protected:
  void SetUp() override {
    Status status;
    poller_ = create_poller(&status);
    ASSERT_TRUE(status.is_ok());
    ASSERT_NE(poller_, nullptr);
  }

  std::vector<Ready> wait(int timeout_ms, size_t room = 16) {
    std::vector<Ready> ready(room);
    ready.resize(static_cast<size_t>(poller_->wait(ready, timeout_ms)));
    return ready;
  }

  bool is_readable_from_outside() const {
    pollfd outer{.fd = poller_->descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&outer, 1, 0) == 1;
  }

  std::unique_ptr<Poller> poller_;
  Pipe pipe_;
};

TEST_F(PollerTest, ReportsAReadableDescriptorUntilItIsDrained) {
  ASSERT_TRUE(poller_->add(pipe_.reader(), Interest::kRead, kTag).is_ok());
  EXPECT_TRUE(wait(0).empty());
  pipe_.put();
  for (int turn = 0; turn < 2; ++turn) {
    const auto ready = wait(-1);
    ASSERT_EQ(ready.size(), 1u);
    EXPECT_EQ(ready[0].tag, kTag);
    EXPECT_TRUE(ready[0].readable);
    EXPECT_FALSE(ready[0].writable);
  }
  pipe_.drain();
  EXPECT_TRUE(wait(0).empty());
}

TEST_F(PollerTest, ReportsAWritableDescriptorUntilItIsFull) {
  ASSERT_TRUE(poller_->add(pipe_.writer(), Interest::kWrite, kTag).is_ok());
  const auto ready = wait(-1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_TRUE(ready[0].writable);
  EXPECT_FALSE(ready[0].readable);
  pipe_.fill();
  EXPECT_TRUE(wait(0).empty());
}

TEST_F(PollerTest, FollowsAChangeOfInterestAndTag) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  ASSERT_TRUE(poller_->add(pair[0], Interest::kNone, 1).is_ok());
  EXPECT_TRUE(wait(0).empty());
  ASSERT_TRUE(poller_->modify(pair[0], Interest::kWrite, 2).is_ok());
  auto ready = wait(-1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].tag, 2u);
  ASSERT_TRUE(poller_->modify(pair[0], Interest::kRead, 3).is_ok());
  EXPECT_TRUE(wait(0).empty());
  ASSERT_EQ(write(pair[1], "x", 1), 1);
  ready = wait(-1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].tag, 3u);
  ASSERT_TRUE(poller_->modify(pair[0], Interest::kReadWrite, 4).is_ok());
  bool readable = false, writable = false;
  for (const Ready& entry : wait(-1)) {
    EXPECT_EQ(entry.tag, 4u);
    readable |= entry.readable;
    writable |= entry.writable;
  }
  EXPECT_TRUE(readable && writable);
  ASSERT_TRUE(poller_->modify(pair[0], Interest::kNone, 5).is_ok());
  EXPECT_TRUE(wait(0).empty());
  EXPECT_TRUE(poller_->remove(pair[0]).is_ok());
  close(pair[0]);
  close(pair[1]);
}

TEST_F(PollerTest, AHangUpReachesTheReader) {
  ASSERT_TRUE(poller_->add(pipe_.reader(), Interest::kRead, kTag).is_ok());
  pipe_.close_writer();
  const auto ready = wait(-1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_TRUE(ready[0].readable);
}

TEST_F(PollerTest, ABrokenPipeReachesTheWriter) {
  pipe_.fill();
  ASSERT_TRUE(poller_->add(pipe_.writer(), Interest::kWrite, kTag).is_ok());
  EXPECT_TRUE(wait(0).empty());
  pipe_.close_reader();
  const auto ready = wait(-1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_TRUE(ready[0].writable);
}

TEST_F(PollerTest, AHangUpNobodyAsksForDoesNotKeepTheLoopSpinning) {
  ASSERT_TRUE(poller_->add(pipe_.reader(), Interest::kNone, kTag).is_ok());
  pipe_.close_writer();
  size_t reports = 0;
  for (int turn = 0; turn < 5; ++turn) reports += wait(0).size();
  EXPECT_LE(reports, 1u);
  ASSERT_TRUE(poller_->modify(pipe_.reader(), Interest::kRead, kTag).is_ok());
  EXPECT_EQ(wait(-1).size(), 1u);
}

TEST_F(PollerTest, ARemovedDescriptorIsSilent) {
  ASSERT_TRUE(poller_->add(pipe_.reader(), Interest::kRead, kTag).is_ok());
  pipe_.put();
  ASSERT_TRUE(poller_->remove(pipe_.reader()).is_ok());
  EXPECT_TRUE(wait(0).empty());
}

TEST_F(PollerTest, AnOpenFailureComesBackAsAStatus) {
  EXPECT_EQ(poller_->add(1'000'000, Interest::kRead, kTag).error(), EBADF);
}

TEST_F(PollerTest, MoreReadyThanRoomComesOverSeveralWaits) {
  std::vector<std::unique_ptr<Pipe>> pipes;
  for (uint64_t i = 0; i < 10; ++i) {
    pipes.push_back(std::make_unique<Pipe>());
    pipes.back()->put();
    ASSERT_TRUE(poller_->add(pipes.back()->reader(), Interest::kRead, i).is_ok());
  }
  std::array<bool, 10> seen{};
  for (int turn = 0; turn < 10; ++turn) {
    for (const Ready& ready : wait(0, 3)) seen[ready.tag] = true;
  }
  for (const bool one : seen) EXPECT_TRUE(one);
}

TEST_F(PollerTest, ATimeoutEndsTheWait) { EXPECT_TRUE(wait(1).empty()); }

TEST_F(PollerTest, AWakeEndsTheNextWaitAndIsNotAmongTheReady) {
  poller_->wake();
  EXPECT_TRUE(wait(-1).empty());
}

TEST_F(PollerTest, WakesCoalesceAndEachBatchIsSwallowedOnce) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(is_readable_from_outside());
    for (int i = 0; i < 100; ++i) poller_->wake();
    EXPECT_TRUE(is_readable_from_outside());
    EXPECT_TRUE(wait(-1).empty());
  }
  EXPECT_FALSE(is_readable_from_outside());
}

TEST_F(PollerTest, NoWakeFromAnotherThreadIsLost) {
  constexpr int kRounds = 20'000;
  std::atomic<int> posted{0}, seen{0};
  std::thread waker([&] {
    for (int i = 1; i <= kRounds; ++i) {
      posted.store(i, std::memory_order_relaxed);
      poller_->wake();
      // Every other one races the end of the wait that the one before it caused.
      if (i % 2 == 0) {
        while (seen.load() < i) std::this_thread::yield();
      }
    }
  });
  while (seen.load() < kRounds) {
    wait(-1);
    seen.store(posted.load(std::memory_order_relaxed));
  }
  waker.join();
}

TEST_F(PollerTest, ItsDescriptorIsReadableWhileSomethingIsReady) {
  ASSERT_TRUE(poller_->add(pipe_.reader(), Interest::kRead, kTag).is_ok());
  EXPECT_FALSE(is_readable_from_outside());
  pipe_.put();
  EXPECT_TRUE(is_readable_from_outside());
  wait(0);
  EXPECT_TRUE(is_readable_from_outside());
  pipe_.drain();
  EXPECT_FALSE(is_readable_from_outside());
}

TEST_F(PollerTest, ItsDescriptorDoesNotSurviveExec) {
  EXPECT_NE(fcntl(poller_->descriptor(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace evenkeel::base
