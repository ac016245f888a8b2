#include "pipeline/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "net/stream.h"
#include "net/tls_channel.h"

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

// It has understood who the client is, or has not been asked yet.
bool is_understood(uint32_t cause) {
  return cause == layout::kCauseTls || cause == layout::kCauseCredentials ||
         cause == layout::kCauseUnauthenticated || cause == layout::kCauseBusy;
}

}  // namespace

Connection::Connection(uint16_t id, base::EventBase& base, const wire::Protocol& protocol, const Steps& steps,
                       const std::string& host, const Options& options, Flights& flights,
                       Allocator& allocator, net::QueuedBytes& queued, Meter& meter, ConnectionOwner& owner)
    : id_(id),
      base_(base),
      options_(options),
      flights_(flights),
      queued_(queued),
      meter_(meter),
      owner_(owner),
      channel_(make_channel(base, host)),
      due_(queued),
      inbox_(id, protocol, steps, options.max_value, flights, due_, allocator, meter),
      queue_(queued),
      held_(queued) {}

std::unique_ptr<net::Channel> Connection::make_channel(base::EventBase& base, const std::string& host) {
  net::ChannelHandler& self = *this;
  if (options_.tls == nullptr) return std::make_unique<net::Stream>(base, self);
  return std::make_unique<net::TlsChannel>(base, self, options_.tls, host);
}

// What the server does not have the partition of is another's, and no more this connection's.
void Connection::hand_back() {
  net::Batch batch = due_.collect();
  owner_.on_sent_back(*this, batch);
}

void Connection::write_enqueued() {
  has_adopted_ = false;
  if (state_ == State::kReady) {
    if (!queue_.empty()) write();
  } else if (!queue_.empty() && !is_established()) {
    owner_.on_stranded(*this);
  }
  tell_meter();
}

void Connection::follow(const Connection& other) {
  for (const Flight* each = other.due_.first(); each != nullptr; each = each->later)
    ahead_.push_back(each->opaque);
  other.queue_.for_each([this](uint32_t opaque) { ahead_.push_back(opaque); });
  state_ = State::kFollowing;
  follow_on();
}

// It is still one of this server's, and not over. What was routed again may be behind this connection's own.
bool Connection::is_ahead(const Flight* flight) const {
  if (flight == nullptr || is_settled(flight->state)) return false;
  if (flight->state == FlightState::kParked || flight->was_returned || flight->connection == id_)
    return false;
  return flight->connection / options_.connections == id_ / options_.connections;
}

void Connection::follow_on() {
  while (!ahead_.empty()) {
    if (is_ahead(flights_.find(ahead_.back()))) return base_.schedule(this, base_.time() + 1);
    ahead_.pop_back();
  }
  lead();
  owner_.on_caught_up(*this);
  write_enqueued();
}

void Connection::lead() {
  Timer::cancel();
  std::vector<uint32_t>().swap(ahead_);
  state_ = State::kReady;
}

bool Connection::is_done() const {
  if (!queue_.empty() || !held_.empty()) return false;
  const Flight* flight = due_.first();
  while (flight != nullptr && is_settled(flight->state)) flight = flight->later;
  return flight == nullptr;
}

// Takes the operations off that are due, and the one of which a part has left if its caller has had its
// outcome.
template <typename End>
void Connection::end_due(End end) {
  while (Flight* flight = due_.first()) {
    due_.remove(*flight);
    end(*flight);
  }
  if (!queue_.head_partly_written()) return;
  Flight* const head = flights_.find(queue_.head_opaque());
  if (!is_settled(head->state)) return;
  flights_.release(*head);
  queue_.rewind();
  queue_.drop_head();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  Timer::cancel();
  channel_->close();
  end_due([this](Flight& flight) {
    if (is_settled(flight.state)) return flights_.release(flight);
    flights_.settle(flight, layout::kOutcomeClosed | layout::kOutcomeWrittenBit);
  });
  inbox_.reset();
  end_waiting([this](Flight& flight) { flights_.settle(flight, layout::kOutcomeClosed); });
}

template <typename End>
void Connection::end_waiting(End end) {
  const auto each = [this, end](uint32_t opaque) { end(*flights_.find(opaque)); };
  queue_.for_each(each);
  held_.for_each(each);
  queue_.reset();
  held_.reset();
  tell_meter();
}

