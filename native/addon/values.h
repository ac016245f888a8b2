// Memory on the other side of the boundary: values sent from JavaScript's memory, and values received into
// buffers for JavaScript.
#pragma once

#include <node_api.h>

#include <memory>

#include "addon/driver.h"
#include "base/block_pool.h"
#include "net/batch.h"
#include "pipeline/completions.h"

namespace evenkeel::addon {

class ValueMemory final : public pipeline::Allocator {
 public:
  explicit ValueMemory(const Driver& driver);

  // A payload with the bytes of a string (`length` bytes in UTF-8), Buffer or other typed array. Null when
  // there is no memory. A host base sends a Buffer without copying: a reference pins it, and it is inspected
  // before each write, so that a detached one is never read. Everything else is copied once.
  std::unique_ptr<net::Payload> make_payload(napi_value value, size_t length);

  // A host base receives large values directly into Buffers; a thread receives them into blocks that
  // to_buffer() copies.
  std::unique_ptr<pipeline::LargeValue> allocate(size_t length) override;
  // Call on the JavaScript thread. Null when there is no memory for the Buffer.
  napi_value to_buffer(pipeline::LargeValue& value) const;

  // Frees the pooled memory and keeps none from now on.
  void close() { pool_->close(); }

 private:
  const napi_env env_;
  const bool threaded_;
  const std::shared_ptr<base::BlockPool> pool_;
};

}  // namespace evenkeel::addon
