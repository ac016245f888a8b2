// Memory that lives on the other side of the boundary: values sent from where JavaScript holds them, and
// values received into buffers that JavaScript will hold.
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

  // The bytes of a string (`length` of them in UTF-8), Buffer or other typed array. Null when there is no
  // memory. A host base sends a Buffer from where it lies: it is pinned by a reference, and looked at anew
  // before each write, so that one whose memory was transferred away is never read. Everything else is copied
  // once.
  std::unique_ptr<net::Payload> make_payload(napi_value value, size_t length);

  // A host base receives large values directly into Buffers, a thread into blocks that to_buffer() copies.
  std::unique_ptr<pipeline::LargeValue> allocate(size_t length) override;
  // On the JavaScript thread. Null when memory for the Buffer could not be had.
  napi_value to_buffer(pipeline::LargeValue& value) const;

  // Keeps no memory any more.
  void close() { pool_->close(); }

 private:
  const napi_env env_;
  const bool threaded_;
  const std::shared_ptr<base::BlockPool> pool_;
};

}  // namespace evenkeel::addon
