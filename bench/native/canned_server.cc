// The canned responder: a memcached that does no work, so that the client is what a measurement shows. One
// thread, large reads, one write a read. It speaks both protocols by the first byte of a connection, prints
// its ports on a line of their own and ends when stdin does, so it cannot outlive the run that started it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "arguments.h"
#include "binary_answers.h"
#include "text_answers.h"

namespace bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
// A client that does not read is not read from, once this much waits for it.
constexpr size_t kMaxUnsent = 4 * 1024 * 1024;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "canned server: %s (errno %d)\n", what, errno);
  std::exit(1);
}

class Connection {
 public:
  Connection(int fd, const BinaryAnswers& binary, const TextAnswers& text)
      : fd_(fd), binary_(binary), text_(text), in_(kReadSize) {}
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False when the connection is over.
  bool on_readable() {
    const ssize_t n = recv(fd_, in_.data() + held_, in_.size() - held_, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    const size_t length = held_ + static_cast<size_t>(n);
    size_t at = 0;
    for (;;) {
      const size_t part = std::min(skip_, length - at);
      at += part;
      skip_ -= part;
      if (skip_ == 0) due_ = out_.size();
      if (at == length) break;
      const size_t used = static_cast<uint8_t>(in_[at]) == kRequestMagic ? answer_binary(at, length)
                                                                         : answer_text(at, length);
      if (used == 0) break;
      at += used;
    }
    held_ = length - at;
    if (held_ == in_.size()) return false;  // a line longer than the buffer is no memcached command
    std::memmove(in_.data(), in_.data() + at, held_);
    return write_out() && !over_;
  }

  bool write_out() {
    while (sent_ < due_) {
      const ssize_t n = send(fd_, out_.data() + sent_, due_ - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      sent_ += static_cast<size_t>(n);
    }
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(due_));
    sent_ = due_ = 0;
    return true;
  }

  uint32_t wanted_events() const {
    uint32_t events = due_ - sent_ < kMaxUnsent ? EPOLLIN : 0u;
    if (due_ > 0) events |= EPOLLOUT;
    return events;
  }

  uint32_t watched_events = EPOLLIN;

 private:
  // Both return the bytes used, 0 when more are needed, and append the answer. It falls due when the
  // request's body, which is skipped and not kept, has arrived whole.
  size_t answer_binary(size_t at, size_t length) {
    if (length - at < kHeaderSize) return 0;
    const Header h = Header::parse(in_.data() + at);
    const size_t key_at = at + kHeaderSize + h.extras_length;
    if (BinaryAnswers::wants_key(h.opcode) && length < key_at + h.key_length) return 0;
    if (!binary_.append(out_, h, in_.data() + key_at)) over_ = true;
    skip_ = h.body_length;
    return kHeaderSize;
  }

  size_t answer_text(size_t at, size_t length) {
    const char* start = in_.data() + at;
    const char* end = static_cast<const char*>(std::memchr(start, '\n', length - at));
    if (end == nullptr) return 0;
    const size_t used = static_cast<size_t>(end - start) + 1;
    std::string_view line(start, used - 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const TextAnswers::Outcome outcome = text_.append(out_, line);
    if (outcome.close) over_ = true;
    skip_ = outcome.body;
    return used;
  }

  const int fd_;
  const BinaryAnswers& binary_;
  const TextAnswers& text_;
  std::vector<char> in_;
  std::vector<char> out_;
  size_t held_ = 0;
  size_t skip_ = 0;
  size_t due_ = 0;   // bytes of out_ that may leave
  size_t sent_ = 0;  // bytes of them that did
  bool over_ = false;
};

class Server {
 public:
  Server(size_t value_size, uint32_t flags, size_t listeners)
      : binary_(value_size, flags), text_(value_size) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
    for (size_t i = 0; i < listeners; ++i) std::printf(i == 0 ? "%d" : " %d", listen_at_any_port());
    std::printf("\n");
    std::fflush(stdout);
  }

  void run() {
    for (;;) {
      epoll_event events[64];
      const int count = epoll_wait(epoll_, events, 64, -1);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == STDIN_FILENO) {
          char ignored[256];
          if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return;
        } else if (listeners_.contains(fd)) {
          accept_all(fd);
        } else {
          serve(fd, events[i].events);
        }
      }
    }
  }

 private:
  int listen_at_any_port() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      fail("listen");
    }
    listeners_.insert(listener);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    return ntohs(address.sin_port);
  }

  void watch(int how, int fd, uint32_t events) const {
    epoll_event e{};
    e.events = events;
    e.data.fd = fd;
    if (epoll_ctl(epoll_, how, fd, &e) != 0) fail("epoll_ctl (stdin must be a pipe)");
  }

  void accept_all(int listener) {
    for (;;) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_.emplace(fd, std::make_unique<Connection>(fd, binary_, text_));
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void serve(int fd, uint32_t events) {
    Connection& connection = *connections_.at(fd);
    bool alive = (events & EPOLLOUT) == 0 || connection.write_out();
    if (alive && (events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) alive = connection.on_readable();
    if (!alive) {
      connections_.erase(fd);
      return;
    }
    const uint32_t wanted = connection.wanted_events();
    if (wanted == connection.watched_events) return;
    connection.watched_events = wanted;
    watch(EPOLL_CTL_MOD, fd, wanted);
  }

  const BinaryAnswers binary_;
  const TextAnswers text_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::unordered_set<int> listeners_;
  int epoll_ = -1;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const auto value_size = static_cast<size_t>(arguments.number("value-size", 100));
  // Couchbase's common flags for a binary value: clients that know them return the bytes untouched.
  const auto flags = static_cast<uint32_t>(arguments.number("flags", 0x03000000));
  // So many ports, one line of them on stdout.
  const auto listeners = static_cast<size_t>(arguments.number("listeners", 1));
  arguments.finish();
  bench::Server(value_size, flags, listeners).run();
}
