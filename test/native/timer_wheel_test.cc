#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "seed.h"

namespace evenkeel::base {
namespace {

struct Node : TimerNode {
  int id = 0;
  ~Node() = default;
};

std::vector<Millis> pop_deadlines(TimerWheel& wheel, Millis now) {
  std::vector<Millis> deadlines;
  while (TimerNode* node = wheel.pop_due(now)) deadlines.push_back(node->deadline());
  return deadlines;
}

TEST(TimerWheel, AnEmptyOneHasNothingDueAndNoWakeup) {
  TimerWheel wheel(1000);
  EXPECT_EQ(wheel.pop_due(5000), nullptr);
  EXPECT_EQ(wheel.next_wakeup(), kNever);
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, ATimerFiresAtItsDeadlineAndNotBefore) {
  // Distances that touch every level and both sides of each level's border.
  for (int bits = 0; bits < 63; ++bits) {
    for (const Millis distance : {(Millis{1} << bits) - 1, Millis{1} << bits, (Millis{1} << bits) + 1}) {
      if (distance == 0) continue;
      TimerWheel wheel(77);
      Node node;
      wheel.schedule(&node, 77 + distance);
      EXPECT_EQ(wheel.pop_due(77 + distance - 1), nullptr) << distance;
      EXPECT_EQ(wheel.pop_due(77 + distance), &node) << distance;
      EXPECT_FALSE(node.scheduled());
      EXPECT_EQ(wheel.size(), 0u);
    }
  }
}

TEST(TimerWheel, SleepingUntilEachWakeupReachesTheDeadlineInAFewSteps) {
  for (const Millis deadline : {Millis{101}, Millis{163}, Millis{5000}, Millis{86'400'000}, kNever - 1}) {
    TimerWheel wheel(100);
    Node node;
    wheel.schedule(&node, deadline);
    int steps = 0;
    Millis now = 100;
    for (; wheel.size() > 0; ++steps) {
      const Millis wakeup = wheel.next_wakeup();
      ASSERT_GT(wakeup, now);
      ASSERT_LE(wakeup, deadline);
      now = wakeup;
      wheel.pop_due(now);
    }
    EXPECT_EQ(now, deadline);
    EXPECT_LE(steps, 11);
  }
}

TEST(TimerWheel, APastDeadlineIsDueAtOnce) {
  TimerWheel wheel(1000);
  Node past, present;
  wheel.schedule(&past, 3);
  wheel.schedule(&present, 1000);
  EXPECT_LE(wheel.next_wakeup(), 3u);
  EXPECT_EQ(wheel.pop_due(1000), &past);
  EXPECT_EQ(wheel.pop_due(1000), &present);
  EXPECT_EQ(wheel.pop_due(1000), nullptr);
}

TEST(TimerWheel, FiresInOrderOfDeadlinesAndEqualOnesInTheOrderScheduled) {
  TimerWheel wheel(0);
  std::vector<Node> nodes(6);
  const Millis deadlines[] = {9000, 10, 9000, 70, 10, 9000};
  for (size_t i = 0; i < nodes.size(); ++i) wheel.schedule(&nodes[i], deadlines[i]);
  for (const size_t expected : {1u, 4u, 3u, 0u, 2u, 5u}) EXPECT_EQ(wheel.pop_due(10'000), &nodes[expected]);
}

TEST(TimerWheel, AHugeJumpFiresAllThatIsDueAndNothingElse) {
  constexpr Millis kYear = Millis{365} * 24 * 3600 * 1000;
  TimerWheel wheel(12345);
  Node soon, far, never;
  wheel.schedule(&far, 30 * kYear);
  wheel.schedule(&soon, 12346);
  wheel.schedule(&never, kNever);
  EXPECT_EQ(pop_deadlines(wheel, 31 * kYear), (std::vector<Millis>{12346, 30 * kYear}));
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_EQ(wheel.pop_due(kNever), &never);
}

TEST(TimerWheel, TimeDoesNotRunBackwards) {
  TimerWheel wheel(1000);
  Node node;
  wheel.schedule(&node, 2000);
  EXPECT_EQ(wheel.pop_due(1500), nullptr);
  EXPECT_EQ(wheel.pop_due(10), nullptr);
  EXPECT_EQ(wheel.pop_due(2000), &node);
}

TEST(TimerWheel, ReschedulingReplacesTheDeadline) {
  TimerWheel wheel(0);
  Node node;
  wheel.schedule(&node, 50);
  wheel.schedule(&node, 5000);
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_EQ(wheel.pop_due(4999), nullptr);
  wheel.schedule(&node, 100'000);
  wheel.schedule(&node, 5001);
  EXPECT_EQ(wheel.pop_due(5001), &node);
}

TEST(TimerWheel, CancelTakesEffectAlsoOnWhatIsDueAlready) {
  TimerWheel wheel(0);
  Node first, second, third;
  wheel.schedule(&first, 10);
  wheel.schedule(&second, 10);
  wheel.schedule(&third, 10);
  EXPECT_EQ(wheel.pop_due(10), &first);
  wheel.cancel(&second);
  wheel.cancel(&second);
  wheel.schedule(&third, 20);
  EXPECT_EQ(wheel.pop_due(10), nullptr);
  EXPECT_EQ(wheel.pop_due(20), &third);
  EXPECT_EQ(wheel.next_wakeup(), kNever);
}

TEST(TimerWheel, WhatIsScheduledBetweenTwoPopsComesAfterAllThatWasDue) {
  TimerWheel wheel(0);
  Node first, last, late;
  wheel.schedule(&first, 10);
  wheel.schedule(&last, 400);
  EXPECT_EQ(wheel.pop_due(500), &first);
  wheel.schedule(&late, 1);
  EXPECT_EQ(wheel.pop_due(500), &last);
  EXPECT_EQ(wheel.pop_due(500), &late);
}

TEST(TimerWheel, NodesOutliveTheWheel) {
  Node due, pending;
  {
    TimerWheel wheel(100);
    wheel.schedule(&due, 5);
    wheel.schedule(&pending, 5000);
  }
  EXPECT_FALSE(due.scheduled());
  EXPECT_FALSE(pending.scheduled());
}

// What the wheel must do, said with a container that cannot get it wrong.
class Model {
 public:
  void schedule(Node* node, Millis deadline) {
    cancel(node);
    positions_[node] = pending_.emplace(deadline, node);
  }
  void cancel(Node* node) {
    const auto found = positions_.find(node);
    if (found == positions_.end()) return;
    pending_.erase(found->second);
    positions_.erase(found);
  }
  bool contains(Node* node) const { return positions_.contains(node); }
  size_t size() const { return pending_.size(); }
  Millis earliest() const { return pending_.empty() ? kNever : pending_.begin()->first; }

 private:
  std::multimap<Millis, Node*> pending_;
  std::map<Node*, std::multimap<Millis, Node*>::iterator> positions_;
};

TEST(TimerWheel, AgreesWithAMultimapOverRandomHistories) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  // As many magnitudes as there are levels, each as likely as the next.
  const auto distance = [&random] { return random() >> (random() % 50 + 14); };

  for (int history = 0; history < 40; ++history) {
    std::vector<Node> nodes(200);
    Millis now = distance();
    TimerWheel wheel(now);
    Model model;
    for (int step = 0; step < 3000; ++step) {
      Node* node = &nodes[random() % nodes.size()];
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          const Millis deadline = random() % 10 == 0 ? now - std::min(now, distance()) : now + distance();
          wheel.schedule(node, deadline);
          model.schedule(node, deadline);
          break;
        }
        case 3:
          wheel.cancel(node);
          model.cancel(node);
          break;
        case 4:
          now = random() % 2 == 0 ? std::max(now, model.earliest() == kNever ? now : model.earliest())
                                  : now + (distance() >> 20);
          while (TimerNode* popped = wheel.pop_due(now)) {
            auto* due = static_cast<Node*>(popped);
            ASSERT_TRUE(model.contains(due));
            ASSERT_LE(due->deadline(), now);
            model.cancel(due);
          }
          ASSERT_GT(model.earliest(), now);
          ASSERT_GT(wheel.next_wakeup(), now);
          break;
        default:
          break;
      }
      ASSERT_EQ(wheel.size(), model.size());
      ASSERT_EQ(node->scheduled(), model.contains(node));
      if (model.size() == 0) {
        ASSERT_EQ(wheel.next_wakeup(), kNever);
      } else {
        ASSERT_LE(wheel.next_wakeup(), model.earliest());
      }
    }
  }
}

TEST(TimerWheel, AMillionTimersFireInOrder) {
  constexpr size_t kCount = 1'000'000;
  std::mt19937_64 random(1);
  const auto nodes = std::make_unique<Node[]>(kCount);
  TimerWheel wheel(0);
  for (size_t i = 0; i < kCount; ++i) wheel.schedule(&nodes[i], 1 + random() % 100'000'000);
  for (size_t i = 0; i < kCount; i += 2) wheel.cancel(&nodes[i]);
  EXPECT_EQ(wheel.size(), kCount / 2);

  size_t fired = 0;
  Millis previous = 0;
  for (Millis now = 0; wheel.size() > 0; now = wheel.next_wakeup()) {
    while (TimerNode* node = wheel.pop_due(now)) {
      ASSERT_EQ(node->deadline(), now);
      ASSERT_LE(previous, node->deadline());
      previous = node->deadline();
      ++fired;
    }
  }
  EXPECT_EQ(fired, kCount / 2);
}

}  // namespace
}  // namespace evenkeel::base
