// Locks on LMDB's lock file that survive closing the file. LMDB uses POSIX fcntl locks, which belong to the
// process: when any code in the process closes the file, all of them are released. Other processes would then
// consider this one dead, reset the lock file, and reuse pages that it is reading. The locks here belong to
// an open file description instead (a Linux feature). A process has one HeldLocks for each file, and keeps it
// open as long as any of its threads may have the directory open.
//
// Two locks, as in mdb.c: the first byte, shared, for having it open (mdb_env_excl_lock), and the byte at the
// process's id for reading (mdb_reader_pid).
//
// Threads: any.
#pragma once

#include <string>

namespace evenkeel::base {

class HeldLocks {
 public:
  // Create it before LMDB opens the directory.
  explicit HeldLocks(std::string lock_file);
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;
  ~HeldLocks();

  // Call after LMDB has opened the directory and read from it; LMDB does not take its lock for reading again.
  void take();
  // Call before LMDB closes it. LMDB must be able to take the lock for reading when it opens the directory
  // again.
  void loosen();
  // Call after LMDB has closed it.
  void release();

 private:
  const std::string lock_file_;
  bool taken_ = false;
  bool released_ = false;
};

}  // namespace evenkeel::base
