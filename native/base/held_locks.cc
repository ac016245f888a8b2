#include "base/held_locks.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <utility>

namespace evenkeel::base {

namespace {

struct File {
  int descriptor = -1;
  unsigned holders = 0;  // may have the directory open
  unsigned takers = 0;   // and have read from it
};

std::mutex mutex;

// By path. It has no destructor: threads may outlive the statics.
std::map<std::string, File>& files() {
  static auto& table = *new std::map<std::string, File>;
  return table;
}

#ifdef F_OFD_SETLK

bool lock(int descriptor, int command, short type, off_t at) {
  struct flock request = {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = at;
  request.l_len = 1;
  return fcntl(descriptor, command, &request) == 0;
}

int open_lock_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  // Where it can only be read, LMDB has no lock for reading.
  return descriptor >= 0 ? descriptor : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

void take_locks(int descriptor) {
  lock(descriptor, F_OFD_SETLK, F_RDLCK, 0);
  // LMDB's own is in the way of this one, as that of another process would be.
  lock(descriptor, F_SETLK, F_UNLCK, getpid());
  if (!lock(descriptor, F_OFD_SETLK, F_WRLCK, getpid())) lock(descriptor, F_SETLK, F_WRLCK, getpid());
}

void give_up_reading(int descriptor) { lock(descriptor, F_OFD_SETLK, F_UNLCK, getpid()); }

#else

int open_lock_file(const std::string&) { return -1; }
void take_locks(int) {}
void give_up_reading(int) {}

#endif

}  // namespace

HeldLocks::HeldLocks(std::string lock_file) : lock_file_(std::move(lock_file)) {
  const std::lock_guard guard(mutex);
  files()[lock_file_].holders += 1;
}

HeldLocks::~HeldLocks() { release(); }

void HeldLocks::take() {
  const std::lock_guard guard(mutex);
  if (taken_ || released_) return;
  File& file = files()[lock_file_];
  if (file.descriptor < 0) file.descriptor = open_lock_file(lock_file_);
  taken_ = true;
  file.takers += 1;
  if (file.descriptor >= 0) take_locks(file.descriptor);
}

void HeldLocks::loosen() {
  const std::lock_guard guard(mutex);
  if (!taken_) return;
  taken_ = false;
  File& file = files()[lock_file_];
  file.takers -= 1;
  if (file.takers == 0 && file.descriptor >= 0) give_up_reading(file.descriptor);
}

void HeldLocks::release() {
  loosen();
  const std::lock_guard guard(mutex);
  if (released_) return;
  released_ = true;
  File& file = files()[lock_file_];
  file.holders -= 1;
  if (file.holders > 0) return;
  if (file.descriptor >= 0) close(file.descriptor);
  files().erase(lock_file_);
}

}  // namespace evenkeel::base
