#include "base/event_base.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace evenkeel::base {

namespace {

constexpr size_t kReadyPerTurn = 256;

// A tag names a descriptor and which of its watches it is: readiness collected for an ended watch then falls
// on deaf ears, whatever has become of the number since.
uint64_t make_tag(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}
size_t tag_index(uint64_t tag) { return static_cast<uint32_t>(tag); }
uint32_t tag_generation(uint64_t tag) { return static_cast<uint32_t>(tag >> 32); }

}  // namespace

void Timer::cancel() {
  if (base_ == nullptr) return;
  base_->wheel_.cancel(this);
  base_ = nullptr;
}

Timer::~Timer() { cancel(); }

std::unique_ptr<EventBase> EventBase::create(Status* status) {
  std::unique_ptr<Poller> poller = create_poller(status);
  if (!poller) return nullptr;
  return std::unique_ptr<EventBase>(new EventBase(std::move(poller)));
}

EventBase::EventBase(std::unique_ptr<Poller> poller)
    : poller_(std::move(poller)), time_(now()), wheel_(time_) {}

EventBase::~EventBase() {
  // What a task owns may post, cancel or unwatch as it goes, so tasks go while all else is still in place.
  for (;;) {
    running_tasks_.clear();
    const std::lock_guard lock(tasks_mutex_);
    if (tasks_.empty()) break;
    running_tasks_.swap(tasks_);
  }
  while (TimerNode* node = wheel_.pop_due(kNever)) static_cast<Timer*>(node)->base_ = nullptr;
}

int EventBase::descriptor() const { return poller_->descriptor(); }

void EventBase::poll(int timeout_ms) {
  std::array<Ready, kReadyPerTurn> ready;
  const int count = poller_->wait(ready, limit_wait(timeout_ms));
  time_ = now();
  ++stats_.polls;
  if (signals_) run_signals();
  if (has_tasks_.load(std::memory_order_acquire)) run_tasks();
  for (int i = 0; i < count; ++i) run_ready(ready[static_cast<size_t>(i)]);
  run_timers();
}

int EventBase::limit_wait(int timeout_ms) const {
  if (timeout_ms == 0) return 0;
  const Millis next = next_deadline();
  if (next == kNever) return timeout_ms;
  const Millis current = now();
  if (next <= current) return 0;
  // Longer than this the caller may as well look again.
  constexpr Millis kLongest = 1 << 30;
  const int until_timer = static_cast<int>(std::min(next - current, kLongest));
  return timeout_ms < 0 ? until_timer : std::min(timeout_ms, until_timer);
}

EventBase::Descriptor* EventBase::find(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (fd < 0 || index >= descriptors_.size() || descriptors_[index].handler == nullptr) return nullptr;
  return &descriptors_[index];
}

Status EventBase::watch(int fd, Interest interest, DescriptorHandler* handler) {
  if (fd < 0) return Status::from_errno(EBADF);
  const std::lock_guard lock(descriptors_mutex_);
  if (find(fd) != nullptr) return Status::from_errno(EEXIST);
  const auto index = static_cast<size_t>(fd);
  const uint32_t generation = (index < descriptors_.size() ? descriptors_[index].generation : 0) + 1;
  if (const Status status = poller_->add(fd, interest, make_tag(fd, generation)); !status.is_ok())
    return status;
  // Only now, when it is known to be a descriptor: any other number would cost its size.
  if (index >= descriptors_.size()) descriptors_.resize(std::max(index + 1, descriptors_.size() * 2));
  descriptors_[index] = {.handler = handler, .generation = generation, .interest = interest};
  ++watched_;
  return Status::ok();
}

Status EventBase::set_interest(int fd, Interest interest) {
  const std::lock_guard lock(descriptors_mutex_);
  Descriptor* const descriptor = find(fd);
  if (descriptor == nullptr) return Status::from_errno(ENOENT);
  if (descriptor->interest == interest) return Status::ok();
  const Status status = poller_->modify(fd, interest, make_tag(fd, descriptor->generation));
  if (status.is_ok()) descriptor->interest = interest;
  return status;
}

