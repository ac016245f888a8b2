// A server in a thread of its own that understands gets and sets, answers in random order and in random
// pieces, and fails in the ways servers and networks do, as often as it is told. It keeps count of what it
// has executed.
#pragma once

#include <poll.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "peer.h"

namespace evenkeel::test {

class ChaosServer {
 public:
  // How many requests of ten thousand meet it.
  struct Faults {
    uint32_t reset = 0;    // the connection is reset
    uint32_t cut = 0;      // the connection ends in the middle of the answer
    uint32_t silence = 0;  // no answer
    uint32_t garbage = 0;  // another answer than the one that is due
    uint32_t stall = 0;    // the connection is neither read nor written for a while
  };

  ChaosServer(uint64_t seed, Faults faults) : faults_(faults), random_(seed), thread_([this] { run(); }) {}
  ~ChaosServer() { stop(); }

  uint16_t port() const { return listener_.port(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // How often a set of this key was executed.
  int executions(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = executions_.find(key);
    return found == executions_.end() ? 0 : found->second;
  }
  // What a get of the key is answered with: "<anything>:<length>".
  static std::string value_of(const std::string& key) {
    const size_t length = std::strtoull(key.c_str() + key.find(':') + 1, nullptr, 10);
    std::string value;
    while (value.size() < length) value += key + ",";
    value.resize(length);
    return value;
  }

 private:
  struct Connection {
    std::unique_ptr<Peer> peer;
    std::vector<std::string> answers;  // due, in any order
    std::string output;
    int stalled = 0;  // turns
    bool closing = false;
  };

  bool happens(uint32_t of_ten_thousand) { return random_() % 10'000 < of_ten_thousand; }

  void run() {
    while (!stopping_) {
      pollfd waiting{.fd = listener_.descriptor(), .events = POLLIN, .revents = 0};
      poll(&waiting, 1, is_busy_ ? 0 : 1);
      while (auto peer = listener_.accept()) {
        connections_.emplace_back();
        connections_.back().peer = std::move(peer);
      }
      is_busy_ = false;
      for (Connection& connection : connections_) serve(&connection);
      std::erase_if(connections_, [](const Connection& each) { return each.peer == nullptr; });
    }
    connections_.clear();
  }

  void serve(Connection* connection) {
    if (connection->stalled > 0) {
      --connection->stalled;
      return;
    }
    while (connection->peer != nullptr && !connection->closing && connection->stalled == 0) {
      const auto request = connection->peer->request();
      if (!request) break;
      is_busy_ = true;
      execute(*request, connection);
    }
    if (connection->peer == nullptr) return;
    send_some(connection);
    if (connection->peer->has_ended() || (connection->closing && connection->output.empty()))
      connection->peer = nullptr;
  }

  void execute(const Packet& request, Connection* connection) {
    Packet answer{.opcode = request.opcode, .opaque = request.opaque, .cas = 1};
    const bool is_set = request.opcode == 0x01;
    if (is_set) {
      const std::lock_guard lock(mutex_);
      ++executions_[request.key];
    } else if (request.opcode == 0x00) {
      answer.extras = "flag";
      answer.value = value_of(request.key);
    } else {
      answer.value = "chaos";
    }
    if (happens(faults_.reset)) {
      connection->peer->reset();
      connection->peer = nullptr;
    } else if (happens(faults_.cut)) {
      std::string bytes = encode(answer);
      bytes.resize(random_() % bytes.size());
      connection->output += bytes;
      connection->answers.clear();  // another one behind it would pass for its rest
      connection->closing = true;
    } else if (happens(faults_.stall)) {
      connection->stalled = static_cast<int>(random_() % 30);
      connection->answers.push_back(encode(answer));
    } else if (happens(faults_.garbage)) {
      answer.opaque ^=
          1u << (20 + random_() % 12);  // another generation of the slot: never that of another request
      connection->answers.push_back(encode(answer));
    } else if (!happens(faults_.silence)) {
      connection->answers.push_back(encode(answer));
    }
  }

  void send_some(Connection* connection) {
    std::vector<std::string>& answers = connection->answers;
    if (!answers.empty()) is_busy_ = true;
    while (!answers.empty() && random_() % 8 != 0) {
      if (random_() % 4 == 0) std::swap(answers.back(), answers[random_() % answers.size()]);
      connection->output += answers.back();
      answers.pop_back();
    }
    const size_t length = random_() % 4 == 0 ? random_() % (connection->output.size() + 1) : SIZE_MAX;
    connection->peer->send(connection->output.substr(0, length));
    connection->output.erase(0, length);
  }

  const Faults faults_;
  std::mt19937_64 random_;
  Listener listener_;
  std::vector<Connection> connections_;
  bool is_busy_ = false;
  std::mutex mutex_;  // of the one below
  std::map<std::string, int> executions_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace evenkeel::test
