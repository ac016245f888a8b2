// ClientObject: a pipeline::Client as JavaScript uses it (NativeClient in lib/native/addon.ts), with the
// memory that both sides access: the parameter block, the completion records and the slab of values.
// JavaScript allocates them, and references pin them.
#pragma once

#include <node_api.h>

#include <memory>

#include "addon/driver.h"
#include "addon/functions.h"
#include "addon/values.h"
#include "pipeline/client.h"

namespace evenkeel::addon {

class ClientObject final : public Messenger,
                           public pipeline::ClientListener,
                           public std::enable_shared_from_this<ClientObject> {
 public:
  // Arguments: options, parameters (Uint32Array), records (Uint32Array), drain. The numbers in the options
  // have been checked.
  static napi_value create(napi_env env, const std::shared_ptr<Driver>& driver, Arguments arguments);

  explicit ClientObject(std::shared_ptr<Driver> driver) : driver_(std::move(driver)), memory_(*driver_) {}
  ~ClientObject() override { drop_references(); }

  // Returns a slot, or a layout::kRefused… code.
  int32_t submit(napi_value key);
  int32_t submit_value(napi_value key, napi_value value);
  int32_t submit_to(uint16_t server, napi_value argument);
  int32_t submit_value_to(uint16_t server, napi_value value);
  // Writes such a number to where JavaScript reads it.
  void leave(int32_t slot) { parameters_[layout::kParamSlot] = static_cast<uint32_t>(slot); }
  // Returns the kRefused… code that submit() would return for these arguments, or 0; `value` is undefined
  // when there is none.
  int32_t check(napi_value key, napi_value value) const;
  // Counts an operation that is submitted later. Returns its bytes, for give_back(), or a kRefused… code.
  int32_t set_aside(napi_value key, napi_value value);
  void give_back(size_t bytes) { client_->give_back(bytes); }
  void flush(pipeline::Flush how);
  uint32_t take(uint32_t offset);
  napi_value take_large(uint32_t index);
  void set_slab(napi_value slab);
  // `protocol` is a layout::kProtocol… constant.
  void add_server(uint16_t id, uint32_t protocol, napi_value steps, napi_value host, bool is_guess,
                  bool is_open);
  void set_addresses(uint16_t id, napi_value list, uint32_t failures);
  void retire_server(uint16_t id);
  void abandon_server(uint16_t id);
  void decide_server(uint16_t id);
  // -1 when there is no server, or the key is invalid.
  int32_t server_of(napi_value key) const;
  // Arguments: the servers' ids, a layout::kKeyHash… and, for a ring, its points and their owners. Returns
  // false when they are not a valid topology.
  bool route_by(Arguments arguments);
  // Arguments: the servers' ids, the owners of the partitions, and how many of them each one has.
  bool route_by_partitions(Arguments arguments);
  // Of the handshake that has been told of under this number; null: it is refused.
  void continue_handshake(uint16_t connection, uint32_t attempt, napi_value request);
  void cancel(uint32_t slot);
  void close();
  // Writes to a Float64Array.
  void read_meter(uint16_t id, napi_value words) const;
  double queued_bytes() const { return static_cast<double>(client_->queued_bytes()); }
  uint32_t available() const { return client_->available(); }
  bool fits(uint32_t operations, double bytes) const {
    return client_->fits(operations, static_cast<uint64_t>(bytes));
  }

  void on_completions_ready() override { driver_->announce(this); }
  void deliver() override;
  void tear_down() override;

 private:
  // Fewer records are not worth splitting.
  static constexpr uint32_t kFewRecords = 64;
  // A key has at most 250 bytes. One that does not fit in the buffer is truncated at a character and is still
  // longer than that.
  static constexpr size_t kMostKey = 250;
  static constexpr size_t kKeyBuffer = kMostKey + 10;
  struct Key {
    Key(napi_env env, napi_value value);
    char buffer[kKeyBuffer];
    std::span<const std::byte> bytes;
    int32_t refused = 0;
  };
  struct Value {
    // `units`: of a string, in UTF-16. `exactly`: its length is computed even if it is short.
    Value(napi_env env, napi_value value, bool string, size_t units, size_t limit, bool exactly);
    const bool is_string;
    size_t length = 0;    // encoded length in bytes; computed for a string only where it matters
    size_t capacity = 0;  // bytes of the buffer to encode it into
    const std::byte* data = nullptr;
    int32_t refused = 0;
  };

  pipeline::Client::Call read_call() const;
  void extend(wire::Request& request) const;
  int32_t hold(int32_t refused, const pipeline::Client::Call& call, const Key& key, size_t value_length);
  // Passes to `begin` the room that the value needs beside the key, and to `hold` the code with which begin()
  // refused and the length of the value.
  template <typename Begin, typename Hold>
  int32_t submit_with(napi_value value, Begin begin, Hold hold);
  // Keeps the process alive while, and only while, operations are active.
  void update_liveness();
  void drop_references();

  const std::shared_ptr<Driver> driver_;
  ValueMemory memory_;
  std::shared_ptr<pipeline::Client> client_;
  bool holds_driver_ = false;
  bool closing_ = false;
  bool keeps_alive_ = true;
  bool ended_ = false;      // the last completion was taken; nothing is needed any more
  bool torn_down_ = false;  // nothing more arrives, but what is there can still be taken
  size_t max_value_ = 0;
  uint16_t connections_ = 1;
  uint32_t budget_ = UINT32_MAX;  // records that take() returns before it reports the end
  uint32_t* parameters_ = nullptr;
  uint32_t* records_ = nullptr;
  std::span<std::byte> slab_;
  napi_ref drain_ = nullptr;
  napi_ref parameters_reference_ = nullptr;
  napi_ref records_reference_ = nullptr;
  napi_ref slab_reference_ = nullptr;
};

}  // namespace evenkeel::addon
