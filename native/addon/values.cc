#include "addon/values.h"

#include <cstdlib>
#include <cstring>

namespace evenkeel::addon {

namespace {

struct View {
  std::byte* data = nullptr;
  size_t length = 0;
};

bool read_view(napi_env env, napi_value value, View* view) {
  void* data = nullptr;
  if (napi_get_buffer_info(env, value, &data, &view->length) != napi_ok) return false;
  view->data = static_cast<std::byte*>(data);
  return true;
}

class PinnedPayload final : public net::Payload {
 public:
  PinnedPayload(napi_env env, napi_value value, const View& view) : env_(env), view_(view) {
    napi_create_reference(env, value, 1, &reference_);
  }
  ~PinnedPayload() override { napi_delete_reference(env_, reference_); }

  std::span<const std::byte> bytes() const override {
    napi_handle_scope scope;
    napi_open_handle_scope(env_, &scope);
    napi_value value = nullptr;
    View now;
    napi_get_reference_value(env_, reference_, &value);
    const bool same = read_view(env_, value, &now) && now.data == view_.data && now.length == view_.length;
    napi_close_handle_scope(env_, scope);
    return same ? std::span<const std::byte>(view_.data, view_.length) : std::span<const std::byte>();
  }

 private:
  const napi_env env_;
  const View view_;
  napi_ref reference_ = nullptr;
};

class HeapBytes {
 public:
  explicit HeapBytes(size_t length)
      : data_(static_cast<std::byte*>(std::malloc(length > 0 ? length : 1))), length_(length) {}
  ~HeapBytes() { std::free(data_); }
  HeapBytes(const HeapBytes&) = delete;
  HeapBytes& operator=(const HeapBytes&) = delete;
  std::span<std::byte> span() const { return {data_, length_}; }
  bool is_valid() const { return data_ != nullptr; }
  void shorten(size_t length) { length_ = length; }

 private:
  std::byte* data_;
  size_t length_;
};

class CopiedPayload final : public net::Payload {
 public:
  explicit CopiedPayload(size_t length) : memory_(length) {}
  HeapBytes& memory() { return memory_; }
  std::span<const std::byte> bytes() const override { return memory_.span(); }

 private:
  HeapBytes memory_;
};

class HeapValue final : public pipeline::LargeValue {
 public:
  explicit HeapValue(size_t length) : memory_(length) {}
  HeapBytes& memory() { return memory_; }
  std::span<std::byte> bytes() override { return memory_.span(); }

 private:
  HeapBytes memory_;
};

class BufferValue final : public pipeline::LargeValue {
 public:
  BufferValue(napi_env env, size_t length) : env_(env) {
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    void* data = nullptr;
    napi_value buffer;
    if (napi_create_buffer(env, length, &data, &buffer) == napi_ok) {
      napi_create_reference(env, buffer, 1, &reference_);
      bytes_ = {static_cast<std::byte*>(data), length};
    } else {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
    }
    napi_close_handle_scope(env, scope);
  }
  ~BufferValue() override {
    if (reference_ != nullptr) napi_delete_reference(env_, reference_);
  }
  bool is_valid() const { return reference_ != nullptr; }
  napi_value buffer() const {
    napi_value buffer = nullptr;
    napi_get_reference_value(env_, reference_, &buffer);
    return buffer;
  }
  std::span<std::byte> bytes() override { return bytes_; }

 private:
  const napi_env env_;
  napi_ref reference_ = nullptr;
  std::span<std::byte> bytes_;
};

}  // namespace

std::unique_ptr<net::Payload> make_payload(const Driver& driver, napi_value value, size_t length) {
  const napi_env env = driver.env();
  View view;
  if (read_view(env, value, &view)) {
    if (!driver.threaded()) return std::make_unique<PinnedPayload>(env, value, view);
    auto payload = std::make_unique<CopiedPayload>(view.length);
    if (!payload->memory().is_valid()) return nullptr;
    std::memcpy(payload->memory().span().data(), view.data, view.length);
    return payload;
  }
  // UTF-8 takes at most three bytes for each UTF-16 unit, and one for the terminator.
  auto payload = std::make_unique<CopiedPayload>(length * 3 + 1);
  if (!payload->memory().is_valid()) return nullptr;
  size_t written = 0;
  char* into = reinterpret_cast<char*>(payload->memory().span().data());
  if (napi_get_value_string_utf8(env, value, into, length * 3 + 1, &written) != napi_ok) return nullptr;
  payload->memory().shorten(written);
  return payload;
}

std::unique_ptr<pipeline::LargeValue> ValueAllocator::allocate(size_t length) {
  if (threaded_) {
    auto value = std::make_unique<HeapValue>(length);
    if (!value->memory().is_valid()) return nullptr;
    return value;
  }
  auto value = std::make_unique<BufferValue>(env_, length);
  if (!value->is_valid()) return nullptr;
  return value;
}

napi_value to_buffer(const Driver& driver, pipeline::LargeValue& value) {
  if (!driver.threaded()) return static_cast<BufferValue&>(value).buffer();
  const std::span<std::byte> bytes = value.bytes();
  void* copy = nullptr;
  napi_value buffer = nullptr;
  napi_create_buffer_copy(driver.env(), bytes.size(), bytes.data(), &copy, &buffer);
  return buffer;
}

}  // namespace evenkeel::addon
