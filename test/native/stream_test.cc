#include "net/stream.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>

#include "packets.h"
#include "peer.h"

namespace evenkeel::net {
namespace {

using base::EventBase;
using test::Listener;
using test::Peer;

struct Handler final : ChannelHandler {
  std::function<void()> then;
  int readable = 0;
  int writable = 0;
  void on_channel_ready(bool is_readable, bool is_writable) override {
    readable += is_readable ? 1 : 0;
    writable += is_writable ? 1 : 0;
    if (then) then();
  }
};

class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    Status status;
    base_ = EventBase::create(&status);
    ASSERT_TRUE(status.is_ok());
  }
  template <typename Condition>
  void poll_until(Condition condition) {
    while (!condition()) base_->poll(1);
  }
  Address address() const { return *Address::ip("127.0.0.1", listener_.port()); }
  // Connects, and accepts at the other end.
  void connect(Stream* stream) {
    ASSERT_TRUE(stream->connect(address()).is_ok());
    poll_until([&] { return (peer_ = listener_.accept()) != nullptr; });
    poll_until([&] { return handler_.writable > 0; });
    ASSERT_TRUE(stream->finish_connect().status.is_ok());
  }
  static Stream::Transfer send(Stream* stream, std::string_view text) {
    const iovec segment{const_cast<char*>(text.data()), text.size()};
    return stream->send({&segment, 1});
  }
  static Stream::Transfer receive(Stream* stream, std::string* text) {
    std::array<char, 4096> block;
    const iovec segment{block.data(), block.size()};
    const Stream::Transfer transfer = stream->receive({&segment, 1});
    text->append(block.data(), transfer.bytes);
    return transfer;
  }

  std::unique_ptr<EventBase> base_;
  Listener listener_;
  std::unique_ptr<Peer> peer_;
  Handler handler_;
};

TEST_F(StreamTest, ConnectsAndMovesBytesBothWays) {
  Stream stream(*base_, handler_);
  EXPECT_FALSE(stream.is_open());
  connect(&stream);
  EXPECT_TRUE(stream.is_open());
  stream.want_writable(false);
  EXPECT_EQ(send(&stream, "to the server").bytes, 13u);
  poll_until([&] { return peer_->rest() == "to the server"; });
  peer_->send("to the client");
  handler_.readable = 0;
  poll_until([&] { return handler_.readable > 0; });
  std::string text;
  EXPECT_EQ(receive(&stream, &text).bytes, 13u);
  EXPECT_EQ(text, "to the client");
  EXPECT_TRUE(receive(&stream, &text).would_block);
}

