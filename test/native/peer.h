// The server's side of loopback connections, played by the test itself: nothing happens there unless the test
// says so. Nothing blocks; the test asks again after each turn of the client.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#if defined(__linux__)
#include <linux/filter.h>
#endif
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "packets.h"

namespace evenkeel::test {

#if defined(MSG_NOSIGNAL)
inline constexpr int kNoSignal = MSG_NOSIGNAL;
#else
inline constexpr int kNoSignal = 0;
#endif

class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) { fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK); }
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The next request, once it has arrived whole.
  std::optional<Packet> request() {
    Packet packet;
    while (!decode(&received_, &packet)) {
      // A block at a time: each request is taken off the front of what is here.
      const size_t before = received_.size();
      pull(kBlock);
      if (received_.size() == before) return std::nullopt;
    }
    return packet;
  }
  // What has arrived of requests that are not whole yet.
  const std::string& rest() {
    pull();
    return received_;
  }
  // The same, which is then taken away.
  std::string take() {
    pull();
    return std::exchange(received_, {});
  }
  // At most `limit` more bytes: leaves the others in the kernel, for whoever tests a full socket.
  void pull_some(size_t limit) { pull(limit); }
  // What the last call left of them.
  const std::string& received() const { return received_; }

  // The client has ended the connection.
  bool has_ended() {
    pull();
    return ended_;
  }

  void send(std::string_view bytes) {
    to_send_ += bytes;
    push();
  }
  void answer(const Packet& packet) { send(encode(packet)); }
  // Sends what the socket had no room for; call it in a loop.
  bool has_sent_everything() {
    push();
    return to_send_.empty();
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
#if defined(__linux__)
  // From here on it takes no packet and acknowledges none, as if its machine were gone.
  void vanish() {
    sock_filter nothing{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
    const sock_fprog program{.len = 1, .filter = &nothing};
    EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  }
#endif
  // Ends the connection with a reset instead of an orderly end.
  void reset() {
    const linger none{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close();
  }

 private:
  static constexpr size_t kBlock = 65536;

  void pull(size_t limit = SIZE_MAX) {
    std::array<char, kBlock> block;
    while (fd_ >= 0 && limit > 0) {
      const ssize_t length = recv(fd_, block.data(), std::min(block.size(), limit), 0);
      if (length > 0) {
        received_.append(block.data(), static_cast<size_t>(length));
        limit -= static_cast<size_t>(length);
        continue;
      }
      if (length < 0 && errno == EINTR) continue;
      if (length == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) ended_ = true;
      return;
    }
  }
  void push() {
    while (fd_ >= 0 && !to_send_.empty()) {
      const ssize_t length = ::send(fd_, to_send_.data(), to_send_.size(), kNoSignal);
      if (length <= 0) return;
      to_send_.erase(0, static_cast<size_t>(length));
    }
  }

  int fd_;
  bool ended_ = false;
  std::string received_;
  std::string to_send_;
};

class Listener {
 public:
  Listener() { open(0); }
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }
  int descriptor() const { return fd_; }

  // The next connection; null while there is none.
  std::unique_ptr<Peer> accept() {
    const int fd = ::accept(fd_, nullptr, nullptr);
    return fd < 0 ? nullptr : std::make_unique<Peer>(fd);
  }
  // Connections are refused from here on, until reopen().
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void reopen() { open(port_); }

 private:
  void open(uint16_t port) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Small, and inherited: a value of a few megabytes is certain not to fit.
    const int window = 65536;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }

  int fd_ = -1;
  uint16_t port_ = 0;
};

}  // namespace evenkeel::test
