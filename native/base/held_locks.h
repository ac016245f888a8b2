// Locks on LMDB's lock file that stay, whatever else this process opens and closes. LMDB takes them by fcntl,
// as POSIX has it: they are the process's, and any close of the file, by any code in it, gives all of them
// up. Other processes take this one for dead then: they begin the lock file anew, and use the pages that it
// reads. Those here are of an open file description instead (Linux has them). A process has one for each
// file, and does not close it as long as any of its threads may have the directory open.
//
// Two locks, as in mdb.c: the first byte, shared, for having it open (mdb_env_excl_lock), and that at the
// process's id for reading (mdb_reader_pid).
//
// Any thread may call.
#pragma once

#include <string>

namespace evenkeel::base {

class HeldLocks {
 public:
  // Before LMDB opens the directory.
  explicit HeldLocks(std::string lock_file);
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;
  ~HeldLocks();

  // LMDB has opened it, and read: it does not take its lock for reading again.
  void take();
  // Before LMDB closes it. The lock for reading is LMDB's to take when it opens anew.
  void loosen();
  // LMDB has closed it.
  void release();

 private:
  const std::string lock_file_;
  bool taken_ = false;
  bool released_ = false;
};

}  // namespace evenkeel::base
