#include "net/socket_bio.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace evenkeel::net {

namespace {

constexpr size_t kWordsTold = 64;
// What a record may begin with.
constexpr std::byte kFirstType{20};
constexpr std::byte kLastType{24};

SocketBio& self(const OpenSsl& ssl, bio_st* bio) { return *static_cast<SocketBio*>(ssl.BIO_get_data(bio)); }

}  // namespace

bio_method_st* SocketBio::method(const OpenSsl& ssl) {
  static bio_method_st* const made = [&ssl] {
    bio_method_st* const fresh = ssl.BIO_meth_new(OpenSsl::kBioSource, "evenkeel");
    if (fresh == nullptr) return fresh;
    ssl.BIO_meth_set_read_ex(fresh, on_read);
    ssl.BIO_meth_set_write_ex(fresh, on_write);
    ssl.BIO_meth_set_ctrl(
        fresh, [](bio_st*, int what, long, void*) -> long { return what == OpenSsl::kBioControlFlush; });
    return fresh;
  }();
  return made;
}

bool SocketBio::attach(ssl_st* session) {
  reset();
  bio_method_st* const how = method(ssl_);
  bio_st* const bio = how == nullptr ? nullptr : ssl_.BIO_new(how);
  if (bio == nullptr) return false;
  input_ = std::make_unique_for_overwrite<std::byte[]>(kInputBytes);
  ssl_.BIO_set_data(bio, this);
  ssl_.BIO_set_init(bio, 1);
  // One reference, although it is both.
  ssl_.SSL_set_bio(session, bio, bio);
  return true;
}

void SocketBio::reset() {
  input_.reset();
  output_ = base::ByteBuffer();
  begin_ = end_ = sent_ = 0;
  has_heard_ = false;
  over_ = {};
  foreign_words_.clear();
  write_status_ = {};
}

void SocketBio::begin_turn() {
  is_drained_ = false;
  received_ = 0;
}

int SocketBio::on_read(bio_st* bio, char* into, size_t length, size_t* taken) {
  const OpenSsl& ssl = *OpenSsl::find();
  SocketBio& socket = self(ssl, bio);
  ssl.BIO_clear_flags(bio, OpenSsl::kBioRetry);
  *taken = socket.take(std::as_writable_bytes(std::span(into, length)));
  if (*taken == 0 && !socket.is_over()) ssl.BIO_set_flags(bio, OpenSsl::kBioRetryRead);
  return *taken > 0 ? 1 : 0;
}

int SocketBio::on_write(bio_st* bio, const char* from, size_t length, size_t* added) {
  const OpenSsl& ssl = *OpenSsl::find();
  SocketBio& socket = self(ssl, bio);
  ssl.BIO_clear_flags(bio, OpenSsl::kBioRetry);
  *added = 0;
  if (socket.output_.size() - socket.sent_ + length > kMostOutput) return 0;
  socket.output_.append(std::as_bytes(std::span(from, length)));
  *added = length;
  return 1;
}

size_t SocketBio::take(std::span<std::byte> into) {
  if (!has_input()) return refill(into);
  const size_t length = std::min(into.size(), end_ - begin_);
  std::memcpy(into.data(), input_.get() + begin_, length);
  begin_ += length;
  return length;
}

// What is asked for goes straight where it is wanted, and only what comes behind it into the buffer.
size_t SocketBio::refill(std::span<std::byte> into) {
  if (is_drained_ || received_ >= kMostPerTurn || is_over()) return 0;
  const std::array<iovec, 2> space{iovec{into.data(), into.size()}, iovec{input_.get(), kInputBytes}};
  const Channel::Transfer transfer = stream_.receive(space);
  is_drained_ = transfer.bytes < into.size() + kInputBytes;
  if (transfer.bytes == 0) {
    if (!transfer.would_block) over_ = transfer;
    return 0;
  }
  received_ += transfer.bytes;
  const size_t taken = std::min(transfer.bytes, into.size());
  begin_ = 0;
  end_ = transfer.bytes - taken;
  if (!std::exchange(has_heard_, true)) listen(into.first(taken));
  return taken;
}

void SocketBio::listen(std::span<const std::byte> first) {
  if (first[0] >= kFirstType && first[0] <= kLastType) return;
  for (const std::span<const std::byte> bytes : {first, std::span<const std::byte>(input_.get(), end_)}) {
    for (const std::byte byte : bytes) {
      const char character = static_cast<char>(byte);
      if (foreign_words_.size() == kWordsTold || character == '\r' || character == '\n') return;
      foreign_words_ += character >= ' ' && character <= '~' ? character : '.';
    }
  }
}

void SocketBio::flush() {
  while (has_output() && write_status_.is_ok()) {
    const iovec rest{output_.data() + sent_, output_.size() - sent_};
    const Channel::Transfer transfer = stream_.send({&rest, 1});
    write_status_ = transfer.status;
    sent_ += transfer.bytes;
    total_sent_ += transfer.bytes;
    if (transfer.would_block) return;
  }
  if (has_output()) return;
  sent_ = 0;
  output_.truncate(0);
  if (output_.capacity() > kOutputKept) output_ = base::ByteBuffer();
}

}  // namespace evenkeel::net