void EventBase::unwatch(int fd) {
  const std::lock_guard lock(descriptors_mutex_);
  Descriptor* const descriptor = find(fd);
  if (descriptor == nullptr) return;
  descriptor->handler = nullptr;
  --watched_;
  // Fails for a descriptor closed too early; then the kernel has dropped it by itself.
  static_cast<void>(poller_->remove(fd));
}

void EventBase::schedule(Timer* timer, Millis deadline) {
  if (timer->base_ != this) {
    timer->cancel();
    timer->base_ = this;
  }
  wheel_.schedule(timer, deadline);
}

Status EventBase::watch_signal(int signo, SignalHandler* handler) {
  if (!signals_) signals_ = std::make_unique<SignalSink>(poller_.get());
  if (const Status status = signals_->watch(signo); !status.is_ok()) return status;
  signal_watches_.push_back({signo, handler});
  return Status::ok();
}

void EventBase::unwatch_signal(int signo, SignalHandler* handler) {
  bool others = false;
  for (SignalWatch& watch : signal_watches_) {
    if (watch.signo != signo) continue;
    if (watch.handler == handler) watch.handler = nullptr;
    others = others || watch.handler != nullptr;
  }
  if (!others && signals_) signals_->unwatch(signo);
  if (!running_signals_) sweep_signal_watches();
}

void EventBase::post(std::function<void()> task) {
  bool first;
  {
    const std::lock_guard lock(tasks_mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
    has_tasks_.store(true, std::memory_order_release);
  }
  if (first) poller_->wake();
}

EventBaseStats EventBase::stats() const {
  EventBaseStats stats = stats_;
  {
    const std::lock_guard lock(descriptors_mutex_);
    stats.descriptors = watched_;
  }
  stats.timers = wheel_.size() - (end_of_turn_.scheduled() ? 1 : 0);
  return stats;
}

void EventBase::run_signals() {
  const uint64_t pending = signals_->take();
  if (pending == 0) return;
  // By index and count: a handler may append. Ended watches are only marked meanwhile.
  running_signals_ = true;
  const size_t count = signal_watches_.size();
  for (size_t i = 0; i < count; ++i) {
    const SignalWatch watch = signal_watches_[i];
    if (watch.handler != nullptr && (pending & SignalSink::bit(watch.signo)) != 0)
      watch.handler->on_signal(watch.signo);
  }
  running_signals_ = false;
  sweep_signal_watches();
}

void EventBase::sweep_signal_watches() {
  std::erase_if(signal_watches_, [](const SignalWatch& watch) { return watch.handler == nullptr; });
}

void EventBase::run_tasks() {
  {
    const std::lock_guard lock(tasks_mutex_);
    running_tasks_.swap(tasks_);
    has_tasks_.store(false, std::memory_order_relaxed);
  }
  ++stats_.wakeups;
  for (std::function<void()>& task : running_tasks_) {
    task();
    // What a task captured goes before the next one runs.
    task = nullptr;
  }
  running_tasks_.clear();
}

void EventBase::run_ready(const Ready& ready) {
  Descriptor descriptor;
  {
    const std::lock_guard lock(descriptors_mutex_);
    descriptor = descriptors_[tag_index(ready.tag)];
  }
  if (descriptor.handler == nullptr || descriptor.generation != tag_generation(ready.tag)) return;
  // An earlier handler of this turn may have changed the interest.
  const bool readable = ready.readable && wants_read(descriptor.interest);
  const bool writable = ready.writable && wants_write(descriptor.interest);
  if (!readable && !writable) return;
  ++stats_.ready_events;
  descriptor.handler->on_ready(readable, writable);
}

void EventBase::run_timers() {
  TimerNode* node = wheel_.pop_due(time_);
  if (node == nullptr) return;
  wheel_.schedule(&end_of_turn_, time_);
  for (; node != &end_of_turn_; node = wheel_.pop_due(time_)) {
    auto* const timer = static_cast<Timer*>(node);
    timer->base_ = nullptr;
    ++stats_.timers_fired;
    timer->on_timer();
  }
}

}  // namespace evenkeel::base
