#include "base/held_locks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace evenkeel::base {
namespace {

#ifdef F_OFD_SETLK

class HeldLocksTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/held-locks-XXXXXX";
    own_ = mkstemp(path.data());
    ASSERT_GE(own_, 0);
    path_ = path;
  }
  void TearDown() override {
    close(own_);
    unlink(path_.c_str());
  }

  // As LMDB has it once it has opened and read.
  void lock_as_lmdb() {
    EXPECT_EQ(lock(own_, F_SETLK, F_RDLCK, 0), 0);
    EXPECT_EQ(lock(own_, F_SETLK, F_WRLCK, getpid()), 0);
  }

  static int lock(int descriptor, int command, short type, off_t at) {
    struct flock request = {};
    request.l_type = type;
    request.l_whence = SEEK_SET;
    request.l_start = at;
    request.l_len = 1;
    return fcntl(descriptor, command, &request);
  }

  void open_and_close() const { close(open(path_.c_str(), O_RDONLY | O_CLOEXEC)); }

  // Whether another process could have a lock at `at` for itself.
  bool is_free(off_t at) const {
    const pid_t child = fork();
    if (child == 0) {
      const int descriptor = open(path_.c_str(), O_RDWR | O_CLOEXEC);
      _exit(lock(descriptor, F_SETLK, F_WRLCK, at) == 0 ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1;
  }

  std::string path_;
  int own_ = -1;
};

TEST_F(HeldLocksTest, StayWhenTheFileIsOpenedAndClosed) {
  HeldLocks locks(path_);
  lock_as_lmdb();
  locks.take();
  open_and_close();
  EXPECT_FALSE(is_free(0));
  EXPECT_FALSE(is_free(getpid()));
}

TEST_F(HeldLocksTest, LeaveTheLockForReadingToLmdbWhenTheLastOneLoosens) {
  HeldLocks first(path_);
  HeldLocks second(path_);
  lock_as_lmdb();
  first.take();
  second.take();
  first.loosen();
  open_and_close();
  EXPECT_FALSE(is_free(getpid()));
  second.loosen();
  EXPECT_TRUE(is_free(getpid()));
  EXPECT_FALSE(is_free(0));
  EXPECT_EQ(lock(own_, F_SETLK, F_WRLCK, getpid()), 0);
}

TEST_F(HeldLocksTest, KeepTheFileOpenForWhoIsAboutToOpenIt) {
  HeldLocks about(path_);
  {
    HeldLocks locks(path_);
    locks.take();
  }
  lock_as_lmdb();
  { HeldLocks locks(path_); }
  EXPECT_FALSE(is_free(0));
  EXPECT_FALSE(is_free(getpid()));
}

TEST_F(HeldLocksTest, EndWithTheLastOfThem) {
  {
    HeldLocks locks(path_);
    locks.take();
    EXPECT_FALSE(is_free(0));
  }
  EXPECT_TRUE(is_free(0));
  EXPECT_TRUE(is_free(getpid()));
}

TEST_F(HeldLocksTest, DoWithoutAFile) {
  HeldLocks locks(path_ + "-that-is-not-there");
  locks.take();
  locks.take();
  locks.release();
  locks.release();
}

#endif

}  // namespace
}  // namespace evenkeel::base
