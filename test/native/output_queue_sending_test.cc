// What arrives at the other end, however the kernel cuts the writes.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "batches.h"
#include "net/output_queue.h"
#include "seed.h"

namespace evenkeel::net {
namespace {

using test::add_request;
using test::TextPayload;

struct Request {
  std::string inline_bytes;
  std::string payload;
  bool has_payload = false;
  std::string text() const { return inline_bytes + payload; }
};

const std::vector<Request> kRequests = {{"aaa", "", false}, {"b", "BBBBB", true}, {"cccc", "", true},
                                        {"dd", "D", true},  {"e", "", false},     {"ffffff", "", false}};

std::string all_text() {
  std::string text;
  for (const Request& request : kRequests) text += request.text();
  return text;
}

void fill(OutputQueue* queue) {
  for (uint32_t i = 0; i < kRequests.size(); ++i) {
    const Request& request = kRequests[i];
    Batch batch;
    add_request(&batch, i, request.inline_bytes,
                request.has_payload ? std::make_unique<TextPayload>(request.payload) : nullptr);
    queue->append(batch);
  }
}

// Offers everything, takes at most `limit` bytes, and returns them.
std::string send(OutputQueue* queue, size_t limit, std::vector<uint32_t>* written, size_t max_segments = 64) {
  std::array<iovec, 64> segments;
  const auto gathered = queue->gather(std::span(segments).first(max_segments), SIZE_MAX);
  std::string text;
  for (int i = 0; i < gathered.segments; ++i) {
    const iovec& segment = segments[static_cast<size_t>(i)];
    text.append(static_cast<const char*>(segment.iov_base), segment.iov_len);
  }
  text.resize(std::min(text.size(), limit));
  queue->consume(text.size(), [&](const Packet& packet, auto) {
    written->push_back(packet.opaque);
    return false;
  });
  return text;
}

// How many requests are complete in the first `length` bytes.
size_t whole_requests(size_t length) {
  size_t count = 0;
  size_t end = 0;
  for (const Request& request : kRequests) {
    end += request.text().size();
    count += end <= length ? 1 : 0;
  }
  return count;
}

TEST(OutputQueueSending, TwoWritesCutAnywhereCarryTheSameBytes) {
  const std::string expected = all_text();
  for (size_t cut = 0; cut <= expected.size(); ++cut) {
    SCOPED_TRACE(cut);
    QueuedBytes queued;
    OutputQueue queue(queued);
    fill(&queue);
    std::vector<uint32_t> written;
    EXPECT_EQ(send(&queue, cut, &written), expected.substr(0, cut));
    EXPECT_EQ(written.size(), whole_requests(cut));
    EXPECT_EQ(send(&queue, SIZE_MAX, &written), expected.substr(cut));
    EXPECT_EQ(written, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
    EXPECT_TRUE(queue.empty());
  }
}

TEST(OutputQueueSending, AConnectionLostAnywhereLosesWholeRequestsAndResendsTheOthersWhole) {
  const std::string expected = all_text();
  for (size_t cut = 0; cut <= expected.size(); ++cut) {
    SCOPED_TRACE(cut);
    QueuedBytes queued;
    OutputQueue queue(queued);
    fill(&queue);
    std::vector<uint32_t> written;
    send(&queue, cut, &written);
    queue.rewind();
    const size_t lost = whole_requests(cut);
    ASSERT_EQ(written.size(), lost);
    std::string again;
    for (size_t i = lost; i < kRequests.size(); ++i) again += kRequests[i].text();
    EXPECT_EQ(send(&queue, SIZE_MAX, &written), again);
    EXPECT_EQ(written, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));  // each once
  }
}

TEST(OutputQueueSending, ByteForByteWithOneSegment) {
  QueuedBytes queued;
  OutputQueue queue(queued);
  fill(&queue);
  std::vector<uint32_t> written;
  std::string sent;
  while (!queue.empty()) sent += send(&queue, 1, &written, 1);
  EXPECT_EQ(sent, all_text());
}

// A producer that is always ahead: the queue is never empty, and must neither grow for ever nor repeat or
// lose a byte when it gives back what was written.
TEST(OutputQueueSending, ANeverEmptyQueueSendsEveryByteOnce) {
  const uint64_t seed = test::choose_seed();
  SCOPED_TRACE(test::describe_seed(seed));
  std::mt19937_64 random(seed);
  QueuedBytes queued;
  OutputQueue queue(queued);
  std::string given, sent;
  std::vector<uint32_t> written;
  uint32_t next = 0;
  const auto add = [&] {
    Batch batch;
    for (size_t i = random() % 8 + 1; i-- > 0; ++next) {
      const std::string bytes = "<" + std::to_string(next) + std::string(random() % 16, '.') + ">";
      const std::string payload(random() % 64, 'p');
      const bool has_payload = random() % 4 == 0;
      add_request(&batch, next, bytes, has_payload ? std::make_unique<TextPayload>(payload) : nullptr);
      given += bytes + (has_payload ? payload : "");
    }
    queue.append(batch);
    queue.tidy([](uint32_t opaque, uint32_t) { ADD_FAILURE() << opaque << " moved, and none was dead"; });
  };
  for (int i = 0; i < 500; ++i) add();
  while (next < 40000) {
    add();
    sent += send(&queue, random() % 200, &written);
    ASSERT_FALSE(queue.empty());
    ASSERT_LE(queue.memory(), 2 * (given.size() - sent.size()) +
                                  (next - written.size()) * 2 * sizeof(Packet) + (size_t{64} << 10));
  }
  while (!queue.empty()) sent += send(&queue, random() % 5000 + 1, &written);
  EXPECT_TRUE(sent == given);
  ASSERT_EQ(written.size(), next);
  for (uint32_t i = 0; i < next; ++i) ASSERT_EQ(written[i], i);
}

}  // namespace
}  // namespace evenkeel::net
