// A history of appends, writes of any length, lost connections, deaths and tidying up, read from the input;
// what leaves the queue must agree with a plain list of requests. A step is two bytes: what, and how much.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/output_queue.h"

namespace {

using evenkeel::net::Batch;
using evenkeel::net::OutputQueue;
using evenkeel::net::Packet;
using evenkeel::net::Payload;
using evenkeel::net::QueuedBytes;

void require(bool condition) {
  if (!condition) std::abort();
}

// Of requests written or dead: not worth a walk.
constexpr size_t kWasteKept = size_t{64} << 10;

int payloads_alive = 0;

class TextPayload final : public Payload {
 public:
  explicit TextPayload(std::string text) : text_(std::move(text)) { ++payloads_alive; }
  ~TextPayload() override { --payloads_alive; }
  std::span<const std::byte> bytes() const override { return std::as_bytes(std::span(text_)); }

 private:
  const std::string text_;
};

struct Request {
  uint32_t opaque;
  std::string text;
};

class History {
 public:
  void append(size_t amount) {
    Batch batch;
    for (size_t i = amount < 192 ? amount % 4 + 1 : 64; i-- > 0;) add(&batch, amount);
    append(batch);
  }

  // By way of another queue, part of which has been written already.
  void append_queue(size_t amount) {
    Batch batch;
    for (size_t i = amount % 4 + 1; i-- > 0;) add(&batch, amount);
    const size_t gone = amount / 4 % (batch.packets.size() + 1);
    OutputQueue other(queued_);
    queued_.add(length_of(batch));
    size_t length = 0;
    for (size_t i = 0; i < gone; ++i) length += batch.length(batch.packets[i]);
    const size_t left = batch.packets.size() - gone;
    const size_t first = model_.size() - batch.packets.size();
    other.append(batch);
    other.consume(length, [](const Packet&, auto) { return false; });
    model_.erase(model_.begin() + static_cast<ptrdiff_t>(first),
                 model_.begin() + static_cast<ptrdiff_t>(first + gone));
    // What dies there is not moved.
    if (amount >= 128 && left > 0) {
      other.kill(other.next_sequence() - 1);
      model_.pop_back();
    }
    queue_.append(other, [this](uint32_t opaque, uint32_t sequence) { sequences_[opaque] = sequence; });
    require(other.empty());
  }

  // One, or many in a row.
  void kill(size_t amount) {
    for (size_t count = amount % 16 == 0 ? 200 : 1; count > 0 && !model_.empty(); --count) {
      const size_t index = amount % model_.size();
      if (index == 0 && written_ > 0) return;
      queue_.kill(sequences_.at(model_[index].opaque));
      model_.erase(model_.begin() + static_cast<ptrdiff_t>(index));
    }
  }

  void tidy() {
    queue_.tidy([this](uint32_t opaque, uint32_t sequence) {
      require(sequences_.at(opaque) != sequence);
      sequences_.at(opaque) = sequence;
    });
    size_t needed = 0;
    for (const Request& request : model_) needed += request.text.size() + sizeof(Packet);
    require(queue_.memory() <= 2 * needed + kWasteKept);
  }

  // Offers what there is to a kernel that takes a part of it.
  void write(size_t amount) {
    std::array<iovec, 4> segments;
    const size_t max_packets = amount % 8 == 0 ? SIZE_MAX : amount % 8;
    const size_t max_segments = amount / 8 % 4 + 1;
    const OutputQueue::Gathered gathered =
        queue_.gather(std::span(segments).first(max_segments), max_packets);
    require(!gathered.payload_gone);
    std::string offered;
    for (int i = 0; i < gathered.segments; ++i) {
      const iovec& segment = segments[static_cast<size_t>(i)];
      require(segment.iov_len > 0);
      offered.append(static_cast<const char*>(segment.iov_base), segment.iov_len);
    }
    require(offered.size() == gathered.bytes);
    require(expected(max_packets, offered.size()).starts_with(offered));
    require(!offered.empty() || model_.empty());

    const size_t taken = amount < 250 ? std::min(offered.size(), amount) : offered.size();
    std::vector<uint32_t> whole;
    queue_.consume(taken, [&](const Packet& packet, auto) {
      whole.push_back(packet.opaque);
      return false;
    });
    written_ += taken;
    for (const uint32_t opaque : whole) {
      require(!model_.empty() && model_.front().opaque == opaque);
      require(written_ >= model_.front().text.size());
      written_ -= model_.front().text.size();
      model_.pop_front();
    }
    require(written_ == 0 || written_ < model_.front().text.size());
  }

