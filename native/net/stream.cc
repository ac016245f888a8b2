#include "net/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace evenkeel::net {

namespace {

int open_socket(int family) {
#if defined(__linux__)
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
#if defined(SO_NOSIGPIPE)
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fd;
#endif
}

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

#if defined(__linux__)
constexpr base::Millis kFirstRetransmission = 200;  // at the earliest
#endif

bool is_transient(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

Channel::Transfer finished(ssize_t moved) {
  Channel::Transfer transfer;
  if (moved >= 0) {
    transfer.bytes = static_cast<size_t>(moved);
  } else if (is_transient(errno)) {
    transfer.would_block = true;
  } else {
    transfer.status = Status::last_error();
  }
  return transfer;
}

}  // namespace

Status Stream::connect(const Address& address) {
  close();
  fd_ = open_socket(address.family());
  if (fd_ < 0) return Status::last_error();
  base::counters.streams.fetch_add(1, std::memory_order_relaxed);
  if (address.family() != AF_UNIX) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (::connect(fd_, address.data(), address.size()) != 0 && errno != EINPROGRESS) {
    const Status status = Status::last_error();
    close();
    return status;
  }
  wants_writable_ = true;
  const Status status = base_.watch(fd_, base::Interest::kReadWrite, this);
  if (!status.is_ok()) close();
  return status;
}

Channel::Transfer Stream::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return {.status = Status::from_errno(error)};
}

Channel::Transfer Stream::receive(std::span<const iovec> into) {
  Transfer transfer = finished(readv(fd_, into.data(), static_cast<int>(into.size())));
  transfer.end_of_stream = transfer.status.is_ok() && !transfer.would_block && transfer.bytes == 0;
  return transfer;
}

Channel::Transfer Stream::send(std::span<const iovec> from) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(from.size());
  const Transfer transfer = finished(sendmsg(fd_, &message, kSendFlags));
  if (transfer.bytes > 0) base_.count_write();
  return transfer;
}

base::Millis Stream::alive_for(base::Millis limit) const {
#if defined(__linux__)
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return limit;  // not TCP
  if (info.tcpi_unacked == 0) return limit;
  if (info.tcpi_last_ack_recv < limit) return limit - info.tcpi_last_ack_recv;
  // What was sent just now, after a pause, cannot have been acknowledged yet.
  return info.tcpi_retransmits > 0 ? 0 : std::min(limit, kFirstRetransmission);
#else
  return limit;
#endif
}

void Stream::want_writable(bool wanted) {
  if (wanted == wants_writable_ || fd_ < 0) return;
  wants_writable_ = wanted;
  // The descriptor is registered, so the kernel has no reason to refuse; were it to, the deadlines would
  // tell.
  (void)base_.set_interest(fd_, wanted ? base::Interest::kReadWrite : base::Interest::kRead).is_ok();
}

void Stream::close() {
  if (fd_ < 0) return;
  base_.unwatch(fd_);
  ::close(fd_);
  fd_ = -1;
  base::counters.streams.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace evenkeel::net
