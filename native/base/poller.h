// Poller: reports which descriptors are ready. One interface with one implementation for each platform
// (epoll.cc, kqueue.cc); the code above cannot tell which one is used. Level-triggered: a descriptor stays
// ready until the reason for it is gone.
//
// Threads: wake() on any thread and in signal handlers; add(), modify() and remove() on any thread; wait() on
// the polling thread.
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
  bool readable;  // also set on a hang-up and on an error, so that the next read reports it
  bool writable;  // also set on a hang-up and on an error, so that the next write reports it
};

class Poller {
 public:
  // The only tag that must not be passed to add() and modify().
  static constexpr uint64_t kReservedTag = UINT64_MAX;

  virtual ~Poller() = default;

  // A descriptor that is readable while wait(…, 0) would return something, so that an event base can be
  // nested in another loop. On kqueue, it may never fire in another kqueue (libuv's documentation of
  // uv_backend_fd).
  virtual int descriptor() const = 0;

  // A descriptor is added once, and removed before it is closed: the kernel may track the open file
  // description, which survives if a child process or a duplicate has it too, and then nobody could remove
  // it. With Interest::kNone it stays registered and silent, except that some platforms report a hang-up or
  // error once.
  virtual Status add(int fd, Interest interest, uint64_t tag) = 0;
  virtual Status modify(int fd, Interest interest, uint64_t tag) = 0;
  virtual Status remove(int fd) = 0;

  // Waits until something is ready, wake() is called or timeout_ms has passed (-1: no limit; 0: does not
  // wait). Returns the number of entries filled in `ready`, which must have room for at least one; a
  // descriptor may fill two. Wake-ups are consumed and not reported. EINTR counts as nothing ready.
  virtual int wait(std::span<Ready> ready, int timeout_ms) = 0;

  // Makes the current or next wait() return, and descriptor() readable. Several calls may have the effect of
  // one.
  virtual void wake() = 0;
};

// The platform's poller; null, with the reason in *status, when the kernel refuses a descriptor.
std::unique_ptr<Poller> create_poller(Status* status);

}  // namespace evenkeel::base
