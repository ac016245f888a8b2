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
// Of what a stranger says, for people.
constexpr size_t kWordsTold = 128;

uint32_t cause_of(const net::Channel::Transfer& transfer) {
  if (transfer.end_of_stream) return layout::kCauseEndOfStream;
  return static_cast<uint32_t>(transfer.status.error());
}

// What was received is no answer, or not to what was asked.
bool is_breach(uint32_t cause) { return cause > layout::kCauseProtocol && cause <= layout::kCauseTooLarge; }

}  // namespace

Node::Node(uint16_t id, base::EventBase& base, const Options& options, Flights& flights, Allocator& allocator,
           net::QueuedBytes& queued, NodeOwner& owner)
    : id_(id),
      base_(base),
      options_(options),
      flights_(flights),
      queued_(queued),
      owner_(owner),
      stream_(base, *this),
      reader_(id, options.max_value, flights, allocator),
      queue_(queued),
      held_(queued),
      backoff_(options.backoff_min, options.backoff_max, base::now_nanos()) {}

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
    queued_.subtract(batch.length(packet));
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
  // The operation may be one that never left: behind a full window or socket there is nobody else to notice.
  const bool in_vain = outcome == layout::kOutcomeTimedOut && state_ == State::kReady && is_owed();
  if (in_vain && !std::exchange(is_suspect_, true)) watch_peer();
}

