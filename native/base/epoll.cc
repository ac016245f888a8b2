#if defined(__linux__)

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

#include "base/poller.h"

namespace evenkeel::base {

namespace {

constexpr size_t kBatch = 256;

uint32_t to_epoll(Interest interest) {
  switch (interest) {
    case Interest::kNone:
      // epoll reports hang-ups and errors unasked; edge-triggered it does so once instead of for ever.
      return static_cast<uint32_t>(EPOLLET);
    case Interest::kRead:
      return EPOLLIN;
    case Interest::kWrite:
      return EPOLLOUT;
    case Interest::kReadWrite:
      return EPOLLIN | EPOLLOUT;
  }
  return 0;
}

class EpollPoller final : public Poller {
 public:
  EpollPoller() = default;
  EpollPoller(const EpollPoller&) = delete;
  EpollPoller& operator=(const EpollPoller&) = delete;

  ~EpollPoller() override {
    if (wake_fd_ >= 0) close(wake_fd_);
    if (epoll_fd_ >= 0) close(epoll_fd_);
  }

  Status open() {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0) return Status::last_error();
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) return Status::last_error();
    // Edge-triggered, every write is reported once and the counter need not be read back: a system call less
    // a wake-up.
    return control(EPOLL_CTL_ADD, wake_fd_, EPOLLIN | static_cast<uint32_t>(EPOLLET), kReservedTag);
  }

  int descriptor() const override { return epoll_fd_; }

  Status add(int fd, Interest interest, uint64_t tag) override {
    return control(EPOLL_CTL_ADD, fd, to_epoll(interest), tag);
  }

  Status modify(int fd, Interest interest, uint64_t tag) override {
    return control(EPOLL_CTL_MOD, fd, to_epoll(interest), tag);
  }

  Status remove(int fd) override { return control(EPOLL_CTL_DEL, fd, 0, 0); }

  int wait(std::span<Ready> ready, int timeout_ms) override {
    std::array<epoll_event, kBatch> events;
    const size_t capacity = std::min(ready.size(), events.size());
    const int count = epoll_wait(epoll_fd_, events.data(), static_cast<int>(capacity), timeout_ms);
    int filled = 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.u64 == kReservedTag) {
        // An exchange, not a store: it acquires what the threads whose wake() was coalesced had done before.
        wake_pending_.exchange(false, std::memory_order_acq_rel);
        continue;
      }
      const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
      ready[static_cast<size_t>(filled++)] = {
          .tag = event.data.u64,
          .readable = broken || (event.events & EPOLLIN) != 0,
          .writable = broken || (event.events & EPOLLOUT) != 0,
      };
    }
    return filled;
  }

  void wake() override {
    if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
    const uint64_t one = 1;
    // Can only fail when the counter is full, that is, when the descriptor is readable anyway.
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  }

 private:
  Status control(int operation, int fd, uint32_t events, uint64_t tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    return epoll_ctl(epoll_fd_, operation, fd, &event) == 0 ? Status::ok() : Status::last_error();
  }

  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<bool> wake_pending_{false};
};

}  // namespace

std::unique_ptr<Poller> create_poller(Status* status) {
  auto poller = std::make_unique<EpollPoller>();
  *status = poller->open();
  if (!status->is_ok()) return nullptr;
  return poller;
}

}  // namespace evenkeel::base

#endif  // defined(__linux__)