void Connection::fail(uint32_t cause) {
  flights_.look_at_clock();
  channel_->close();
  const std::string_view fault = channel_->fault();
  if (!fault.empty()) cause = layout::kCauseTls;
  Timer::cancel();
  const uint32_t blamed = inbox_.blamed(cause);
  const bool is_alone = due_.size() == 1 && is_breach(cause);
  end_due([&](Flight& flight) {
    if (is_settled(flight.state)) return flights_.release(flight);
    flights_.lose(flight, cause, base_.time(), is_alone || flight.opaque == blamed);
  });
  const bool is_halfway = queue_.head_partly_written();
  queue_.rewind();
  // Of a server that has proven itself it could be somebody's value.
  const bool is_stranger = state_ == State::kHandshake && !inbox_.handshake().is_secret();
  std::span<const std::byte> said = is_stranger ? inbox_.unread() : std::span<const std::byte>();
  said = said.first(std::min(said.size(), kWordsTold));
  if (!fault.empty()) said = std::as_bytes(std::span(fault));
  const bool was_established = is_established();
  const bool may_speak_otherwise = state_ == State::kHandshake && !is_understood(cause);
  const auto step = state_ == State::kHandshake ? static_cast<uint32_t>(inbox_.handshake().due_index()) : 0;
  state_ = State::kIdle;
  flights_.control(id_, layout::kOutcomeDisconnected, cause, said, (may_speak_otherwise ? 1 : 0) | step << 8);
  inbox_.reset();
  ahead_.clear();
  if (is_halfway) owner_.on_rewound(*this);
  tell_meter();
  owner_.on_disconnected(*this, {was_established, was_established && is_useful_, may_speak_otherwise, cause});
}

void Connection::drop_waiting() {
  if (is_established() || state_ == State::kClosed) return;
  end_waiting([this](Flight& flight) { flights_.settle(flight, layout::kOutcomeOffline); });
}

void Connection::return_waiting() {
  if (is_established() || state_ == State::kClosed) return;
  flights_.look_at_clock();
  end_waiting([this](Flight& flight) {
    flights_.return_unwritten(flight, layout::kCauseOtherProtocol, base_.time());
  });
}

void Connection::connect(const net::Address* address) {
  state_ = State::kConnecting;
  if (address == nullptr) return fail(EADDRNOTAVAIL);
  const Status status = channel_->connect(*address);
  if (!status.is_ok()) return fail(static_cast<uint32_t>(status.error()));
  base_.schedule(this, base_.refresh_time() + options_.connect_timeout);
}

void Connection::on_timer() {
  flights_.look_at_clock();
  if (state_ == State::kConnecting || state_ == State::kHandshake) {
    fail(ETIMEDOUT);
  } else if (state_ == State::kFollowing) {
    follow_on();
  } else if (state_ == State::kReady && is_owed()) {
    watch_peer();
  }
  owner_.on_progress();
}

// While answers are owed the timer looks, now and then, whether there is still somebody to give them. Once
// somebody has waited in vain, silence alone is enough: those who have more time must not wait for the end of
// it.
void Connection::watch_peer() {
  const base::Millis now = base_.time();
  const base::Millis silence = now - waiting_since_;
  // A deadline counts from the call and a silence from the writing: what comes next should not be written for
  // that difference.
  if (is_suspect_ && silence + base::kCoarseSlack >= options_.silence_limit)
    return fail(layout::kCauseSilence);
  base::Millis due = waiting_since_ + options_.dead_limit;
  if (silence >= options_.dead_limit) {
    const base::Millis alive_for = channel_->alive_for(options_.dead_limit);
    if (alive_for == 0) return fail(ETIMEDOUT);
    due = now + alive_for;
  }
  if (is_suspect_) due = std::min(due, waiting_since_ + options_.silence_limit);
  base_.schedule(this, due);
}

void Connection::on_channel_ready(bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    finish_connecting();
  } else {
    if (readable) read();
    if (writable && state_ == State::kReady) {
      flights_.look_at_clock();
      write();
    }
  }
  tell_meter();
  owner_.on_progress();
}

void Connection::tell_meter() {
  const size_t in_flight = due_.size();
  const size_t queued = queue_.size() + held_.size();
  meter_.changed(static_cast<int64_t>(in_flight - told_in_flight_),
                 static_cast<int64_t>(queued - told_queued_));
  told_in_flight_ = in_flight;
  told_queued_ = queued;
}

void Connection::finish_connecting() {
  const net::Channel::Transfer connected = channel_->finish_connect();
  if (connected.would_block) return;
  if (connected.end_of_stream || !connected.status.is_ok()) return fail(cause_of(connected));
  state_ = State::kHandshake;
  // Who listens and says nothing leaves time to be spoken to otherwise, and once more in this way.
  if (owner_.is_guess()) base_.schedule(this, base_.time() + options_.connect_timeout / 3);
  channel_->want_writable(false);
  if (inbox_.handshake().is_over()) return finish_handshake();  // there is nothing to be said first
  continue_handshake();
}

// What may leave together leaves in one write.
void Connection::continue_handshake() {
  std::vector<iovec> segments;
  size_t bytes = 0;
  for (const std::span<const std::byte> request : inbox_.handshake().next()) {
    segments.push_back({const_cast<std::byte*>(request.data()), request.size()});
    bytes += request.size();
  }
  if (bytes == 0) return;
  const net::Channel::Transfer sent = channel_->send(segments);
  // A new socket's buffer holds a few bytes; one that does not is as good as broken.
  if (sent.bytes != bytes) fail_writing(sent.status.is_ok() ? uint32_t{ENOBUFS} : cause_of(sent));
}

