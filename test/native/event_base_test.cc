#include "base/event_base.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "pipe.h"

namespace evenkeel::base {
namespace {

struct Watcher final : DescriptorHandler {
  std::function<void(bool readable, bool writable)> then;
  int calls = 0;
  void on_ready(bool readable, bool writable) override {
    ++calls;
    if (then) then(readable, writable);
  }
};

struct Alarm final : Timer {
  std::function<void()> then;
  int calls = 0;
  void on_timer() override {
    ++calls;
    if (then) then();
  }
};

class EventBaseTest : public testing::Test {
 protected:
  void SetUp() override {
    Status status;
    base_ = EventBase::create(&status);
    ASSERT_TRUE(status.is_ok());
  }

  bool is_readable_from_outside() const {
    pollfd outer{.fd = base_->descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&outer, 1, 0) == 1;
  }

  // Turns until the condition holds; the test's own time limit is what catches one that never does.
  template <typename Condition>
  void poll_until(Condition condition) {
    while (!condition()) base_->poll(100);
  }

  std::unique_ptr<EventBase> base_;
  Pipe pipe_;
};

TEST_F(EventBaseTest, CallsTheHandlerWhileItsDescriptorIsReady) {
  Watcher watcher;
  watcher.then = [](bool readable, bool writable) {
    EXPECT_TRUE(readable);
    EXPECT_FALSE(writable);
  };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &watcher).is_ok());
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 0);
  pipe_.put();
  base_->poll(-1);
  base_->poll(-1);
  EXPECT_EQ(watcher.calls, 2);
  pipe_.drain();
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 2);
  base_->unwatch(pipe_.reader());
}

// The kernel knows the open file, and that lives on in a duplicate or a child: a base that still had it could
// not be rid of it any more, and would turn for ever.
TEST_F(EventBaseTest, WhatAnotherThreadHasUnwatchedMayBeClosedAtOnceThoughADuplicateLivesOn) {
  Watcher watcher;
  for (int round = 0; round < 20; ++round) {
    const int watched = dup(pipe_.reader());
    const int elsewhere = dup(pipe_.reader());
    ASSERT_TRUE(base_->watch(watched, Interest::kRead, &watcher).is_ok());
    std::thread([&] {
      base_->unwatch(watched);
      close(watched);
    }).join();
    pipe_.put();
    EXPECT_FALSE(is_readable_from_outside());
    close(elsewhere);
    pipe_.drain();
  }
  EXPECT_EQ(base_->stats().descriptors, 0u);
  EXPECT_EQ(watcher.calls, 0);
}

TEST_F(EventBaseTest, AnotherThreadWatchesAndUnwatchesWhileTheBaseTurns) {
  Watcher watcher;
  std::atomic<bool> done{false};
  pipe_.put();
  std::thread other([&] {
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &watcher).is_ok());
      if (i % 2 == 0) std::this_thread::yield();
      base_->unwatch(pipe_.reader());
    }
    done = true;
  });
  while (!done) base_->poll(0);
  other.join();
  const int calls = watcher.calls;
  base_->poll(0);
  EXPECT_EQ(watcher.calls, calls);
}

TEST_F(EventBaseTest, InterestDecidesWhatIsHeard) {
  Watcher watcher;
  ASSERT_TRUE(base_->watch(pipe_.writer(), Interest::kNone, &watcher).is_ok());
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 0);
  ASSERT_TRUE(base_->set_interest(pipe_.writer(), Interest::kWrite).is_ok());
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 1);
  ASSERT_TRUE(base_->set_interest(pipe_.writer(), Interest::kNone).is_ok());
  // A broken pipe is reported to nobody who did not ask.
  pipe_.close_reader();
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 1);
  base_->unwatch(pipe_.writer());
}

TEST_F(EventBaseTest, MistakesComeBackAsStatuses) {
  Watcher watcher;
  EXPECT_EQ(base_->watch(-1, Interest::kRead, &watcher).error(), EBADF);
  EXPECT_EQ(base_->watch(1'000'000, Interest::kRead, &watcher).error(), EBADF);
  EXPECT_EQ(base_->set_interest(pipe_.reader(), Interest::kRead).error(), ENOENT);
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &watcher).is_ok());
  EXPECT_EQ(base_->watch(pipe_.reader(), Interest::kRead, &watcher).error(), EEXIST);
  base_->unwatch(pipe_.reader());
  base_->unwatch(pipe_.reader());
  base_->unwatch(-1);
}

TEST_F(EventBaseTest, AHandlerMayEndItsOwnWatch) {
  Watcher watcher;
  watcher.then = [&](bool, bool) { base_->unwatch(pipe_.reader()); };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &watcher).is_ok());
  pipe_.put();
  base_->poll(0);
  base_->poll(0);
  EXPECT_EQ(watcher.calls, 1);
  EXPECT_EQ(base_->stats().descriptors, 0u);
}

