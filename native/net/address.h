// Where a server listens: an IP address with a port, or the path of a Unix socket. Host names are resolved
// above.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

namespace evenkeel::net {

class Address {
 public:
  // `host` is a numeric IPv4 or IPv6 address; nothing when it is not, or has a zero byte.
  static std::optional<Address> ip(const std::string& host, uint16_t port);
  // Nothing when the path has a zero byte, or does not fit a sockaddr_un (about 107 bytes).
  static std::optional<Address> unix_path(const std::string& path);

  int family() const { return storage_.ss_family; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace evenkeel::net
