#include "pipeline/node.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "wire/memcache/request.h"

namespace evenkeel::pipeline {

namespace {

constexpr size_t kSegments = 64;
// What one turn reads or writes at most, so that a fast peer cannot keep the loop from its other work.
constexpr size_t kBytesPerTurn = size_t{1} << 20;
// More than the kernel holds for a connection (Linux: 6 MiB).
constexpr size_t kBytesToCatchUp = size_t{16} << 20;

uint32_t cause_of(const net::Stream::Transfer& transfer) {
  if (transfer.end_of_stream) return layout::kCauseEndOfStream;
  return static_cast<uint32_t>(transfer.status.error());
}

}  // namespace

Node::Node(uint16_t id, base::EventBase& base, const Options& options, Flights& flights, Allocator& allocator,
           NodeOwner& owner)
    : id_(id),
      base_(base),
      options_(options),
      flights_(flights),
      owner_(owner),
      stream_(base, *this),
      reader_(id, options.max_value, flights, allocator),
      random_state_(base::now_nanos() | 1) {}

void Node::set_addresses(std::vector<net::Address> addresses) {
  addresses_ = std::move(addresses);
  next_address_ = 0;
}

void Node::connect() {
  if (state_ == State::kIdle) start_connecting();
}

void Node::enqueue(net::Batch& batch, Flush flush) {
  const bool waits = state_ == State::kReady || (state_ != State::kClosed && options_.waits_offline);
  const bool holds = flush == Flush::kHold;
  if (flush == Flush::kAll && !held_.empty()) release_held();
  net::OutputQueue& queue = holds ? held_ : queue_;
  uint32_t sequence = queue.next_sequence();
  for (const net::Packet& packet : batch.packets) {
    Flight& flight = flights_.start(packet, id_);
    flight.is_held = holds;
    flight.sequence = sequence++;
    if (waits) continue;
    const bool closed = state_ == State::kClosed;
    flights_.settle(flight, closed ? layout::kOutcomeClosed : layout::kOutcomeOffline);
  }
  if (!waits) {
    batch.clear();
    return;
  }
  queue.append(batch);
  tidy(queue);
}

void Node::release_held() {
  queue_.append(held_, [this](uint32_t opaque, uint32_t sequence) {
    Flight* flight = flights_.find(opaque);
    flight->is_held = false;
    flight->sequence = sequence;
  });
}

void Node::tidy(net::OutputQueue& queue) {
  queue.tidy([this](uint32_t opaque, uint32_t sequence) { flights_.find(opaque)->sequence = sequence; });
}

void Node::write_enqueued() {
  if (state_ == State::kReady && !queue_.empty()) write();
}

void Node::give_up(Flight& flight, uint32_t outcome) {
  const bool partly_written = queue_.is_partly_written(flight.opaque);
  if (flight.state == FlightState::kQueued && !partly_written) {
    net::OutputQueue& queue = flight.is_held ? held_ : queue_;
    queue.kill(flight.sequence);
    flights_.settle(flight, outcome);
    tidy(queue);
  } else {
    flights_.abandon(flight, outcome);
    if (partly_written) flight.state = FlightState::kLeaving;
  }
  // Also one that never left: behind a full window or a full socket there may be nothing else to notice.
  const bool owed = written_ > 0 || queue_.head_partly_written();
  const bool silent = owed && base_.time() - waiting_since_ >= options_.silence_limit;
  if (outcome == layout::kOutcomeTimedOut && silent && state_ == State::kReady) fail(layout::kCauseSilence);
}

void Node::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  Timer::cancel();
  stream_.close();
  reader_.reset();
  flights_.for_each([this](Flight& flight) {
    if (flight.node != id_) return;
    if (flight.state == FlightState::kAbandoned || flight.state == FlightState::kLeaving) {
      flights_.release(flight);
    } else {
      const uint32_t written = flight.state == FlightState::kWritten ? layout::kOutcomeWrittenBit : 0;
      flights_.settle(flight, layout::kOutcomeClosed | written);
    }
  });
  queue_.reset();
  held_.reset();
}

void Node::fail(uint32_t cause) {
  stream_.close();
  reader_.reset();
  flights_.for_each([this, cause](Flight& flight) {
    if (flight.node != id_) return;
    if (flight.state == FlightState::kWritten) {
      flights_.lose(flight, cause, base_.time());
    } else if (flight.state != FlightState::kQueued) {
      flights_.release(flight);
    }
  });
  queue_.rewind();
  if (!queue_.empty() && flights_.find(queue_.head_opaque()) == nullptr)
    queue_.drop_head();  // abandoned half-written
  written_ = 0;
  if (!options_.waits_offline) {
    const auto settle = [this](uint32_t opaque) {
      flights_.settle(*flights_.find(opaque), layout::kOutcomeOffline);
    };
    queue_.for_each(settle);
    held_.for_each(settle);
    queue_.reset();
    held_.reset();
  }
  flights_.control(layout::kOutcomeDisconnected, cause);
  schedule_backoff();
}

uint32_t Node::random() {  // xorshift64*, Vigna 2016
  random_state_ ^= random_state_ >> 12;
  random_state_ ^= random_state_ << 25;
  random_state_ ^= random_state_ >> 27;
  return static_cast<uint32_t>((random_state_ * 0x2545f4914f6cdd1dULL) >> 32);
}