TEST_F(EventBaseTest, AHandlerMayEndAnothersWatchThatIsReadyInTheSameTurn) {
  Pipe other;
  Watcher first, second;
  first.then = [&](bool, bool) { base_->unwatch(other.reader()); };
  second.then = [&](bool, bool) { base_->unwatch(pipe_.reader()); };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &first).is_ok());
  ASSERT_TRUE(base_->watch(other.reader(), Interest::kRead, &second).is_ok());
  pipe_.put();
  other.put();
  base_->poll(0);
  EXPECT_EQ(first.calls + second.calls, 1);
}

TEST_F(EventBaseTest, AWatchBegunAnewDoesNotInheritTheTurnsReadiness) {
  Pipe other;
  Watcher first, second, successor;
  // Whichever runs first replaces the other's watch, under the same descriptor number.
  const auto replace = [&](Pipe& pipe) {
    if (first.calls + second.calls > 1) return;
    base_->unwatch(pipe.reader());
    ASSERT_TRUE(base_->watch(pipe.reader(), Interest::kRead, &successor).is_ok());
  };
  first.then = [&](bool, bool) { replace(other); };
  second.then = [&](bool, bool) { replace(pipe_); };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &first).is_ok());
  ASSERT_TRUE(base_->watch(other.reader(), Interest::kRead, &second).is_ok());
  pipe_.put();
  other.put();
  base_->poll(0);
  EXPECT_EQ(first.calls + second.calls, 1);
  EXPECT_EQ(successor.calls, 0);
  base_->poll(0);
  EXPECT_EQ(successor.calls, 1);
}

TEST_F(EventBaseTest, AHandlerMayWatchManyMore) {
  std::vector<std::unique_ptr<Pipe>> pipes;
  Watcher parent, child;
  parent.then = [&](bool, bool) {
    base_->unwatch(pipe_.reader());
    for (int i = 0; i < 200; ++i) {
      pipes.push_back(std::make_unique<Pipe>());
      pipes.back()->put();
      ASSERT_TRUE(base_->watch(pipes.back()->reader(), Interest::kRead, &child).is_ok());
    }
  };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &parent).is_ok());
  pipe_.put();
  base_->poll(0);
  EXPECT_EQ(child.calls, 0);
  base_->poll(0);
  EXPECT_EQ(child.calls, 200);
}

TEST_F(EventBaseTest, ATimerFiresOnceNotBeforeItsDeadline) {
  Alarm alarm;
  const Millis deadline = now() + 5;
  base_->schedule(&alarm, deadline);
  EXPECT_LE(base_->next_deadline(), deadline);
  alarm.then = [&] {
    EXPECT_GE(base_->time(), deadline);
    EXPECT_GE(now(), deadline);
  };
  while (alarm.calls == 0) base_->poll(-1);
  EXPECT_EQ(base_->next_deadline(), kNever);
  base_->poll(0);
  EXPECT_EQ(alarm.calls, 1);
}

TEST_F(EventBaseTest, ATimeoutShorterThanTheNextTimerHolds) {
  Alarm alarm;
  base_->schedule(&alarm, now() + 3'600'000);
  base_->poll(1);
  EXPECT_EQ(alarm.calls, 0);
}

TEST_F(EventBaseTest, ATimerMadeDueByATimerWaitsForTheNextTurn) {
  Alarm greedy, other;
  greedy.then = [&] { base_->schedule(&greedy, 0); };
  base_->schedule(&greedy, 0);
  base_->schedule(&other, 0);
  base_->poll(-1);
  EXPECT_EQ(greedy.calls, 1);
  EXPECT_EQ(other.calls, 1);
  EXPECT_LE(base_->next_deadline(), base_->time());
  base_->poll(-1);
  EXPECT_EQ(greedy.calls, 2);
}

TEST_F(EventBaseTest, ATimerMayCancelOneDueInTheSameTurn) {
  Alarm first, second;
  first.then = [&] {
    second.cancel();
    EXPECT_EQ(base_->stats().timers, 0u);
  };
  base_->schedule(&first, 0);
  base_->schedule(&second, 0);
  base_->poll(0);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
}

TEST_F(EventBaseTest, ATimerMayDieInItsOwnHandlerAndWhileScheduled) {
  auto suicidal = std::make_unique<Alarm>();
  auto pending = std::make_unique<Alarm>();
  suicidal->then = [&] {
    pending.reset();
    suicidal.reset();
  };
  base_->schedule(suicidal.get(), 0);
  base_->schedule(pending.get(), 0);
  base_->poll(0);
  EXPECT_EQ(suicidal, nullptr);
  EXPECT_EQ(base_->stats().timers, 0u);
}

TEST_F(EventBaseTest, ATimerMovesToTheBaseThatSchedulesItLast) {
  Status status;
  const auto other = EventBase::create(&status);
  Alarm alarm;
  base_->schedule(&alarm, 0);
  other->schedule(&alarm, 0);
  base_->poll(0);
  EXPECT_EQ(alarm.calls, 0);
  other->poll(0);
  EXPECT_EQ(alarm.calls, 1);
}

