// Poller: which descriptors are ready. One interface, one implementation a platform (epoll.cc, kqueue.cc);
// nothing above it can tell which one runs. Level-triggered: a descriptor stays ready until what made it
// ready is gone.
//
// Threads: wake() from any thread and from signal handlers; add(), modify() and remove() from any thread;
// wait() on the thread that polls.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"

namespace evenkeel::base {

enum class Interest : uint8_t { kNone = 0, kRead = 1, kWrite = 2, kReadWrite = 3 };

constexpr bool wants_read(Interest interest) { return (static_cast<unsigned>(interest) & 1U) != 0; }
constexpr bool wants_write(Interest interest) { return (static_cast<unsigned>(interest) & 2U) != 0; }

struct Ready {
  uint64_t tag;   // as given to add()
  bool readable;  // also set by a hang-up and by an error, so that the reader meets it in its next read
  bool writable;  // likewise, so that a writer without a reader does
};

class Poller {
 public:
  // The one tag that add() and modify() must not be given.
  static constexpr uint64_t kReservedTag = UINT64_MAX;

  virtual ~Poller() = default;

  // A descriptor that is itself readable while wait(…, 0) would return something: an event base nests in
  // another loop by it. On kqueue it may never fire in another kqueue (libuv's documentation of
  // uv_backend_fd).
  virtual int descriptor() const = 0;

  // A descriptor is added once, and removed before it is closed: the kernel may know the open file behind it,
  // which lives on where a child or a duplicate has it too, and then nobody could remove it any more. With
  // Interest::kNone it stays registered and silent, but for one report of a hang-up or an error that some
  // platforms make.
  virtual Status add(int fd, Interest interest, uint64_t tag) = 0;
  virtual Status modify(int fd, Interest interest, uint64_t tag) = 0;
  virtual Status remove(int fd) = 0;

  // Waits until something is ready, wake() was called or timeout_ms passed (-1: no limit; 0: only looks).
  // Returns how many entries of `ready` (which must have room for one) were filled; one descriptor may fill
  // two. Wake-ups are swallowed and not among them. EINTR counts as nothing ready.
  virtual int wait(std::span<Ready> ready, int timeout_ms) = 0;

  // Makes the current or the next wait() return, and descriptor() readable. Coalesces.
  virtual void wake() = 0;
};

// The platform's poller; null, with the reason in *status, when the kernel refuses a descriptor.
std::unique_ptr<Poller> create_poller(Status* status);

}  // namespace evenkeel::base
