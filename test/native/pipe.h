// A pipe whose ends close with it; the tests' everyday descriptor.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace evenkeel::base {

class Pipe {
 public:
  Pipe() {
    EXPECT_EQ(::pipe(fds_.data()), 0);
    for (const int fd : fds_) {
      fcntl(fd, F_SETFL, O_NONBLOCK);
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return fds_[0]; }
  int writer() const { return fds_[1]; }

  void put() { EXPECT_EQ(write(writer(), "x", 1), 1); }
  // Until it would block.
  void fill() {
    const std::array<char, 4096> block{};
    while (write(writer(), block.data(), block.size()) > 0) continue;
    while (write(writer(), block.data(), 1) > 0) continue;
    EXPECT_EQ(errno, EAGAIN);
  }
  // Returns how many bytes there were.
  size_t drain() {
    std::array<char, 4096> block;
    size_t total = 0;
    for (ssize_t length; (length = read(reader(), block.data(), block.size())) > 0;)
      total += static_cast<size_t>(length);
    return total;
  }
  void close_reader() { close_end(0); }
  void close_writer() { close_end(1); }

 private:
  void close_end(size_t end) {
    if (fds_[end] >= 0) close(fds_[end]);
    fds_[end] = -1;
  }

  std::array<int, 2> fds_{-1, -1};
};

}  // namespace evenkeel::base
