#include "base/loop_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>

#include "pipe.h"

namespace evenkeel::base {
namespace {

std::unique_ptr<LoopThread> start_loop(const std::string& name = "test") {
  Status status;
  auto loop = LoopThread::start(name, &status);
  EXPECT_TRUE(status.is_ok());
  return loop;
}

// Runs `ask` on the loop and waits for its answer.
template <typename Ask>
auto on_loop(LoopThread& loop, Ask ask) {
  std::promise<decltype(ask())> answer;
  loop.base().post([&] { answer.set_value(ask()); });
  return answer.get_future().get();
}

TEST(LoopThread, RunsTasksOnAThreadOfItsOwn) {
  const auto loop = start_loop();
  const pthread_t first = on_loop(*loop, [] { return pthread_self(); });
  const pthread_t second = on_loop(*loop, [] { return pthread_self(); });
  EXPECT_FALSE(pthread_equal(first, pthread_self()));
  EXPECT_TRUE(pthread_equal(first, second));
}

TEST(LoopThread, CarriesItsNameCutToWhatTheKernelKeeps) {
  const auto loop = start_loop("a-name-of-more-than-fifteen-bytes");
  const std::string name = on_loop(*loop, [] {
    char buffer[64] = {};
    pthread_getname_np(pthread_self(), buffer, sizeof buffer);
    return std::string(buffer);
  });
  EXPECT_EQ(name.substr(0, 15), "a-name-of-more-");
}

TEST(LoopThread, BlocksSignalsButNotFaults) {
  const auto loop = start_loop();
  const sigset_t blocked = on_loop(*loop, [] {
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, nullptr, &set);
    return set;
  });
  for (const int signo : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE, SIGPROF})
    EXPECT_EQ(sigismember(&blocked, signo), 1) << signo;
  EXPECT_EQ(sigismember(&blocked, SIGSEGV), 0);
}

TEST(LoopThread, LeavesTheOwnersSignalMaskAsItWas) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const auto loop = start_loop();
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signo = 1; signo < 32; ++signo) EXPECT_EQ(sigismember(&before, signo), sigismember(&after, signo));
}

TEST(LoopThread, DrivesDescriptorsAndTimers) {
  struct Probe final : DescriptorHandler, Timer {
    Pipe pipe;
    EventBase* base = nullptr;
    std::promise<void> fired;
    void on_ready(bool, bool) override {
      pipe.drain();
      base->unwatch(pipe.reader());
      base->schedule(this, base->time() + 2);
    }
    void on_timer() override { fired.set_value(); }
  };
  Probe probe;
  const auto loop = start_loop();
  probe.base = &loop->base();
  loop->base().post(
      [&] { ASSERT_TRUE(probe.base->watch(probe.pipe.reader(), Interest::kRead, &probe).is_ok()); });
  probe.pipe.put();
  probe.fired.get_future().wait();
}

TEST(LoopThread, WhatWasPostedBeforeStopRunsAndWhatComesLaterDoesNot) {
  const auto loop = start_loop();
  std::atomic<int> run{0};
  for (int i = 0; i < 100; ++i) loop->base().post([&] { ++run; });
  loop->stop();
  EXPECT_EQ(run, 100);
  auto released = std::make_shared<int>(1);
  const std::weak_ptr<int> observer = released;
  loop->base().post([&run, released = std::move(released)] { ++run; });
  loop->stop();
  EXPECT_EQ(run, 100);
  EXPECT_FALSE(observer.expired());
}

TEST(LoopThread, StartsAndStopsManyTimes) {
  for (int i = 0; i < 200; ++i) {
    const auto loop = start_loop();
    loop->base().post([] {});
  }
}

}  // namespace
}  // namespace evenkeel::base
