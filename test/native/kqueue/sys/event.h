// The part of the BSDs' <sys/event.h> that native/base/kqueue.cc uses, as their kqueue(2) describes it:
// enough to compile that file where there is no kqueue, not to run it.
#pragma once

#include <cstdint>
#include <ctime>

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void* udata;
};

enum : short { EVFILT_READ = -1, EVFILT_WRITE = -2 };
#define EVFILT_USER \
  short { -11 }
enum : unsigned short {
  EV_ADD = 1,
  EV_DELETE = 2,
  EV_CLEAR = 32,
  EV_RECEIPT = 64,
  EV_ERROR = 0x4000,
  EV_EOF = 0x8000
};
enum : unsigned int { NOTE_TRIGGER = 0x01000000 };

#define EV_SET(event, ident, filter, flags, fflags, data, udata) \
  (*(event) = {ident, filter, flags, fflags, data, udata})

extern "C" int kqueue();
extern "C" int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
                      int event_count, const timespec* timeout);
