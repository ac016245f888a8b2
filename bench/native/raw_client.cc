// The floor: what one connection, one thread and one epoll loop can do with the binary protocol when nothing
// else is asked of them. It keeps a fixed number of operations in flight, parses every header, checks opaque,
// opcode, status and value length, and writes once a wake-up. It keeps no value. One JSON line on stdout.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "arguments.h"
#include "latency_histogram.h"
#include "outbox.h"
#include "process_usage.h"
#include "wire.h"

namespace bench {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kSetExtras = 8;
// A value from here on is sent from where it lies instead of being copied behind its header.
constexpr size_t kByReference = 16 * 1024;

enum class Load { kGet, kSet, kMix, kGetMany };

struct Options {
  int port = 0;
  uint32_t depth = 1;
  uint32_t batch = 1;  // operations in a group that is issued and finished together
  Load load = Load::kGet;
  size_t keys = 0;
  size_t key_size = 0;
  size_t value_size = 0;
  std::string prefix;
  double warmup = 0;
  double seconds = 0;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "raw client: %s (errno %d)\n", what, errno);
  std::exit(1);
}

class RawClient {
 public:
  explicit RawClient(const Options& options)
      : options_(options),
        value_(options.value_size, 'v'),
        in_(kReadSize),
        slots_(options.depth * options.batch),
        groups_(options.depth) {
    key_bytes_.reserve(options.keys * options.key_size);
    for (size_t i = 0; i < options.keys; ++i) {
      const std::string digits = std::to_string(i);
      std::string key = options.prefix + ":";
      key.append(options.key_size - key.size() - digits.size(), '0').append(digits);
      key_bytes_ += key;
    }
    connect();
  }

  void preload() {
    preloading_ = true;
    const size_t window = std::min<size_t>(slots_.size(), options_.keys);
    for (uint32_t i = 0; i < window; ++i) send(i, kSet);
    while (completed_ < options_.keys) turn();
    preloading_ = false;
  }

  void run() {
    issued_ = 0;
    now_ = now_ns();
    for (uint32_t g = 0; g < groups_.size(); ++g) issue(g);
    turn_until(now_ + seconds(options_.warmup));
    latencies_.reset();
    const uint64_t operations = completed_;
    const uint64_t cpu = cpu_us();
    const uint64_t start = now_ns();
    turn_until(start + seconds(options_.seconds));
    const uint64_t elapsed = now_ns() - start;
    std::printf(
        "{\"ops\":%llu,\"seconds\":%.6f,\"cpu_us\":%llu,\"p50_us\":%.2f,\"p99_us\":%.2f,"
        "\"idle_rss\":%llu,\"peak_rss\":%llu}\n",
        static_cast<unsigned long long>(completed_ - operations), static_cast<double>(elapsed) / 1e9,
        static_cast<unsigned long long>(cpu_us() - cpu), latencies_.percentile_us(50),
        latencies_.percentile_us(99), static_cast<unsigned long long>(idle_rss_),
        static_cast<unsigned long long>(memory_bytes("VmHWM")));
  }

 private:
  struct Slot {
    uint8_t opcode = 0;
    bool in_flight = false;
  };
  struct Group {
    uint32_t left = 0;
    uint64_t sent_at = 0;
  };

  static uint64_t seconds(double s) { return static_cast<uint64_t>(s * 1e9); }