TEST_F(EventBaseTest, TasksOfEachThreadRunInTheOrderPosted) {
  constexpr int kThreads = 4, kTasks = 5000;
  std::vector<int> next(kThreads, 0);
  int run = 0;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kTasks; ++i) {
        base_->post([&, thread, i] {
          EXPECT_EQ(next[thread]++, i);
          ++run;
        });
      }
    });
  }
  while (run < kThreads * kTasks) base_->poll(-1);
  for (std::thread& thread : threads) thread.join();
}

TEST_F(EventBaseTest, ManyPostsAreOneWakeup) {
  int run = 0;
  for (int i = 0; i < 1000; ++i) base_->post([&] { ++run; });
  EXPECT_TRUE(is_readable_from_outside());
  base_->poll(-1);
  EXPECT_EQ(run, 1000);
  EXPECT_EQ(base_->stats().wakeups, 1u);
  EXPECT_FALSE(is_readable_from_outside());
}

TEST_F(EventBaseTest, ATaskPostedByATaskRunsInTheNextTurn) {
  int run = 0;
  std::function<void()> again = [&] {
    ++run;
    base_->post(again);
  };
  base_->post(again);
  base_->poll(-1);
  EXPECT_EQ(run, 1);
  EXPECT_TRUE(is_readable_from_outside());
  base_->poll(-1);
  EXPECT_EQ(run, 2);
}

TEST_F(EventBaseTest, WhatATaskCapturedGoesWithIt) {
  auto captured = std::make_shared<int>(1);
  const std::weak_ptr<int> observer = captured;
  bool gone_before_the_next = false;
  base_->post([captured = std::move(captured)] {});
  base_->post([&] { gone_before_the_next = observer.expired(); });
  base_->poll(-1);
  EXPECT_TRUE(gone_before_the_next);
}

TEST_F(EventBaseTest, NestsInAnotherBase) {
#if !defined(__linux__)
  GTEST_SKIP() << "a nested kqueue may never fire";
#endif
  Status status;
  const auto outer = EventBase::create(&status);
  Watcher inner_watcher, nested;
  inner_watcher.then = [&](bool, bool) { pipe_.drain(); };
  nested.then = [&](bool, bool) { base_->poll(0); };
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &inner_watcher).is_ok());
  ASSERT_TRUE(outer->watch(base_->descriptor(), Interest::kRead, &nested).is_ok());
  outer->poll(0);
  EXPECT_EQ(nested.calls, 0);

  pipe_.put();
  while (inner_watcher.calls == 0) outer->poll(-1);
  int run = 0;
  std::thread poster([&] { base_->post([&] { ++run; }); });
  while (run == 0) outer->poll(-1);
  poster.join();

  // Once everything is dealt with the outer loop has no reason to look again.
  const int calls = nested.calls;
  outer->poll(0);
  outer->poll(0);
  EXPECT_LE(nested.calls, calls + 1);
}

TEST_F(EventBaseTest, CountsWhatItDid) {
  Watcher watcher;
  Alarm alarm, later;
  ASSERT_TRUE(base_->watch(pipe_.reader(), Interest::kRead, &watcher).is_ok());
  pipe_.put();
  base_->schedule(&alarm, 0);
  base_->schedule(&later, kNever);
  base_->post([] {});
  base_->poll(0);
  const EventBaseStats stats = base_->stats();
  EXPECT_EQ(stats.polls, 1u);
  EXPECT_EQ(stats.wakeups, 1u);
  EXPECT_EQ(stats.ready_events, 1u);
  EXPECT_EQ(stats.timers_fired, 1u);
  EXPECT_EQ(stats.descriptors, 1u);
  EXPECT_EQ(stats.timers, 1u);
}

TEST_F(EventBaseTest, DiesWithTimersAndTasksPendingAndRunsNone) {
  Alarm pending, due;
  auto released = std::make_shared<int>(1);
  const std::weak_ptr<int> observer = released;
  bool ran = false;
  base_->schedule(&pending, kNever);
  base_->schedule(&due, 0);
  base_->post([&ran, released = std::move(released)] { ran = true; });
  base_.reset();
  EXPECT_FALSE(pending.scheduled());
  EXPECT_FALSE(due.scheduled());
  EXPECT_TRUE(observer.expired());
  EXPECT_FALSE(ran);
  pending.cancel();
}

TEST_F(EventBaseTest, WhatATaskOwnsMayUseTheDyingBase) {
  struct Parting {
    EventBase* base;
    std::shared_ptr<int> farewells;
    explicit Parting(EventBase* b, std::shared_ptr<int> f) : base(b), farewells(std::move(f)) {}
    ~Parting() {
      base->post([farewells = farewells] {});
      ++*farewells;
    }
  };
  const auto farewells = std::make_shared<int>(0);
  base_->post([parting = std::make_shared<Parting>(base_.get(), farewells)] {});
  base_.reset();
  EXPECT_EQ(*farewells, 1);
  EXPECT_EQ(farewells.use_count(), 1);
}

}  // namespace
}  // namespace evenkeel::base
