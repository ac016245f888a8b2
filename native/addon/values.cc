#include "addon/values.h"

#include <cstring>
#include <utility>

namespace evenkeel::addon {

namespace {

// Free blocks that a client keeps at most.
constexpr size_t kPooled = size_t{16} << 20;

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
    napi_handle_scope scope = nullptr;
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

class BlockPayload final : public net::Payload {
 public:
  explicit BlockPayload(base::BlockPool::Block block) : block_(std::move(block)) {}
  std::span<const std::byte> bytes() const override { return block_.bytes(); }

 private:
  base::BlockPool::Block block_;
};

class BlockValue final : public pipeline::LargeValue {
 public:
  explicit BlockValue(base::BlockPool::Block block) : block_(std::move(block)) {}
  std::span<std::byte> bytes() override { return block_.bytes(); }

 private:
  base::BlockPool::Block block_;
};

class BufferValue final : public pipeline::LargeValue {
 public:
  BufferValue(napi_env env, size_t length) : env_(env) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    void* data = nullptr;
    napi_value buffer = nullptr;
    if (napi_create_buffer(env, length, &data, &buffer) == napi_ok) {
      napi_create_reference(env, buffer, 1, &reference_);
      bytes_ = {static_cast<std::byte*>(data), length};
    } else {
      napi_value error = nullptr;
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

ValueMemory::ValueMemory(const Driver& driver)
    : env_(driver.env()), threaded_(driver.threaded()), pool_(std::make_shared<base::BlockPool>(kPooled)) {}

std::unique_ptr<net::Payload> ValueMemory::make_payload(napi_value value, size_t length) {
  View view;
  const bool is_view = read_view(env_, value, &view);
  if (is_view && !threaded_) return std::make_unique<PinnedPayload>(env_, value, view);
  // Node-API writes a terminator behind a string.
  base::BlockPool::Block block = pool_->acquire(is_view ? view.length : length + 1);
  if (!block.is_valid()) return nullptr;
  if (is_view) {
    std::memcpy(block.bytes().data(), view.data, view.length);
  } else {
    size_t written = 0;
    auto* into = reinterpret_cast<char*>(block.bytes().data());
    if (napi_get_value_string_utf8(env_, value, into, length + 1, &written) != napi_ok) return nullptr;
    block.shorten(written);
  }
  return std::make_unique<BlockPayload>(std::move(block));
}

std::unique_ptr<pipeline::LargeValue> ValueMemory::allocate(size_t length) {
  if (threaded_) {
    base::BlockPool::Block block = pool_->acquire(length);
    if (!block.is_valid()) return nullptr;
    return std::make_unique<BlockValue>(std::move(block));
  }
  auto value = std::make_unique<BufferValue>(env_, length);
  if (!value->is_valid()) return nullptr;
  return value;
}

napi_value ValueMemory::to_buffer(pipeline::LargeValue& value) const {
  if (!threaded_) return static_cast<BufferValue&>(value).buffer();
  const std::span<std::byte> bytes = value.bytes();
  void* copy = nullptr;
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env_, bytes.size(), bytes.data(), &copy, &buffer);
  return buffer;
}

}  // namespace evenkeel::addon