  void connect() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, EPOLLIN);
    idle_rss_ = memory_bytes("VmRSS");
  }

  void watch(int how, uint32_t events) {
    epoll_event e{};
    e.events = events;
    if (epoll_ctl(epoll_, how, fd_, &e) != 0) fail("epoll_ctl");
  }

  void turn_until(uint64_t deadline) {
    while (now_ < deadline) turn();
  }

  // One wake-up: read what is there, answer it with as many new requests, write them all.
  void turn() {
    if (!flush() && !waiting_to_write_) watch(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), waiting_to_write_ = true;
    if (out_.empty() && waiting_to_write_) watch(EPOLL_CTL_MOD, EPOLLIN), waiting_to_write_ = false;
    epoll_event event;
    const int ready = epoll_wait(epoll_, &event, 1, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    if (ready <= 0 || (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    const ssize_t n = recv(fd_, in_.data() + held_, in_.size() - held_, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) fail("the server closed the connection");
    now_ = now_ns();
    parse(held_ + static_cast<size_t>(n));
  }

  bool flush() {
    const Outbox::Flushed result = out_.flush(fd_);
    if (result == Outbox::Flushed::kFailed) fail("write");
    return result == Outbox::Flushed::kAll;
  }

  void parse(size_t length) {
    size_t at = 0;
    for (;;) {
      if (body_left_ > 0) {
        const size_t part = std::min(body_left_, length - at);
        at += part;
        body_left_ -= part;
        if (body_left_ > 0) break;
        finish(current_.opaque);
      }
      if (length - at < kHeaderSize) break;
      current_ = Header::parse(in_.data() + at);
      at += kHeaderSize;
      check(current_);
      body_left_ = current_.body_length;
      if (body_left_ == 0) finish(current_.opaque);
    }
    held_ = length - at;
    std::memmove(in_.data(), in_.data() + at, held_);
  }

  void check(const Header& h) const {
    if (h.magic != kResponseMagic || h.opaque >= slots_.size()) fail("not an answer to anything sent");
    const Slot& slot = slots_[h.opaque];
    if (!slot.in_flight || slot.opcode != h.opcode) fail("an answer to another operation");
    if (h.status != kSuccess) fail("a status other than success");
    const size_t value = h.body_length - h.extras_length - h.key_length;
    if (h.opcode != kSet && value != options_.value_size) fail("a value of another length");
  }

  void finish(uint32_t index) {
    slots_[index].in_flight = false;
    ++completed_;
    if (preloading_) {
      if (issued_ < options_.keys) send(index, kSet);
      return;
    }
    const uint32_t group = index / options_.batch;
    if (--groups_[group].left > 0) return;
    latencies_.record(now_ - groups_[group].sent_at);
    issue(group);
  }

  void issue(uint32_t group) {
    groups_[group] = {options_.batch, now_};
    for (uint32_t i = 0; i < options_.batch; ++i) {
      send(group * options_.batch + i, next_opcode(i + 1 == options_.batch));
    }
  }

  Opcode next_opcode(bool last_of_group) const {
    switch (options_.load) {
      case Load::kSet:
        return kSet;
      case Load::kMix:
        return issued_ % 5 == 0 ? kSet : kGet;
      case Load::kGetMany:
        // The server may hold quiet answers back until the last; all of them are hits, so all are answered.
        return last_of_group ? kGet : kGetQ;
      default:
        return kGet;
    }
  }

  void send(uint32_t index, Opcode opcode) {
    slots_[index] = {opcode, true};
    const size_t extras = opcode == kSet ? kSetExtras : 0;
    const size_t value = opcode == kSet ? value_.size() : 0;
    const bool by_reference = value >= kByReference;
    char* p = out_.extend(kHeaderSize + extras + options_.key_size + (by_reference ? 0 : value));
    Header h;
    h.magic = kRequestMagic;
    h.opcode = opcode;
    h.key_length = static_cast<uint16_t>(options_.key_size);
    h.extras_length = static_cast<uint8_t>(extras);
    h.body_length = static_cast<uint32_t>(extras + options_.key_size + value);
    h.opaque = index;
    h.write(p);
    p += kHeaderSize;
    std::memset(p, 0, extras);
    p += extras;
    std::memcpy(p, key_bytes_.data() + next_key_ * options_.key_size, options_.key_size);
    if (++next_key_ == options_.keys) next_key_ = 0;
    ++issued_;
    if (by_reference) {
      out_.extend_by_reference(value_.data(), value);
    } else {
      std::memcpy(p + options_.key_size, value_.data(), value);
    }
  }

  const Options options_;
  const std::string value_;
  std::string key_bytes_;
  std::vector<char> in_;
  size_t held_ = 0;
  size_t body_left_ = 0;
  Header current_;
  std::vector<Slot> slots_;
  std::vector<Group> groups_;
  Outbox out_;
  LatencyHistogram latencies_;
  size_t next_key_ = 0;
  uint64_t issued_ = 0;
  uint64_t completed_ = 0;
  uint64_t now_ = 0;
  uint64_t idle_rss_ = 0;
  int fd_ = -1;
  int epoll_ = -1;
  bool waiting_to_write_ = false;
  bool preloading_ = false;
};

Options parse_options(int argc, char** argv) {
  Arguments arguments(argc, argv);
  Options o;
  o.port = static_cast<int>(arguments.number("port", 11211));
  o.depth = static_cast<uint32_t>(arguments.number("depth", 1));
  const std::string load = arguments.text("op", "get");
  if (load == "set") {
    o.load = Load::kSet;
  } else if (load == "mix") {
    o.load = Load::kMix;
  } else if (load == "getmany") {
    o.load = Load::kGetMany;
  } else if (load != "get") {
    Arguments::fail("--op is get, set, mix or getmany");
  }
  o.batch = static_cast<uint32_t>(arguments.number("batch", o.load == Load::kGetMany ? 100 : 1));
  o.keys = static_cast<size_t>(arguments.number("keys", 10'000));
  o.key_size = static_cast<size_t>(arguments.number("key-size", 20));
  o.value_size = static_cast<size_t>(arguments.number("value-size", 100));
  o.prefix = arguments.text("prefix", "raw");
  o.warmup = arguments.number("warmup", 0.5);
  o.seconds = arguments.number("seconds", 2);
  arguments.finish();
  if (o.depth == 0 || o.batch == 0 || o.keys == 0 || o.prefix.size() + 8 > o.key_size)
    Arguments::fail("nothing to do");
  return o;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const bench::Options options = bench::parse_options(argc, argv);
  // A server that stops answering must not leave this process behind.
  alarm(static_cast<unsigned>(options.warmup + options.seconds) + 20);
  bench::RawClient client(options);
  client.preload();
  client.run();
}