void Node::schedule_backoff() {
  state_ = State::kBackoff;
  const uint32_t doublings = std::min<uint32_t>(failures_, 16);
  ++failures_;
  const base::Millis ceiling = std::min(options_.backoff_max, options_.backoff_min << doublings);
  const base::Millis pause = ceiling / 2 + random() % (ceiling / 2 + 1);
  base_.schedule(this, base_.refresh_time() + std::max<base::Millis>(pause, 1));
}

void Node::start_connecting() {
  if (addresses_.empty()) return fail(EADDRNOTAVAIL);
  state_ = State::kConnecting;
  const net::Address& address = addresses_[next_address_++ % addresses_.size()];
  const Status status = stream_.connect(address);
  if (!status.is_ok()) return fail(static_cast<uint32_t>(status.error()));
  base_.schedule(this, base_.refresh_time() + options_.connect_timeout);
}

void Node::on_timer() {
  if (state_ == State::kBackoff) {
    start_connecting();
  } else if (state_ == State::kConnecting || state_ == State::kHandshake) {
    fail(ETIMEDOUT);
  }
  owner_.on_node_progress();
}

void Node::on_stream_ready(bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    finish_connecting();
  } else {
    if (readable) read();
    if (writable && state_ == State::kReady) write();
  }
  owner_.on_node_progress();
}

void Node::finish_connecting() {
  const Status status = stream_.finish_connect();
  if (!status.is_ok()) return fail(static_cast<uint32_t>(status.error()));
  std::array<std::byte, wire::memcache::kHeaderSize> request;
  const wire::memcache::RequestHead head{.opcode = wire::memcache::Opcode::kVersion,
                                         .opaque = ResponseReader::kHandshakeOpaque};
  wire::memcache::encode_head(head, 0, 0, request.data());
  const iovec segment{request.data(), request.size()};
  const net::Stream::Transfer sent = stream_.send({&segment, 1});
  // A new socket's buffer holds 24 bytes; one that does not is as good as broken.
  if (sent.bytes != request.size()) return fail(sent.status.is_ok() ? uint32_t{ENOBUFS} : cause_of(sent));
  stream_.want_writable(false);
  state_ = State::kHandshake;
}

void Node::finish_handshake(uint32_t cause) {
  if (state_ != State::kHandshake) return fail(layout::kCauseUnknownOpaque);
  if (cause != 0) return fail(cause);
  Timer::cancel();
  state_ = State::kReady;
  failures_ = 0;
  waiting_since_ = base_.time();
  flights_.control(layout::kOutcomeConnected, 0, reader_.version());
  write();
}

// What has been answered is delivered before more is read.
void Node::read() {
  Received received;
  for (size_t total = 0; total < kBytesPerTurn && !received.answered; total += received.bytes) {
    received = receive();
    if (!received.more) return;
  }
}

void Node::catch_up() {
  for (size_t total = 0; total < kBytesToCatchUp && state_ == State::kReady && written_ > 0;) {
    const Received received = receive();
    if (!received.more) return;
    total += received.bytes;
  }
}

Node::Received Node::receive() {
  const std::span<const iovec> space = reader_.space(written_);
  const net::Stream::Transfer transfer = stream_.receive(space);
  if (transfer.would_block) return {};
  if (transfer.end_of_stream || !transfer.status.is_ok()) {
    fail(cause_of(transfer));
    return {};
  }
  const size_t offered = reader_.space_size();
  waiting_since_ = base_.time();
  const ResponseReader::Progress progress = reader_.received(transfer.bytes);
  written_ -= progress.answered;
  if (progress.handshake_done) {
    finish_handshake(progress.cause);
  } else if (progress.cause != 0) {
    fail(progress.cause);
  } else if (progress.answered > 0 && !queue_.empty()) {
    write();  // the window has room again
  }
  return {.bytes = transfer.bytes,
          .more = stream_.is_open() && transfer.bytes == offered,
          .answered = progress.answered > 0};
}

void Node::write() {
  std::array<iovec, kSegments> segments;
  size_t budget = kBytesPerTurn;
  while (!queue_.empty() && written_ < options_.max_written) {
    const net::OutputQueue::Gathered gathered = queue_.gather(segments, options_.max_written - written_);
    if (gathered.payload_gone) {
      if (queue_.head_partly_written()) return fail(EFAULT);
      flights_.settle(*flights_.find(queue_.head_opaque()), layout::kOutcomeLost).detail = EFAULT;
      queue_.drop_head();
      continue;
    }
    if (gathered.bytes == 0) break;
    const net::Stream::Transfer transfer =
        stream_.send({segments.data(), static_cast<size_t>(gathered.segments)});
    if (!transfer.status.is_ok()) return fail(cause_of(transfer));
    // Not the turn's time: whoever submits may have kept the loop from turning for long.
    if (written_ == 0) waiting_since_ = base_.refresh_time();
    queue_.consume(transfer.bytes, [this](uint32_t opaque) {
      ++written_;
      Flight* flight = flights_.find(opaque);
      flight->state = flight->state == FlightState::kQueued ? FlightState::kWritten : FlightState::kAbandoned;
    });
    if (transfer.would_block || transfer.bytes < gathered.bytes || transfer.bytes >= budget) {
      stream_.want_writable(true);
      return;
    }
    budget -= transfer.bytes;
  }
  stream_.want_writable(false);
}

}  // namespace evenkeel::pipeline