TEST_F(StreamTest, GathersAndScatters) {
  Stream stream(*base_, handler_);
  connect(&stream);
  std::string one = "one", two = "two";
  const std::array<iovec, 2> out{iovec{one.data(), one.size()}, iovec{two.data(), two.size()}};
  EXPECT_EQ(stream.send(out).bytes, 6u);
  poll_until([&] { return peer_->rest() == "onetwo"; });
  peer_->send("abcdef");
  std::string first(2, ' '), second(8, ' ');
  const std::array<iovec, 2> in{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
  Stream::Transfer transfer;
  poll_until([&] { return (transfer = stream.receive(in)).bytes > 0; });
  EXPECT_EQ(transfer.bytes, 6u);
  EXPECT_EQ(first + second.substr(0, 4), "abcdef");
}

TEST_F(StreamTest, IsToldOfWritabilityOnlyWhileItAsks) {
  Stream stream(*base_, handler_);
  connect(&stream);
  stream.want_writable(false);
  const int before = handler_.writable;
  base_->poll(0);
  EXPECT_EQ(handler_.writable, before);
  stream.want_writable(true);
  base_->poll(0);
  EXPECT_EQ(handler_.writable, before + 1);
}

TEST_F(StreamTest, AFullSocketBlocksAndComesBackOnceItIsRead) {
  Stream stream(*base_, handler_);
  connect(&stream);
  const std::string block(1 << 20, 'x');
  size_t sent = 0;
  Stream::Transfer transfer;
  while (!(transfer = send(&stream, block)).would_block) {
    ASSERT_TRUE(transfer.status.is_ok());
    sent += transfer.bytes;
  }
  EXPECT_EQ(transfer.bytes, 0u);
  stream.want_writable(true);
  handler_.writable = 0;
  poll_until([&] { return peer_->rest().size() == sent && handler_.writable > 0; });
  EXPECT_GT(send(&stream, block).bytes, 0u);
}

TEST_F(StreamTest, AnOrderlyEndAndAResetAreTold) {
  std::string text;
  {
    Stream stream(*base_, handler_);
    connect(&stream);
    peer_->send("last words");
    peer_->close();
    Stream::Transfer transfer;
    poll_until([&] { return (transfer = receive(&stream, &text)).end_of_stream; });
    EXPECT_EQ(text, "last words");
    EXPECT_TRUE(transfer.status.is_ok());
  }
  Stream stream(*base_, handler_);
  handler_.writable = 0;
  connect(&stream);
  peer_->reset();
  Stream::Transfer transfer;
  poll_until([&] { return !(transfer = receive(&stream, &text)).would_block; });
  EXPECT_EQ(transfer.status.error(), ECONNRESET);
  EXPECT_FALSE(transfer.end_of_stream);
}

TEST_F(StreamTest, WritingToAClosedConnectionIsAStatusAndNoSignal) {
  Stream stream(*base_, handler_);
  connect(&stream);
  peer_->reset();
  Stream::Transfer transfer;
  poll_until([&] { return !(transfer = send(&stream, "x")).status.is_ok(); });
  EXPECT_TRUE(transfer.status.error() == EPIPE || transfer.status.error() == ECONNRESET);
}

TEST_F(StreamTest, ARefusedConnectionIsToldByFinishConnect) {
  listener_.close();
  Stream stream(*base_, handler_);
  const Status started = stream.connect(address());
  if (started.is_ok()) {
    poll_until([&] { return handler_.writable > 0; });
    EXPECT_EQ(stream.finish_connect().status.error(), ECONNREFUSED);
  } else {
    EXPECT_EQ(started.error(), ECONNREFUSED);
  }
}

TEST_F(StreamTest, TheHandlerMayCloseAndConnectAnew) {
  Stream stream(*base_, handler_);
  int connected = 0;
  handler_.then = [&] {
    stream.close();
    EXPECT_FALSE(stream.is_open());
    if (++connected < 3) {
      EXPECT_TRUE(stream.connect(address()).is_ok());
    }
  };
  ASSERT_TRUE(stream.connect(address()).is_ok());
  poll_until([&] { return connected == 3; });
  stream.close();
  EXPECT_EQ(base_->stats().descriptors, 0u);
}

TEST_F(StreamTest, ConnectingAnOpenStreamLeavesTheOldConnection) {
  Stream stream(*base_, handler_);
  connect(&stream);
  const auto first = std::move(peer_);
  handler_.writable = 0;
  connect(&stream);
  poll_until([&] { return first->has_ended(); });
  EXPECT_EQ(base_->stats().descriptors, 1u);
}

TEST_F(StreamTest, ConnectsToAUnixSocket) {
  std::string folder = "/tmp/evenkeel-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/socket";
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const Address address = *Address::unix_path(path);
  ASSERT_EQ(bind(listener, address.data(), address.size()), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  {
    Stream stream(*base_, handler_);
    ASSERT_TRUE(stream.connect(address).is_ok());
    poll_until([&] { return handler_.writable > 0; });
    EXPECT_TRUE(stream.finish_connect().status.is_ok());
    Peer peer(accept(listener, nullptr, nullptr));
    EXPECT_EQ(send(&stream, "hello").bytes, 5u);
    poll_until([&] { return peer.rest() == "hello"; });
  }
  close(listener);
  unlink(path.c_str());
  Stream stream(*base_, handler_);
  EXPECT_EQ(stream.connect(address).error(), ENOENT);
  EXPECT_FALSE(stream.is_open());
  rmdir(folder.c_str());
}

TEST_F(StreamTest, CountsItsOpenSockets) {
  const auto open = [] { return base::counters.streams.load(); };
  const int64_t before = open();
  {
    Stream stream(*base_, handler_);
    connect(&stream);
    EXPECT_EQ(open(), before + 1);
    stream.close();
    stream.close();
    EXPECT_EQ(open(), before);
    handler_.writable = 0;
    connect(&stream);
  }
  EXPECT_EQ(open(), before);
}

}  // namespace
}  // namespace evenkeel::net
