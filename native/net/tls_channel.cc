#include "net/tls_channel.h"

#include <algorithm>
#include <array>
#include <utility>

#include "net/certificate_names.h"
#include "net/segments.h"

namespace evenkeel::net {

namespace {

// A name may end in the dot of the root; certificates and SNI have none.
std::string without_final_dot(std::string host) {
  if (host.ends_with('.')) host.pop_back();
  return host;
}

}  // namespace

TlsChannel::TlsChannel(base::EventBase& base, ChannelHandler& handler,
                       std::shared_ptr<const TlsContext> context, std::string host)
    : base_(base),
      handler_(handler),
      context_(std::move(context)),
      ssl_(context_->ssl()),
      host_(without_final_dot(std::move(host))),
      stream_(base, *this),
      bio_(ssl_, stream_),
      session_(nullptr, Free{&ssl_}) {}

Status TlsChannel::connect(const Address& address) {
  close();
  fault_.clear();
  const Status status = stream_.connect(address);
  if (status.is_ok()) state_ = State::kConnecting;
  return status;
}

Channel::Transfer TlsChannel::finish_connect() {
  if (state_ == State::kConnecting) {
    const Transfer connected = stream_.finish_connect();
    if (!connected.status.is_ok()) return connected;
    if (!start()) return {.status = Status::from_errno(ENOMEM)};
  }
  return state_ == State::kHandshake ? shake_hands() : ended_;
}

bool TlsChannel::start() {
  ssl_.ERR_clear_error();
  session_.reset(ssl_.SSL_new(context_->handle()));
  if (session_ == nullptr || !bio_.attach(session_.get()) || !identify_server()) {
    ssl_.ERR_clear_error();
    return false;
  }
  ssl_.SSL_set_connect_state(session_.get());
  state_ = State::kHandshake;
  fault_ = "the server took the connection and did not finish the TLS handshake";
  return true;
}

bool TlsChannel::identify_server() {
  if (host_.empty()) return true;
  names_.clear();
  const CertificateNames* const names = CertificateNames::find();
  if (names != nullptr) names->watch(session_.get(), &names_);
  X509_VERIFY_PARAM_st* const wanted = ssl_.SSL_get0_param(session_.get());
  if (Address::ip(host_, 0).has_value())
    return ssl_.X509_VERIFY_PARAM_set1_ip_asc(wanted, host_.c_str()) == 1;
  ssl_.X509_VERIFY_PARAM_set_hostflags(wanted, OpenSsl::kNoPartialWildcards);
  return ssl_.X509_VERIFY_PARAM_set1_host(wanted, host_.data(), host_.size()) == 1 &&
         ssl_.SSL_ctrl(session_.get(), OpenSsl::kControlHostName, 0, const_cast<char*>(host_.c_str())) == 1;
}

Channel::Transfer TlsChannel::shake_hands() {
  bio_.begin_turn();
  ssl_.ERR_clear_error();
  const int result = ssl_.SSL_do_handshake(session_.get());
  if (result == 1) {
    state_ = State::kOpen;
    fault_.clear();
    wants_writable_ = true;
  } else if (!is_waiting(result)) {
    end(result);
    return ended_;
  }
  bio_.flush();
  update_interest();
  // The poller has told of what is here already.
  if (bio_.has_input()) call_back();
  return {.would_block = result != 1};
}

Channel::Transfer TlsChannel::receive(std::span<const iovec> into) {
  if (state_ != State::kOpen) return ended_;
  bio_.begin_turn();
  ssl_.ERR_clear_error();
  size_t total = 0;
  bool is_full = true;
  for (const iovec& segment : into) {
    const size_t length = decrypt({static_cast<std::byte*>(segment.iov_base), segment.iov_len});
    total += length;
    is_full = length == segment.iov_len;
    if (!is_full) break;
  }
  if (state_ == State::kEnded) {
    if (total == 0) return ended_;
    call_back();
    return {.bytes = total};
  }
  // OpenSSL may have answered something by itself.
  if (bio_.has_output()) {
    bio_.flush();
    update_interest();
  }
  if ((is_full || !bio_.is_drained()) && holds_input()) call_back();
  return {.bytes = total, .would_block = total == 0};
}

size_t TlsChannel::decrypt(std::span<std::byte> into) {
  size_t filled = 0;
  while (filled < into.size()) {
    // OpenSSL would find out the same, more slowly.
    if (bio_.is_drained() && !holds_input()) break;
    size_t length = 0;
    const int result = ssl_.SSL_read_ex(session_.get(), into.data() + filled, into.size() - filled, &length);
    filled += length;
    if (result == 1) continue;
    if (!is_waiting(result)) end(result);
    break;
  }
  return filled;
}

Channel::Transfer TlsChannel::send(std::span<const iovec> from) {
  if (state_ != State::kOpen) return ended_;
  bio_.flush();
  is_stalled_ = false;
  ssl_.ERR_clear_error();
  const uint64_t sent_before = bio_.total_sent();
  size_t total = 0;
  for (Segments rest(from); rest.size() > 0 && !bio_.has_output();) {
    const size_t taken = encrypt(rest);
    if (taken == 0) break;
    total += taken;
    bio_.flush();
  }
  if (state_ == State::kEnded && total == 0) return ended_;
  // Of what the kernel has taken none may be told to be unsent, whatever has become of the rest.
  if (!bio_.write_status().is_ok() && bio_.total_sent() == sent_before)
    return {.status = bio_.write_status()};
  update_interest();
  return {.bytes = total, .would_block = bio_.has_output() || is_stalled_};
}

size_t TlsChannel::encrypt(Segments& from) {
  std::array<std::byte, kRecord> space;
  size_t total = 0;
  constexpr size_t kOverhead = 1024;
  bio_.expect_output(std::min(from.size(), kMostUnsent) + kOverhead);
  while (total < kMostUnsent && from.size() > 0) {
    const std::span<const std::byte> record = from.peek(space);
    size_t written = 0;
    const int result = ssl_.SSL_write_ex(session_.get(), record.data(), record.size(), &written);
    if (result != 1) {
      is_stalled_ = is_waiting(result);
      if (!is_stalled_) end(result);
      break;
    }
    from.pass(written);
    total += written;
  }
  return total;
}

bool TlsChannel::is_waiting(int result) const {
  return ssl_.SSL_get_error(session_.get(), result) == OpenSsl::kErrorWantRead && !bio_.is_over();
}

void TlsChannel::want_writable(bool wanted) {
  wants_writable_ = wanted;
  if (state_ == State::kOpen) update_interest();
}

void TlsChannel::update_interest() {
  const bool has_unsent = bio_.has_output() && bio_.write_status().is_ok();
  stream_.want_writable(has_unsent || (wants_writable_ && !is_stalled_));
}

void TlsChannel::on_channel_ready(bool readable, bool writable) {
  if (state_ == State::kConnecting || state_ == State::kHandshake)
    return handler_.on_channel_ready(false, true);
  if (writable) bio_.flush();
  const bool is_told = wants_writable_ && (writable || (readable && is_stalled_)) &&
                       (!bio_.has_output() || !bio_.write_status().is_ok());
  if (readable) is_stalled_ = false;
  update_interest();
  if (readable || is_told) handler_.on_channel_ready(readable, is_told);
}

// OpenSSL is of no more use for the connection: that and why is told from now on.
void TlsChannel::end(int result) {
  const bool was_closed = ssl_.SSL_get_error(session_.get(), result) == OpenSsl::kErrorClosed;
  fault_ = explain(was_closed);
  ssl_.ERR_clear_error();
  if (was_closed) {
    ended_ = {.end_of_stream = true};
  } else if (bio_.is_over()) {
    ended_ = bio_.end();
  } else {
    ended_ = {.status = Status::from_errno(EPROTO)};
  }
  state_ = State::kEnded;
  // The peer may be told what is wrong, too.
  bio_.flush();
}

// Empty: the socket's own end or error says it.
std::string TlsChannel::explain(bool was_closed) {
  const bool was_handshake = state_ == State::kHandshake;
  const Transfer& socket = bio_.end();
  if (!bio_.foreign_words().empty())
    return "the server does not speak TLS; it said \"" + bio_.foreign_words() + "\"";
  const unsigned long error = ssl_.ERR_get_error();
  const unsigned long reason = OpenSsl::reason(error);
  if (reason == OpenSsl::kReasonVerifyFailed) {
    const long verdict = ssl_.SSL_get_verify_result(session_.get());
    const bool is_name = verdict == OpenSsl::kHostMismatch || verdict == OpenSsl::kIpMismatch;
    return "the certificate of the server is refused: " +
           (is_name ? "it is not for " + host_ + (names_.empty() ? "" : ", but for " + names_)
                    : std::string(ssl_.X509_verify_cert_error_string(verdict)));
  }
  if (reason >= OpenSsl::kFirstAlert) return std::string("the server refuses: ") + ssl_.describe(error);
  if (was_closed || socket.end_of_stream || socket.status.error() == ECONNRESET)
    return was_handshake ? "the server ended the connection in the TLS handshake" : "";
  if (!socket.status.is_ok()) return "";
  return std::string("TLS failed: ") + ssl_.describe(error);
}

void TlsChannel::close() {
  Timer::cancel();
  if (state_ == State::kOpen) {
    ssl_.ERR_clear_error();
    ssl_.SSL_shutdown(session_.get());
    ssl_.ERR_clear_error();
    bio_.flush();
  }
  session_.reset();
  bio_.reset();
  stream_.close();
  state_ = State::kClosed;
  is_stalled_ = false;
  ended_ = {.status = Status::from_errno(ENOTCONN)};
}

}  // namespace evenkeel::net