  void lose_connection() {
    queue_.rewind();
    written_ = 0;
  }

  void reset() {
    queue_.reset();
    model_.clear();
    written_ = 0;
  }

  void check() {
    require(queue_.size() == model_.size());
    require(queue_.empty() == model_.empty());
    require(queue_.head_partly_written() == (written_ > 0));
    size_t queued = 0;
    for (const Request& request : model_) queued += request.text.size();
    require(queued_.now() == queued);
    if (model_.empty()) {
      require(payloads_alive == 0);
    } else {
      require(queue_.is_partly_written(model_.front().opaque) == (written_ > 0));
    }
  }
  void check_order() {
    size_t next = 0;
    queue_.for_each([&](uint32_t opaque) { require(model_[next++].opaque == opaque); });
    require(next == model_.size());
  }

 private:
  void add(Batch* batch, size_t amount) {
    const uint32_t opaque = next_opaque_++;
    // Some large enough that a short history reaches the queue's tidying up.
    const std::string inline_bytes(amount % 7 == 6 ? 1500 : amount % 7 + 1,
                                   static_cast<char>('a' + opaque % 26));
    const bool has_payload = (amount + opaque) % 3 == 0;
    const std::string payload(has_payload ? amount % 11 : 0, static_cast<char>('A' + opaque % 26));
    batch->bytes.append(std::as_bytes(std::span(inline_bytes)));
    batch->add({.deadline = 0,
                .opaque = opaque,
                .inline_length = static_cast<uint32_t>(inline_bytes.size()),
                .op = 0,
                .discards_value = false},
               has_payload ? std::make_unique<TextPayload>(payload) : nullptr, payload.size());
    model_.push_back({opaque, inline_bytes + payload});
  }
  static size_t length_of(const Batch& batch) {
    size_t length = 0;
    for (const Packet& packet : batch.packets) length += batch.length(packet);
    return length;
  }
  void append(Batch& batch) {
    queued_.add(length_of(batch));
    uint32_t sequence = queue_.next_sequence();
    for (const Packet& packet : batch.packets) sequences_[packet.opaque] = sequence++;
    queue_.append(batch);
    require(batch.empty());
  }

  // The first `length` bytes or more of what may leave now, with as many segments as one likes.
  std::string expected(size_t max_packets, size_t length) const {
    std::string text;
    for (size_t i = 0; i < std::min(max_packets, model_.size()) && text.size() < length; ++i) {
      text += i == 0 ? model_[i].text.substr(written_) : model_[i].text;
    }
    return text;
  }

  QueuedBytes queued_;
  OutputQueue queue_{queued_};
  std::deque<Request> model_;
  size_t written_ = 0;
  std::unordered_map<uint32_t, uint32_t> sequences_;
  uint32_t next_opaque_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  {
    History history;
    for (size_t at = 0; at + 2 <= size; at += 2) {
      const size_t amount = data[at + 1];
      switch (data[at] % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
          history.append(amount);
          break;
        case 4:
          history.append_queue(amount);
          break;
        case 5:
        case 6:
          history.kill(amount);
          break;
        case 7:
          history.lose_connection();
          break;
        case 8:
          history.tidy();
          break;
        case 9:
          if (amount == 0) history.reset();
          break;
        default:
          history.write(amount);
      }
      history.check();
      if (at % 64 == 0) history.check_order();
    }
    history.check_order();
  }
  require(payloads_alive == 0);
  return 0;
}
