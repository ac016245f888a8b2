// Status: the outcome of an operation in the native core. The core does not throw: a function that can fail
// returns a Status, and a factory reports it in an out-parameter. A Status is a plain value that can be
// copied and compared, and must never be ignored.
#pragma once

#include <cerrno>

namespace evenkeel {

class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  static constexpr Status ok() { return {}; }
  static constexpr Status from_errno(int error) { return Status(error); }
  static Status last_error() { return Status(errno); }

  constexpr bool is_ok() const { return error_ == 0; }
  // An errno value; 0 when is_ok().
  constexpr int error() const { return error_; }
  constexpr bool operator==(const Status&) const = default;

 private:
  explicit constexpr Status(int error) : error_(error) {}
  int error_ = 0;
};

}  // namespace evenkeel
