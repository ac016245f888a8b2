#include "net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <string>

namespace evenkeel::net {
namespace {

TEST(Address, ReadsNumericIpv4) {
  const auto address = Address::ip("127.0.0.1", 11211);
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->family(), AF_INET);
  EXPECT_EQ(address->size(), sizeof(sockaddr_in));
  const auto* in = reinterpret_cast<const sockaddr_in*>(address->data());
  EXPECT_EQ(ntohs(in->sin_port), 11211);
  EXPECT_EQ(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
}

TEST(Address, ReadsNumericIpv6) {
  const auto address = Address::ip("::1", 65535);
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->family(), AF_INET6);
  EXPECT_EQ(address->size(), sizeof(sockaddr_in6));
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(address->data());
  EXPECT_EQ(ntohs(in6->sin6_port), 65535);
  EXPECT_EQ(std::memcmp(&in6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback), 0);
}

TEST(Address, NamesAreNotResolvedHere) {
  for (const char* text : {"", "localhost", "127.0.0.1:1", "[::1]", "1.2.3", "1.2.3.256", "::g"})
    EXPECT_FALSE(Address::ip(text, 1).has_value()) << text;
}

TEST(Address, IsNotReadUpToAZeroByte) {
  using std::string_literals::operator""s;
  EXPECT_FALSE(Address::ip("127.0.0.1\0.example.com"s, 1).has_value());
  EXPECT_FALSE(Address::ip("::1\0"s, 1).has_value());
  EXPECT_FALSE(Address::unix_path("/run/a\0b"s).has_value());
}

TEST(Address, APathFitsOrIsRefused) {
  EXPECT_FALSE(Address::unix_path("").has_value());
  const size_t room = sizeof(sockaddr_un::sun_path) - 1;
  const auto longest = Address::unix_path(std::string(room, 'p'));
  ASSERT_TRUE(longest.has_value());
  EXPECT_EQ(longest->family(), AF_UNIX);
  EXPECT_EQ(std::string(reinterpret_cast<const sockaddr_un*>(longest->data())->sun_path),
            std::string(room, 'p'));
  EXPECT_FALSE(Address::unix_path(std::string(room + 1, 'p')).has_value());
}

}  // namespace
}  // namespace evenkeel::net
