// The address of a server: an IP address with a port, or the path of a Unix socket. Host names are resolved
// in lib/.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

namespace evenkeel::net {

class Address {
 public:
  // `host` is a numeric IPv4 or IPv6 address; empty result when it is not, or contains a zero byte.
  static std::optional<Address> ip(const std::string& host, uint16_t port);
  // Empty result when the path contains a zero byte, or does not fit in a sockaddr_un (about 107 bytes).
  static std::optional<Address> unix_path(const std::string& path);

  int family() const { return storage_.ss_family; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace evenkeel::net