void Connection::continue_handshake(uint32_t attempt, std::vector<std::byte> request) {
  if (state_ != State::kHandshake || !inbox_.handshake().asks(attempt)) return;
  flights_.look_at_clock();
  if (request.empty()) return fail(layout::kCauseCredentials);
  inbox_.handshake().supply(std::move(request));
  continue_handshake();
}

void Connection::finish_handshake() {
  Timer::cancel();
  state_ = State::kReady;
  since_ = waiting_since_ = base_.time();
  is_suspect_ = is_useful_ = false;
  flights_.control(id_, layout::kOutcomeConnected, 0, inbox_.handshake().version());
  owner_.on_connected(*this);
  write_enqueued();
}

// What has been answered is delivered before more is read.
void Connection::read() {
  Received received;
  for (size_t total = 0; total < kBytesPerTurn && !received.answered; total += received.bytes) {
    received = receive();
    if (!received.more) return;
  }
}

void Connection::catch_up() {
  for (size_t total = 0; total < kBytesToCatchUp && state_ == State::kReady && is_owed();) {
    const Received received = receive();
    if (!received.more) break;
    total += received.bytes;
  }
  tell_meter();
}

Connection::Received Connection::receive() {
  Received received = take_in();
  if (received.cause != 0) {
    fail(received.cause);
  } else if (received.shook_hands) {
    finish_handshake();
  } else if (state_ == State::kHandshake) {
    continue_handshake();
  } else if (received.answered && !queue_.empty()) {
    write();  // the window has room again
  }
  received.more = received.more && channel_->is_open();
  return received;
}

// One read; what it brought is entered, and nothing done about it yet.
Connection::Received Connection::take_in() {
  const std::span<const iovec> space = inbox_.space();
  const net::Channel::Transfer transfer = channel_->receive(space);
  if (transfer.would_block) return {};
  if (transfer.end_of_stream || !transfer.status.is_ok()) return {.cause = cause_of(transfer)};
  meter_.received(transfer.bytes);
  flights_.look_at_clock();
  const size_t offered = inbox_.space_size();
  const uint32_t leaving = queue_.head_partly_written() ? queue_.head_opaque() : Inbox::kNobody;
  const Inbox::Progress progress = inbox_.received(transfer.bytes, leaving);
  if (progress.sent_back) hand_back();
  due_.tidy(flights_);
  // A body that is skipped answers nobody: it is no sign that the others will be.
  if (progress.skipped < transfer.bytes) {
    waiting_since_ = base_.time();
    is_suspect_ = false;
  }
  if (progress.answered > 0 && !std::exchange(is_useful_, true)) owner_.on_useful(*this);
  return {.bytes = transfer.bytes,
          .more = transfer.bytes == offered,
          .answered = progress.answered > 0,
          .shook_hands = progress.handshake_done,
          .cause = progress.cause};
}

// Nothing can be written any more, but what was answered by then may still lie in the socket.
void Connection::fail_writing(uint32_t cause) {
  for (size_t total = 0; total < kBytesToCatchUp;) {
    const Received received = take_in();
    if (is_breach(received.cause)) cause = received.cause;
    if (received.cause != 0 || !received.more) break;
    total += received.bytes;
  }
  fail(cause);
}

void Connection::write() {
  std::array<iovec, kSegments> segments;
  size_t budget = kBytesPerTurn;
  while (!queue_.empty() && due_.size() < options_.max_written) {
    const net::OutputQueue::Gathered gathered =
        queue_.gather(segments, options_.max_written - due_.size(), channel_->most_together());
    if (gathered.payload_gone) {
      if (queue_.head_partly_written()) return fail_writing(EFAULT);
      flights_.settle(*flights_.find(queue_.head_opaque()), layout::kOutcomeLost).detail = EFAULT;
      queue_.drop_head();
      continue;
    }
    if (gathered.bytes == 0) break;
    const net::Channel::Transfer transfer =
        channel_->send({segments.data(), static_cast<size_t>(gathered.segments)});
    if (!transfer.status.is_ok()) return fail_writing(cause_of(transfer));
    meter_.sent(transfer.bytes);
    // Not the turn's time: whoever submits may have kept the loop from turning for long.
    if (due_.empty()) waiting_since_ = base_.refresh_time();
    if (!Timer::scheduled()) base_.schedule(this, waiting_since_ + options_.dead_limit);
    queue_.consume(transfer.bytes, [this](const net::Packet& packet, auto request) {
      Flight* flight = flights_.find(packet.opaque);
      if (flight->state == FlightState::kAnswered) {
        flights_.release(*flight);
        return false;
      }
      const bool is_wanted = flight->state == FlightState::kQueued;
      const bool is_kept = is_wanted && packet.numbering != 0;
      if (is_kept)
        due_.append(*flight, request());
      else
        due_.append(*flight);
      flight->written = flights_.moment();
      flight->state = is_wanted ? FlightState::kWritten : FlightState::kAbandoned;
      return is_kept;
    });
    if (transfer.would_block || transfer.bytes < gathered.bytes || transfer.bytes >= budget) {
      channel_->want_writable(true);
      return;
    }
    budget -= transfer.bytes;
  }
  channel_->want_writable(false);
}

}  // namespace evenkeel::pipeline
