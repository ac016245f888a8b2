// Segments: a walk over bytes in several pieces.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace evenkeel::net {

class Segments {
 public:
  explicit Segments(std::span<const iovec> segments) : segments_(segments) {
    for (const iovec& segment : segments) size_ += segment.iov_len;
  }

  // The remaining bytes.
  size_t size() const { return size_; }

  // The next bytes: as many as `space` has room for, or all that are left. They are copied to `space` only if
  // they are not contiguous.
  std::span<const std::byte> peek(std::span<std::byte> space) {
    while (passed_ == segments_[0].iov_len) skip();
    const std::span<const std::byte> first = bytes(0).subspan(passed_);
    const size_t wanted = std::min(space.size(), size_);
    if (first.size() >= wanted) return first.first(wanted);
    std::memcpy(space.data(), first.data(), first.size());
    size_t filled = first.size();
    for (size_t i = 1; filled < wanted; ++i) {
      const size_t length = std::min(segments_[i].iov_len, wanted - filled);
      if (length > 0) std::memcpy(space.data() + filled, segments_[i].iov_base, length);
      filled += length;
    }
    return space.first(wanted);
  }

  void pass(size_t length) {
    size_ -= length;
    for (passed_ += length; !segments_.empty() && passed_ >= segments_[0].iov_len;) {
      const size_t rest = passed_ - segments_[0].iov_len;
      skip();
      passed_ = rest;
    }
  }

 private:
  std::span<const std::byte> bytes(size_t index) const {
    return {static_cast<const std::byte*>(segments_[index].iov_base), segments_[index].iov_len};
  }
  void skip() {
    segments_ = segments_.subspan(1);
    passed_ = 0;
  }

  std::span<const iovec> segments_;
  size_t passed_ = 0;  // of the first one
  size_t size_ = 0;
};

}  // namespace evenkeel::net
