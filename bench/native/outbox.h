// Bytes waiting for a socket: copied ones and, for large values, references that outlive the write. All of
// them leave in as few writev calls as the socket allows.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace bench {

class Outbox {
 public:
  enum class Flushed { kAll, kSocketFull, kFailed };

  // Valid until the next call.
  char* extend(size_t length) {
    if (!pieces_.empty())
      return pieces_.emplace_back(Piece{std::vector<char>(length), nullptr, length}).own.data();
    const size_t at = bytes_.size();
    bytes_.resize(at + length);
    return bytes_.data() + at;
  }
  void extend_by_reference(const char* data, size_t length) { pieces_.push_back({{}, data, length}); }
  bool empty() const { return bytes_.empty() && pieces_.empty(); }

  // What the socket did not take stays for the next call. errno tells why it failed.
  Flushed flush(int fd) {
    while (!empty()) {
      iovec vec[kMaxPieces];
      int count = 0;
      size_t offset = sent_;
      if (!bytes_.empty()) vec[count++] = {bytes_.data() + offset, bytes_.size() - offset}, offset = 0;
      for (size_t i = first_; i < pieces_.size() && count < kMaxPieces; ++i) {
        Piece& p = pieces_[i];
        char* data = p.reference != nullptr ? const_cast<char*>(p.reference) : p.own.data();
        vec[count++] = {data + offset, p.length - offset};
        offset = 0;
      }
      const ssize_t n = writev(fd, vec, count);
      if (n < 0) {
        if (errno == EAGAIN) return Flushed::kSocketFull;
        if (errno == EINTR) continue;
        return Flushed::kFailed;
      }
      consume(static_cast<size_t>(n));
    }
    return Flushed::kAll;
  }

 private:
  static constexpr int kMaxPieces = 64;

  struct Piece {
    std::vector<char> own;
    const char* reference;
    size_t length;
  };

  void consume(size_t n) {
    sent_ += n;
    if (!bytes_.empty()) {
      if (sent_ < bytes_.size()) return;
      sent_ -= bytes_.size();
      bytes_.clear();
    }
    while (first_ < pieces_.size() && sent_ >= pieces_[first_].length) sent_ -= pieces_[first_++].length;
    if (first_ == pieces_.size()) pieces_.clear(), first_ = 0;
  }

  std::vector<char> bytes_;
  std::vector<Piece> pieces_;
  size_t first_ = 0;
  size_t sent_ = 0;  // of the first piece that is left
};

}  // namespace bench
