// Memory that lives on the other side of the boundary: values sent from where JavaScript holds them, and
// values received into buffers that JavaScript will hold.
#pragma once

#include <node_api.h>

#include <memory>

#include "addon/driver.h"
#include "net/batch.h"
#include "pipeline/completions.h"

namespace evenkeel::addon {

// The bytes of a string, Buffer or other typed array as a payload. Null when they could not be read.
// A host base sends a Buffer from where it lies: it is pinned by a reference, and looked at anew before each
// write, so that one whose memory was transferred away is never read. Everything else is copied once.
std::unique_ptr<net::Payload> make_payload(const Driver& driver, napi_value value, size_t length);

// Where large values are received: a host base's directly into a Buffer, a thread's into plain memory that
// to_buffer() copies into one on the JavaScript thread.
class ValueAllocator final : public pipeline::Allocator {
 public:
  explicit ValueAllocator(const Driver& driver) : env_(driver.env()), threaded_(driver.threaded()) {}
  std::unique_ptr<pipeline::LargeValue> allocate(size_t length) override;

 private:
  const napi_env env_;
  const bool threaded_;
};

// On the JavaScript thread. Null when memory for the Buffer could not be had.
napi_value to_buffer(const Driver& driver, pipeline::LargeValue& value);

}  // namespace evenkeel::addon
