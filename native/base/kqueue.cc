#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__DragonFly__) || defined(__NetBSD__) || \
    defined(__OpenBSD__)

#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <ctime>

#include "base/poller.h"

#if !defined(EVFILT_USER)
#error "kqueue without EVFILT_USER: this system is too old for evenkeel"
#endif

namespace evenkeel::base {

namespace {

constexpr size_t kBatch = 256;

static_assert(sizeof(void*) == sizeof(uint64_t), "a tag travels in udata");

class KqueuePoller final : public Poller {
 public:
  KqueuePoller() = default;
  KqueuePoller(const KqueuePoller&) = delete;
  KqueuePoller& operator=(const KqueuePoller&) = delete;

  ~KqueuePoller() override {
    if (kqueue_fd_ >= 0) close(kqueue_fd_);
  }

  Status open() {
    kqueue_fd_ = kqueue();
    if (kqueue_fd_ < 0) return Status::last_error();
    if (fcntl(kqueue_fd_, F_SETFD, FD_CLOEXEC) != 0) return Status::last_error();
    struct kevent change;
    EV_SET(&change, kWakeIdent, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, nullptr);
    return kevent(kqueue_fd_, &change, 1, nullptr, 0, nullptr) == 0 ? Status::ok() : Status::last_error();
  }

  int descriptor() const override { return kqueue_fd_; }

  Status add(int fd, Interest interest, uint64_t tag) override {
    const Status status = apply(fd, interest, tag);
    // The read filter may be in place although the write filter was refused.
    if (!status.is_ok()) static_cast<void>(apply(fd, Interest::kNone, tag));
    return status;
  }

  Status modify(int fd, Interest interest, uint64_t tag) override { return apply(fd, interest, tag); }

  Status remove(int fd) override { return apply(fd, Interest::kNone, 0); }

  int wait(std::span<Ready> ready, int timeout_ms) override {
    std::array<struct kevent, kBatch> events;
    const size_t capacity = std::min(ready.size(), events.size());
    timespec limit{};
    if (timeout_ms > 0) {
      limit.tv_sec = timeout_ms / 1000;
      limit.tv_nsec = (timeout_ms % 1000) * 1'000'000L;
    }
    const int count = kevent(kqueue_fd_, nullptr, 0, events.data(), static_cast<int>(capacity),
                             timeout_ms < 0 ? nullptr : &limit);
    int filled = 0;
    for (int i = 0; i < count; ++i) {
      const struct kevent& event = events[static_cast<size_t>(i)];
      if (event.filter == EVFILT_USER) {
        // An exchange, not a store: it acquires what the threads whose wake() was coalesced had done before.
        wake_pending_.exchange(false, std::memory_order_acq_rel);
        continue;
      }
      // EV_EOF on the read filter is also a half-close, which leaves the other direction usable; only an
      // error in fflags says that both are gone. On the write filter it always means that.
      const bool at_end = (event.flags & EV_EOF) != 0;
      const bool reads = event.filter == EVFILT_READ;
      ready[static_cast<size_t>(filled++)] = {
          .tag = reinterpret_cast<uint64_t>(event.udata),
          .readable = reads || at_end,
          .writable = !reads || (at_end && event.fflags != 0),
      };
    }
    return filled;
  }

  void wake() override {
    if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
    struct kevent change;
    EV_SET(&change, kWakeIdent, EVFILT_USER, 0, NOTE_TRIGGER, 0, nullptr);
    kevent(kqueue_fd_, &change, 1, nullptr, 0, nullptr);
  }

 private:
  static constexpr uintptr_t kWakeIdent = 0;

  // Brings both filters of fd in line with `interest`. EV_ADD of a filter in place renews its tag; EV_RECEIPT
  // makes each change report its own outcome, since deleting a filter that is not there is no failure.
  Status apply(int fd, Interest interest, uint64_t tag) {
    void* const udata = reinterpret_cast<void*>(tag);
    const auto ident = static_cast<uintptr_t>(fd);
    const unsigned read_action = wants_read(interest) ? EV_ADD : EV_DELETE;
    const unsigned write_action = wants_write(interest) ? EV_ADD : EV_DELETE;
    std::array<struct kevent, 2> changes;
    EV_SET(&changes[0], ident, EVFILT_READ, static_cast<decltype(changes[0].flags)>(read_action | EV_RECEIPT),
           0, 0, udata);
    EV_SET(&changes[1], ident, EVFILT_WRITE,
           static_cast<decltype(changes[1].flags)>(write_action | EV_RECEIPT), 0, 0, udata);
    std::array<struct kevent, 2> receipts;
    const int count = kevent(kqueue_fd_, changes.data(), 2, receipts.data(), 2, nullptr);
    if (count < 0) return Status::last_error();
    for (int i = 0; i < count; ++i) {
      const struct kevent& receipt = receipts[static_cast<size_t>(i)];
      if ((receipt.flags & EV_ERROR) == 0 || receipt.data == 0) continue;
      const bool wanted = receipt.filter == EVFILT_READ ? wants_read(interest) : wants_write(interest);
      if (!wanted && receipt.data == ENOENT) continue;
      return Status::from_errno(static_cast<int>(receipt.data));
    }
    return Status::ok();
  }

  int kqueue_fd_ = -1;
  std::atomic<bool> wake_pending_{false};
};

}  // namespace

std::unique_ptr<Poller> create_poller(Status* status) {
  auto poller = std::make_unique<KqueuePoller>();
  *status = poller->open();
  if (!status->is_ok()) return nullptr;
  return poller;
}

}  // namespace evenkeel::base

#endif  // kqueue platforms
