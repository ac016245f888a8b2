// The fixture of the end-to-end tests: a client in one of the two drives, and the server's side of its
// connections in the test's hands.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client_harness.h"
#include "peer.h"

namespace evenkeel::test {

class ClientTest : public testing::TestWithParam<Drive> {
 protected:
  // Starts connecting; with a handshake of its own.
  void start(const pipeline::Options& options = {}) {
    client_ = std::make_unique<ClientHarness>(GetParam(), options);
    client_->connect(listener_.port());
  }
  void start_connected(const pipeline::Options& options = {}) {
    start(options);
    ASSERT_NO_FATAL_FAILURE(accept());
    ASSERT_NO_FATAL_FAILURE(shake_hands());
  }
  // Waits for the client's next connection.
  void accept() {
    ASSERT_TRUE(client_->until([this] { return (peer_ = listener_.accept()) != nullptr; }));
  }
  void shake_hands() {
    Packet version;
    ASSERT_NO_FATAL_FAILURE(next_request(&version));
    ASSERT_EQ(version.opcode, 0x0b);
    const int connected = client_->count(layout::kOutcomeConnected);
    peer_->answer({.opcode = 0x0b, .opaque = version.opaque, .value = "1.6.45"});
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeConnected) == connected + 1; }));
  }
  void next_request(Packet* request) {
    ASSERT_TRUE(client_->until([&] {
      const auto next = peer_->request();
      if (next) *request = *next;
      return next.has_value();
    }));
  }
  void expect_key(const std::string& key) {
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    EXPECT_EQ(request.key, key);
  }
  void answer(const Packet& request, std::string value = "", uint16_t status = 0) {
    const bool carries_flags = request.opcode == 0x00 && status == 0;
    peer_->answer({.opcode = request.opcode,
                   .status = status,
                   .opaque = request.opaque,
                   .cas = 1,
                   .extras = carries_flags ? std::string(4, '\0') : "",
                   .value = std::move(value)});
  }
  void wait_for(size_t operation) {
    ASSERT_TRUE(client_->until([&] { return client_->settled(operation); }));
  }
  void wait_for_release(size_t operation) {
    ASSERT_TRUE(client_->until([&] { return client_->released(operation); }));
  }
  void wait_for_disconnect() {
    const int before = client_->count(layout::kOutcomeDisconnected);
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > before; }));
  }
  uint32_t outcome(size_t operation) const { return client_->operation(operation).outcome; }
  bool written(size_t operation) const { return client_->operation(operation).written; }

  void TearDown() override {
    if (client_ != nullptr && !client_->has_ended()) client_->close();
    client_.reset();
    EXPECT_EQ(base::counters.pipelines.load(), 0);
    EXPECT_EQ(base::counters.streams.load(), 0);
    EXPECT_EQ(base::counters.payloads.load(), 0);
    EXPECT_EQ(base::counters.large_values.load(), 0);
    EXPECT_EQ(base::counters.unsettled.load(), 0);
  }

  // Reconnects at once, so that no test waits for a back-off that it is not about.
  static pipeline::Options quick() {
    pipeline::Options options;
    options.backoff_min = options.backoff_max = 1;
    return options;
  }

  Listener listener_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<ClientHarness> client_;
};

inline std::string drive_name(const testing::TestParamInfo<Drive>& info) {
  return info.param == Drive::kThreaded ? "Threaded" : "SameThread";
}

inline const auto kBothDrives = testing::Values(Drive::kSameThread, Drive::kThreaded);

}  // namespace evenkeel::test
