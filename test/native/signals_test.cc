#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/event_base.h"

namespace evenkeel::base {
namespace {

std::atomic<int> earlier_calls{0};
std::atomic<int> earlier_code{0};

void earlier_plain(int) { earlier_calls.fetch_add(1); }

void earlier_with_info(int, siginfo_t* info, void*) {
  earlier_calls.fetch_add(1);
  earlier_code.store(info->si_code);
}

struct Listener final : SignalHandler {
  std::function<void(int)> then;
  int calls = 0;
  int last = 0;
  void on_signal(int signo) override {
    ++calls;
    last = signo;
    if (then) then(signo);
  }
};

std::unique_ptr<EventBase> make_base() {
  Status status;
  auto base = EventBase::create(&status);
  EXPECT_TRUE(status.is_ok());
  return base;
}

struct sigaction current_action(int signo) {
  struct sigaction action {};
  sigaction(signo, nullptr, &action);
  return action;
}

// Every test leaves SIGUSR1 and SIGUSR2 as it found them: ignored, so that a slip does not kill the run.
class SignalsTest : public testing::Test {
 protected:
  void SetUp() override {
    earlier_calls = 0;
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
  }
  void TearDown() override {
    EXPECT_EQ(current_action(SIGUSR1).sa_handler, expected_) << "the previous disposition did not come back";
    EXPECT_EQ(current_action(SIGUSR2).sa_handler, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
  }

  void (*expected_)(int) = SIG_IGN;
};

TEST_F(SignalsTest, ASignalReachesItsHandlerInsideThePoll) {
  const auto base = make_base();
  Listener listener;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
  raise(SIGUSR1);
  EXPECT_EQ(listener.calls, 0);
  base->poll(-1);
  EXPECT_EQ(listener.calls, 1);
  EXPECT_EQ(listener.last, SIGUSR1);
  base->unwatch_signal(SIGUSR1, &listener);
  raise(SIGUSR1);
  base->poll(0);
  EXPECT_EQ(listener.calls, 1);
}

TEST_F(SignalsTest, ASignalEndsAPollThatWaits) {
  const auto base = make_base();
  Listener listener;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
  std::thread sender([] { kill(getpid(), SIGUSR1); });
  while (listener.calls == 0) base->poll(-1);
  sender.join();
}

TEST_F(SignalsTest, APlainHandlerInstalledBeforeStillRunsAndComesBack) {
  signal(SIGUSR1, earlier_plain);
  expected_ = earlier_plain;
  const auto base = make_base();
  Listener listener;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
  raise(SIGUSR1);
  EXPECT_EQ(earlier_calls, 1);
  base->poll(-1);
  EXPECT_EQ(listener.calls, 1);
  base->unwatch_signal(SIGUSR1, &listener);
  raise(SIGUSR1);
  EXPECT_EQ(earlier_calls, 2);
}

TEST_F(SignalsTest, AHandlerWithInfoInstalledBeforeStillGetsIt) {
  struct sigaction action {};
  action.sa_sigaction = earlier_with_info;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &action, nullptr);
  earlier_code = -999;
  const auto base = make_base();
  Listener listener;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
  kill(getpid(), SIGUSR1);
  while (listener.calls == 0) base->poll(-1);
  EXPECT_EQ(earlier_calls, 1);
  EXPECT_EQ(earlier_code, SI_USER);
  base->unwatch_signal(SIGUSR1, &listener);
  EXPECT_EQ(current_action(SIGUSR1).sa_sigaction, earlier_with_info);
  signal(SIGUSR1, SIG_IGN);
}

TEST_F(SignalsTest, AHandlerInstalledOverOursStays) {
  const auto base = make_base();
  Listener listener;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
  signal(SIGUSR1, earlier_plain);
  base->unwatch_signal(SIGUSR1, &listener);
  expected_ = earlier_plain;
}

TEST_F(SignalsTest, TwoBasesHearOfOneSignalAndTheLastToLeaveRestores) {
  const auto first_base = make_base();
  auto second_base = make_base();
  Listener first, second;
  ASSERT_TRUE(first_base->watch_signal(SIGUSR1, &first).is_ok());
  ASSERT_TRUE(second_base->watch_signal(SIGUSR1, &second).is_ok());
  raise(SIGUSR1);
  first_base->poll(-1);
  second_base->poll(-1);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1);

  // Death counts as leaving.
  second_base.reset();
  EXPECT_NE(current_action(SIGUSR1).sa_handler, SIG_IGN);
  raise(SIGUSR1);
  first_base->poll(-1);
  EXPECT_EQ(first.calls, 2);
  first_base->unwatch_signal(SIGUSR1, &first);
}

TEST_F(SignalsTest, SeveralHandlersOfOneBaseMayLeaveAndJoinInsideAHandler) {
  const auto base = make_base();
  Listener first, second, third;
  first.then = [&](int) {
    base->unwatch_signal(SIGUSR1, &first);
    base->unwatch_signal(SIGUSR1, &second);
    ASSERT_TRUE(base->watch_signal(SIGUSR1, &third).is_ok());
  };
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &first).is_ok());
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &second).is_ok());
  raise(SIGUSR1);
  base->poll(-1);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(third.calls, 0);
  raise(SIGUSR1);
  base->poll(-1);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(third.calls, 1);
  base->unwatch_signal(SIGUSR1, &third);
}

TEST_F(SignalsTest, DifferentSignalsAreKeptApart) {
  const auto base = make_base();
  Listener one, two;
  ASSERT_TRUE(base->watch_signal(SIGUSR1, &one).is_ok());
  ASSERT_TRUE(base->watch_signal(SIGUSR2, &two).is_ok());
  raise(SIGUSR2);
  base->poll(-1);
  EXPECT_EQ(one.calls, 0);
  EXPECT_EQ(two.calls, 1);
}

TEST_F(SignalsTest, WhatCannotBeWatchedIsRefused) {
  const auto base = make_base();
  Listener listener;
  for (const int signo : {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE})
    EXPECT_EQ(base->watch_signal(signo, &listener).error(), EINVAL) << signo;
  base->unwatch_signal(SIGKILL, &listener);
}

TEST_F(SignalsTest, BasesComeAndGoUnderAStormOfSignals) {
  std::atomic<bool> done{false};
  // Keeps the signal handled throughout, whatever the others do.
  const auto keeper_base = make_base();
  Listener keeper;
  ASSERT_TRUE(keeper_base->watch_signal(SIGUSR1, &keeper).is_ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 300; ++round) {
        const auto base = make_base();
        Listener listener;
        ASSERT_TRUE(base->watch_signal(SIGUSR1, &listener).is_ok());
        while (listener.calls == 0) {
          raise(SIGUSR1);
          base->poll(0);
        }
      }
    });
  }
  std::thread storm([&] {
    while (!done.load()) {
      kill(getpid(), SIGUSR1);
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  storm.join();
  while (keeper.calls == 0) keeper_base->poll(-1);
}

}  // namespace
}  // namespace evenkeel::base