void Node::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  Timer::cancel();
  stream_.close();
  reader_.reset();
  flights_.for_each([this](Flight& flight) {
    if (flight.node != id_) return;
    if (is_settled(flight.state)) {
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
  const uint32_t head = reader_.head_opaque();
  const bool is_alone = written_ == 1 && is_breach(cause);
  flights_.for_each([this, cause, head, is_alone](Flight& flight) {
    if (flight.node != id_) return;
    if (flight.state == FlightState::kWritten) {
      flights_.lose(flight, cause, base_.time(), is_alone || flight.opaque == head);
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
  // Of a server that has proven itself it could be somebody's value.
  const bool is_stranger = state_ == State::kHandshake;
  const std::span<const std::byte> said = is_stranger ? reader_.unread() : std::span<const std::byte>();
  flights_.control(layout::kOutcomeDisconnected, cause, said.first(std::min(said.size(), kWordsTold)));
  reader_.reset();
  state_ = State::kBackoff;
  const base::Millis now = base_.refresh_time();
  base_.schedule(this, now + backoff_.fail(now));
}

void Node::start_connecting() {
  state_ = State::kConnecting;
  const base::Millis now = base_.refresh_time();
  backoff_.begin(now);
  if (addresses_.empty()) return fail(EADDRNOTAVAIL);
  const net::Address& address = addresses_[next_address_++ % addresses_.size()];
  const Status status = stream_.connect(address);
  if (!status.is_ok()) return fail(static_cast<uint32_t>(status.error()));
  base_.schedule(this, now + options_.connect_timeout);
}

void Node::on_timer() {
  if (state_ == State::kBackoff) {
    start_connecting();
  } else if (state_ == State::kConnecting || state_ == State::kHandshake) {
    fail(ETIMEDOUT);
  } else if (state_ == State::kReady && is_owed()) {
    watch_peer();
  }
  owner_.on_node_progress();
}

// While answers are owed the timer looks, now and then, whether there is still somebody to give them. Once
// somebody has waited in vain, silence alone is enough: those who have more time must not wait for the end of
// it.
void Node::watch_peer() {
  const base::Millis now = base_.time();
  const base::Millis silence = now - waiting_since_;
  // A deadline counts from the call and a silence from the writing: what comes next should not be written for
  // that difference.
  if (is_suspect_ && silence + base::kCoarseSlack >= options_.silence_limit)
    return fail(layout::kCauseSilence);
  if (silence >= options_.dead_limit && stream_.is_dead(options_.dead_limit)) return fail(ETIMEDOUT);
  base::Millis due =
      silence < options_.dead_limit ? waiting_since_ + options_.dead_limit : now + options_.dead_limit;
  if (is_suspect_) due = std::min(due, waiting_since_ + options_.silence_limit);
  base_.schedule(this, due);
}

void Node::on_channel_ready(bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    finish_connecting();
  } else {
    if (readable) read();
    if (writable && state_ == State::kReady) write();
  }
  owner_.on_node_progress();
}

void Node::finish_connecting() {
  const net::Channel::Transfer connected = stream_.finish_connect();
  if (connected.would_block) return;
  if (connected.end_of_stream || !connected.status.is_ok()) return fail(cause_of(connected));
  std::array<std::byte, wire::memcache::kHeaderSize> request;
  const wire::memcache::RequestHead head{.opcode = wire::memcache::Opcode::kVersion,
                                         .opaque = ResponseReader::kHandshakeOpaque};
  wire::memcache::encode_head(head, 0, 0, request.data());
  const iovec segment{request.data(), request.size()};
  const net::Channel::Transfer sent = stream_.send({&segment, 1});
  state_ = State::kHandshake;
  // A new socket's buffer holds 24 bytes; one that does not is as good as broken.
  if (sent.bytes != request.size())
    return fail_writing(sent.status.is_ok() ? uint32_t{ENOBUFS} : cause_of(sent));
  stream_.want_writable(false);
}

void Node::finish_handshake(uint32_t cause) {
  if (state_ != State::kHandshake) return fail(layout::kCauseUnknownOpaque);
  if (cause != 0) return fail(cause);
  Timer::cancel();
  state_ = State::kReady;
  waiting_since_ = base_.time();
  is_suspect_ = false;
  backoff_.connected(waiting_since_);
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
  for (size_t total = 0; total < kBytesToCatchUp && state_ == State::kReady && is_owed();) {
    const Received received = receive();
    if (!received.more) return;
    total += received.bytes;
  }
}

Node::Received Node::receive() {
  Received received = take_in();
  if (received.shook_hands) {
    finish_handshake(received.cause);
  } else if (received.cause != 0) {
    fail(received.cause);
  } else if (received.answered && !queue_.empty()) {
    write();  // the window has room again
  }
  received.more = received.more && stream_.is_open();
  return received;
}

// One read; what it brought is entered, and nothing done about it yet.
Node::Received Node::take_in() {
  const std::span<const iovec> space = reader_.space(written_);
  const net::Channel::Transfer transfer = stream_.receive(space);
  if (transfer.would_block) return {};
  if (transfer.end_of_stream || !transfer.status.is_ok()) return {.cause = cause_of(transfer)};
  const size_t offered = reader_.space_size();
  const uint32_t leaving = queue_.head_partly_written() ? queue_.head_opaque() : ResponseReader::kNobody;
  const ResponseReader::Progress progress = reader_.received(transfer.bytes, leaving);
  // A body that is skipped answers nobody: it is no sign that the others will be.
  if (progress.skipped < transfer.bytes) {
    waiting_since_ = base_.time();
    is_suspect_ = false;
  }
  written_ -= progress.answered - progress.early;
  if (progress.answered > 0) backoff_.prove();
  return {.bytes = transfer.bytes,
          .more = transfer.bytes == offered,
          .answered = progress.answered > 0,
          .shook_hands = progress.handshake_done,
          .cause = progress.cause};
}

// Nothing can be written any more, but what was answered by then may still lie in the socket.
void Node::fail_writing(uint32_t cause) {
  for (size_t total = 0; total < kBytesToCatchUp;) {
    const Received received = take_in();
    if (is_breach(received.cause)) cause = received.cause;
    if (received.cause != 0 || !received.more) break;
    total += received.bytes;
  }
  fail(cause);
}

void Node::write() {
  std::array<iovec, kSegments> segments;
  size_t budget = kBytesPerTurn;
  while (!queue_.empty() && written_ < options_.max_written) {
    const net::OutputQueue::Gathered gathered = queue_.gather(segments, options_.max_written - written_);
    if (gathered.payload_gone) {
      if (queue_.head_partly_written()) return fail_writing(EFAULT);
      flights_.settle(*flights_.find(queue_.head_opaque()), layout::kOutcomeLost).detail = EFAULT;
      queue_.drop_head();
      continue;
    }
    if (gathered.bytes == 0) break;
    const net::Channel::Transfer transfer =
        stream_.send({segments.data(), static_cast<size_t>(gathered.segments)});
    if (!transfer.status.is_ok()) return fail_writing(cause_of(transfer));
    // Not the turn's time: whoever submits may have kept the loop from turning for long.
    if (written_ == 0) waiting_since_ = base_.refresh_time();
    if (!Timer::scheduled()) base_.schedule(this, waiting_since_ + options_.dead_limit);
    queue_.consume(transfer.bytes, [this](uint32_t opaque) {
      Flight* flight = flights_.find(opaque);
      if (flight->state == FlightState::kAnswered) return flights_.release(*flight);
      ++written_;
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
