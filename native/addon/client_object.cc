#include "addon/client_object.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "addon/configuration.h"

namespace evenkeel::addon {

namespace {

template <typename T>
T* pin(napi_env env, napi_value array, napi_ref* reference, size_t* length = nullptr) {
  void* data = nullptr;
  size_t count = 0;
  napi_get_typedarray_info(env, array, nullptr, &count, &data, nullptr, nullptr);
  napi_create_reference(env, array, 1, reference);
  if (length != nullptr) *length = count;
  return static_cast<T*>(data);
}

uint64_t join(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }

enum class Units : uint8_t { kAscii, kWellFormed, kIllFormed };

// Narrows the units into `out`, which is right for kAscii only.
Units classify(std::span<const char16_t> units, char* out) {
  char16_t any = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    any |= units[i];
    out[i] = static_cast<char>(units[i]);
  }
  if (any < 0x80) return Units::kAscii;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i] < 0xd800 || units[i] > 0xdfff) continue;
    const bool is_pair =
        units[i] < 0xdc00 && i + 1 < units.size() && units[i + 1] >= 0xdc00 && units[i + 1] <= 0xdfff;
    if (!is_pair) return Units::kIllFormed;
    ++i;
  }
  return Units::kWellFormed;
}

}  // namespace

pipeline::Client::Call ClientObject::read_call() const {
  const uint32_t* p = parameters_;
  const uint32_t code = p[layout::kParamCode];
  pipeline::Client::Call call{.request = {.op = static_cast<wire::Op>(code & 0xff),
                                          .discards_value = (code & layout::kCodeDiscardsValue) != 0,
                                          .wants_cas = (code & layout::kCodeWantsCas) != 0,
                                          .flags = p[layout::kParamFlags]},
                              .timeout = p[layout::kParamTimeout],
                              .fits = (code & layout::kCodeFits) != 0,
                              .accepted = (code & layout::kCodeAccepted) != 0};
  wire::Request& request = call.request;
  if ((code & layout::kCodeExtended) != 0) extend(request);
  if ((code & layout::kCodeDetailed) == 0) return call;
  request.cas = join(p[layout::kParamCasHigh], p[layout::kParamCasLow]);
  if ((code & layout::kCodeSetsCas) != 0)
    request.new_cas = join(p[layout::kParamNewCasHigh], p[layout::kParamNewCasLow]);
  call.waits = (code & layout::kCodeWaits) != 0;
  request.expiry = p[layout::kParamExpiry];
  request.recache = p[layout::kParamRecache];
  request.delta = join(p[layout::kParamDeltaHigh], p[layout::kParamDeltaLow]);
  request.initial = join(p[layout::kParamInitialHigh], p[layout::kParamInitialLow]);
  call.deadline = join(p[layout::kParamDeadlineHigh], p[layout::kParamDeadlineLow]);
  call.started = p[layout::kParamStarted];
  return call;
}

void ClientObject::extend(wire::Request& request) const {
  const uint32_t* p = parameters_;
  request.preserves_expiry = (p[layout::kParamCode] & layout::kCodePreservesExpiry) != 0;
  request.sets_expiry = (p[layout::kParamCode] & layout::kCodeSetsExpiry) != 0;
  request.collection = p[layout::kParamCollection];
  request.partition = static_cast<uint16_t>(p[layout::kParamPartition]);
  request.durability = static_cast<wire::Durability>(p[layout::kParamDurability] & 0xff);
  request.durability_timeout = static_cast<uint16_t>(p[layout::kParamDurability] >> 8);
  request.datatype = static_cast<uint8_t>(p[layout::kParamModes]);
  request.document_flags = static_cast<uint8_t>(p[layout::kParamModes] >> 8);
  request.replica = static_cast<uint8_t>(p[layout::kParamReplica]);
  request.is_plain = request.collection == 0 && request.durability == wire::Durability::kNone &&
                     !request.preserves_expiry && (request.datatype & wire::kIsCompressed) == 0;
}

// Reading UTF-16 and narrowing it beats V8's UTF-8 writer on ASCII keys, and shows lone surrogates, which
// UTF-8 would turn into one and the same U+FFFD.
ClientObject::Key::Key(napi_env env, napi_value value) {
  char16_t units[kKeyBuffer];
  size_t length = 0;
  if (napi_get_value_string_utf16(env, value, units, kKeyBuffer, &length) != napi_ok) {
    refused = layout::kRefusedKeyType;
    return;
  }
  if (length > kMostKey) {  // a unit is a byte at least
    refused = layout::kRefusedKeyTooLong;
    return;
  }
  const Units kind = classify({units, length}, buffer);
  if (kind == Units::kIllFormed) {
    refused = layout::kRefusedKeyIllFormed;
    return;
  }
  if (kind == Units::kWellFormed) napi_get_value_string_utf8(env, value, buffer, kKeyBuffer, &length);
  bytes = std::as_bytes(std::span(buffer, length));
}

ClientObject::Value::Value(napi_env env, napi_value value, bool string, size_t units, size_t limit,
                           bool exactly)
    : is_string(string), length(units) {
  if (!is_string) {
    void* bytes = nullptr;
    if (napi_get_buffer_info(env, value, &bytes, &length) != napi_ok) {
      refused = layout::kRefusedValueType;
      return;
    }
    data = static_cast<const std::byte*>(bytes);
  }
  // UTF-8 takes at most three bytes for each UTF-16 unit, and Node-API one for a terminator.
  const size_t most = length * 3;
  const bool matters = exactly || most >= layout::kLargeValue || most > limit;
  if (is_string && matters && length <= limit) napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  capacity = !is_string ? length : matters ? length + 1 : most + 1;
  if (length > limit) refused = layout::kRefusedValueTooLarge;
}

int32_t ClientObject::check(napi_value key, napi_value value) const {
  const napi_env env = driver_->env();
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  const Key checked(env, key);
  if (checked.refused != 0) return checked.refused;
  const int32_t refused = client_->check_key(read_call().request, checked.bytes);
  if (refused != 0) return refused;
  size_t value_length = 0;
  if (type != napi_undefined) {
    const bool is_string = type == napi_string;
    size_t units = 0;
    if (is_string) napi_get_value_string_utf16(env, value, nullptr, 0, &units);
    const Value measured(env, value, is_string, units, max_value_, true);
    if (measured.refused != 0) return measured.refused;
    value_length = measured.length;
  }
  return static_cast<int32_t>(client_->most_bytes(checked.bytes.size(), value_length));
}

int32_t ClientObject::set_aside(napi_value key, napi_value value) {
  const pipeline::Client::Call call = read_call();
  const int32_t checked = check(key, value);
  if (checked < 0 && !call.accepted) return checked;
  const int32_t bytes = std::max(checked, 0);
  const int32_t refused = client_->set_aside(call, static_cast<size_t>(bytes));
  return refused != 0 ? refused : bytes;
}

int32_t ClientObject::submit(napi_value key_value) {
  const Key key(driver_->env(), key_value);
  if (key.refused != 0) return key.refused;
  pipeline::Client::Call call = read_call();
  const int32_t refused = client_->begin(call, key.bytes, 0);
  if (refused != 0) return hold(refused, call, key, 0);
  const uint32_t slot = client_->commit(0);
  update_liveness();
  return static_cast<int32_t>(slot);
}

int32_t ClientObject::hold(int32_t refused, const pipeline::Client::Call& call, const Key& key,
                           size_t value_length) {
  const int32_t slot = client_->hold(refused, call, key.bytes, value_length);
  update_liveness();
  return slot;
}

int32_t ClientObject::submit_to(uint16_t server, napi_value given) {
  const Key argument(driver_->env(), given);
  if (argument.refused != 0) return argument.refused;
  pipeline::Client::Call call = read_call();
  const int32_t refused = client_->begin_at(server, call, argument.bytes);
  if (refused != 0) return refused;
  const uint32_t slot = client_->commit(0);
  update_liveness();
  return static_cast<int32_t>(slot);
}

template <typename Begin, typename Hold>
int32_t ClientObject::submit_with(napi_value given, Begin begin, Hold hold) {
  const napi_env env = driver_->env();
  const bool is_string = (parameters_[layout::kParamCode] & layout::kCodeStringValue) != 0;
  const Value value(env, given, is_string, parameters_[layout::kParamUnits], max_value_, false);
  if (value.refused != 0) return value.refused;
  const bool is_inline = value.length <= layout::kLargeValue;
  const int32_t refused = begin(is_inline ? value.capacity : 0);
  if (refused != 0) return hold(refused, value.length);
  uint32_t slot = 0;
  if (!is_inline) {
    std::unique_ptr<net::Payload> payload = memory_.make_payload(given, value.length);
    if (payload == nullptr) return layout::kRefusedMemory;
    slot = client_->commit(0, std::move(payload));
  } else if (value.is_string) {
    size_t written = 0;
    auto* space = reinterpret_cast<char*>(client_->value_space());
    if (napi_get_value_string_utf8(env, given, space, value.capacity, &written) != napi_ok)
      return layout::kRefusedValueType;
    slot = client_->commit(written);
  } else {
    if (value.length > 0) std::memcpy(client_->value_space(), value.data, value.length);
    slot = client_->commit(value.length);
  }
  update_liveness();
  return static_cast<int32_t>(slot);
}

int32_t ClientObject::submit_value(napi_value key_value, napi_value given) {
  const Key key(driver_->env(), key_value);
  if (key.refused != 0) return key.refused;
  pipeline::Client::Call call = read_call();
  return submit_with(
      given,
      [&](size_t capacity) {
        const int32_t refused = client_->begin(call, key.bytes, capacity);
        return refused == 0 && call.waits ? layout::kRefusedOperation : refused;
      },
      [&](int32_t refused, size_t length) { return hold(refused, call, key, length); });
}

int32_t ClientObject::submit_value_to(uint16_t server, napi_value given) {
  pipeline::Client::Call call = read_call();
  return submit_with(
      given, [&](size_t capacity) { return client_->begin_at(server, call, {}, capacity); },
      [](int32_t refused, size_t) { return refused; });
}

void ClientObject::flush(pipeline::Flush how) {
  if (driver_->closing()) return;
  client_->flush(how);
  driver_->rearm();
}

uint32_t ClientObject::take(uint32_t offset) {
  if (offset > slab_.size()) return 0;  // a terminating worker could not hand its slab over
  const uint32_t most = std::min(layout::kRecordsPerTake, budget_);
  const uint32_t taken = client_->take(records_, most, slab_.subspan(offset), offset);
  if (budget_ != UINT32_MAX) budget_ -= taken;
  update_liveness();
  if (closing_ && taken > 0) {  // what ends a client is the last record of all
    const uint32_t* last = records_ + size_t{taken - 1} * layout::kRecordWords;
    ended_ = last[layout::kRecordSlot] == layout::kControlSlot &&
             (last[layout::kRecordOutcome] & layout::kOutcomeMask) == layout::kOutcomeEnded;
  }
  // Before JavaScript hears of the end: whoever waits for it may look at what is left.
  if (ended_ || (torn_down_ && taken == 0)) client_->drop_memory();
  if (ended_) memory_.close();
  return taken;
}

void ClientObject::close() {
  closing_ = true;
  client_->close();
}

napi_value ClientObject::take_large(uint32_t index) {
  const std::unique_ptr<pipeline::LargeValue> value = client_->take_large(index);
  return value == nullptr ? nullptr : memory_.to_buffer(*value);
}

void ClientObject::set_slab(napi_value slab) {
  const napi_env env = driver_->env();
  if (slab_reference_ != nullptr) napi_delete_reference(env, slab_reference_);
  size_t length = 0;
  auto* data = pin<std::byte>(env, slab, &slab_reference_, &length);
  slab_ = {data, length};
}

void ClientObject::retire_server(uint16_t id) {
  client_->retire_server(id);
  driver_->rearm();
}

// What has come back is to be taken in the same turn, before somebody starts something new.
void ClientObject::abandon_server(uint16_t id) {
  client_->abandon_server(id);
  budget_ = UINT32_MAX;
  driver_->rearm();
}

void ClientObject::decide_server(uint16_t id) {
  client_->decide_server(id);
  budget_ = UINT32_MAX;
  driver_->rearm();
}

int32_t ClientObject::server_of(napi_value key) const {
  const Key checked(driver_->env(), key);
  return checked.refused != 0 ? -1 : client_->server_of(checked.bytes);
}

void ClientObject::add_server(uint16_t id, uint32_t protocol, napi_value steps, napi_value host,
                              bool is_guess, bool is_open) {
  const napi_env env = driver_->env();
  client_->add_server(id, protocol_of(protocol), read_steps(env, steps), read_text(env, host), is_guess,
                      is_open);
}

void ClientObject::set_addresses(uint16_t id, napi_value list, uint32_t failures) {
  client_->set_addresses(id, read_addresses(driver_->env(), list), failures);
  driver_->rearm();
}

bool ClientObject::route_by(Arguments arguments) {
  Routes routes = read_routes(driver_->env(), arguments, connections_);
  if (routes.topology == nullptr && !routes.servers.empty()) return false;
  return client_->route_by(std::move(routes.topology), routes.servers);
}

bool ClientObject::route_by_partitions(Arguments arguments) {
  Partitioning given = read_partitions(driver_->env(), arguments);
  if (given.partitions == nullptr) return false;
  const bool is_valid = client_->route_by_partitions(std::move(given.partitions), given.servers);
  driver_->rearm();
  return is_valid;
}

void ClientObject::continue_handshake(uint16_t connection, uint32_t attempt, napi_value request) {
  client_->continue_handshake(connection, attempt, read_bytes(driver_->env(), request));
  driver_->rearm();
}

void ClientObject::read_meter(uint16_t id, napi_value words) const {
  void* data = nullptr;
  size_t count = 0;
  napi_get_typedarray_info(driver_->env(), words, nullptr, &count, &data, nullptr, nullptr);
  client_->read_meter(id, {static_cast<double*>(data), count});
}

void ClientObject::cancel(uint32_t slot) {
  client_->cancel(slot);
  update_liveness();
}

void ClientObject::update_liveness() {
  const bool holds = keeps_alive_ && client_->active() > 0;
  if (holds == holds_driver_) return;
  holds_driver_ = holds;
  holds ? driver_->ref() : driver_->unref();
}

void ClientObject::deliver() {
  const std::shared_ptr<ClientObject> alive = shared_from_this();
  if (drain_ == nullptr) return;
  // A thread may have gathered all the answers there are. JavaScript hears of about half at a time: what it
  // starts then is on its way while it hears of the rest. (On a host base the reads are bounded in the same
  // way.) Nothing is taken where JavaScript cannot be called any more, in a worker that is being terminated.
  bool has_taken = true;
  bool wants_a_turn = false;
  do {
    const uint32_t budget = driver_->threaded() ? std::max(client_->active() / 2, kFewRecords) : UINT32_MAX;
    budget_ = budget;
    const napi_value returned = make_callback(driver_->env(), drain_, 0, nullptr);
    if (returned != nullptr) napi_get_value_bool(driver_->env(), returned, &wants_a_turn);
    has_taken = budget_ != budget;
    budget_ = UINT32_MAX;
  } while (!wants_a_turn && has_taken && client_->has_rest() && drain_ != nullptr);
  if (drain_ == nullptr) return;
  if (wants_a_turn && !ended_) driver_->announce(this);
  if (!ended_) return;
  driver_->run([alive] {});  // the base's thread may still be on its way out of the call that announced this
  drop_references();
  driver_->remove(this);
}

void ClientObject::tear_down() {
  budget_ = UINT32_MAX;  // what is left is taken at once, be it from inside deliver()
  client_->tear_down();
  torn_down_ = true;
  memory_.close();
  drop_references();
}

void ClientObject::drop_references() {
  for (napi_ref* reference : {&drain_, &parameters_reference_, &records_reference_, &slab_reference_}) {
    if (*reference != nullptr) napi_delete_reference(driver_->env(), *reference);
    *reference = nullptr;
  }
}

namespace calls {

using Self = std::shared_ptr<ClientObject>;

static napi_value submit(napi_env, Arguments arguments, const Self& self) {
  self->leave(self->submit(arguments[0]));
  return nullptr;
}

static napi_value submit_to(napi_env, Arguments arguments, const Self& self) {
  self->leave(self->submit_to(static_cast<uint16_t>(arguments.u32(0)), arguments[1]));
  return nullptr;
}

static napi_value check(napi_env, Arguments arguments, const Self& self) {
  return arguments.number(self->check(arguments[0], arguments[1]));
}

static napi_value set_aside(napi_env, Arguments arguments, const Self& self) {
  return arguments.number(self->set_aside(arguments[0], arguments[1]));
}

static napi_value give_back(napi_env, Arguments arguments, const Self& self) {
  self->give_back(arguments.u32(0));
  return nullptr;
}

static napi_value submit_value(napi_env, Arguments arguments, const Self& self) {
  self->leave(self->submit_value(arguments[0], arguments[1]));
  return nullptr;
}

static napi_value submit_value_to(napi_env, Arguments arguments, const Self& self) {
  self->leave(self->submit_value_to(static_cast<uint16_t>(arguments.u32(0)), arguments[1]));
  return nullptr;
}

static napi_value flush(napi_env, Arguments arguments, const Self& self) {
  self->flush(static_cast<pipeline::Flush>(arguments.u32(0)));
  return nullptr;
}

static napi_value take(napi_env, Arguments arguments, const Self& self) {
  return arguments.number(static_cast<int32_t>(self->take(arguments.u32(0))));
}

static napi_value take_large(napi_env, Arguments arguments, const Self& self) {
  return self->take_large(arguments.u32(0));
}

static napi_value set_slab(napi_env, Arguments arguments, const Self& self) {
  self->set_slab(arguments[0]);
  return nullptr;
}

static napi_value add_server(napi_env, Arguments arguments, const Self& self) {
  self->add_server(static_cast<uint16_t>(arguments.u32(0)), arguments.u32(1), arguments[2], arguments[3],
                   arguments.flag(4), arguments.flag(5));
  return nullptr;
}

static napi_value set_addresses(napi_env, Arguments arguments, const Self& self) {
  self->set_addresses(static_cast<uint16_t>(arguments.u32(0)), arguments[1], arguments.u32(2));
  return nullptr;
}

static napi_value retire_server(napi_env, Arguments arguments, const Self& self) {
  self->retire_server(static_cast<uint16_t>(arguments.u32(0)));
  return nullptr;
}

static napi_value abandon_server(napi_env, Arguments arguments, const Self& self) {
  self->abandon_server(static_cast<uint16_t>(arguments.u32(0)));
  return nullptr;
}

static napi_value decide_server(napi_env, Arguments arguments, const Self& self) {
  self->decide_server(static_cast<uint16_t>(arguments.u32(0)));
  return nullptr;
}

static napi_value server_of(napi_env, Arguments arguments, const Self& self) {
  return arguments.number(self->server_of(arguments[0]));
}

static napi_value route_by(napi_env, Arguments arguments, const Self& self) {
  return arguments.boolean(self->route_by(arguments));
}

static napi_value route_by_partitions(napi_env, Arguments arguments, const Self& self) {
  return arguments.boolean(self->route_by_partitions(arguments));
}

static napi_value continue_handshake(napi_env, Arguments arguments, const Self& self) {
  self->continue_handshake(static_cast<uint16_t>(arguments.u32(0)), arguments.u32(1), arguments[2]);
  return nullptr;
}

static napi_value cancel(napi_env, Arguments arguments, const Self& self) {
  self->cancel(arguments.u32(0));
  return nullptr;
}

static napi_value close(napi_env, Arguments, const Self& self) {
  self->close();
  return nullptr;
}

static napi_value read_meter(napi_env, Arguments arguments, const Self& self) {
  self->read_meter(static_cast<uint16_t>(arguments.u32(0)), arguments[1]);
  return nullptr;
}

static napi_value queued_bytes(napi_env env, Arguments, const Self& self) {
  napi_value bytes = nullptr;
  napi_create_double(env, self->queued_bytes(), &bytes);
  return bytes;
}

static napi_value available(napi_env, Arguments arguments, const Self& self) {
  return arguments.number(static_cast<int32_t>(self->available()));
}

static napi_value fits(napi_env, Arguments arguments, const Self& self) {
  return arguments.boolean(self->fits(arguments.u32(0), arguments.f64(1)));
}

}  // namespace calls

napi_value ClientObject::create(napi_env env, const std::shared_ptr<Driver>& driver, Arguments arguments) {
  const auto self = std::make_shared<ClientObject>(driver);
  const pipeline::Options options = read_options(env, arguments[0]);
  self->max_value_ = options.max_value;
  self->connections_ = options.connections;
  self->keeps_alive_ = !read_flag(env, arguments[0], "isBackground");
  self->parameters_ = pin<uint32_t>(env, arguments[1], &self->parameters_reference_);
  self->records_ = pin<uint32_t>(env, arguments[2], &self->records_reference_);
  napi_create_reference(env, arguments[3], 1, &self->drain_);
  if (self->parameters_ == nullptr || self->records_ == nullptr) return nullptr;
  self->client_ = pipeline::Client::create(driver->base(), driver->threaded(), options, self->memory_, *self);
  driver->add(self);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  define<ClientObject, calls::submit, 1>(env, object, "submit", self);
  define<ClientObject, calls::submit_value, 2>(env, object, "submitValue", self);
  define<ClientObject, calls::submit_to, 2>(env, object, "submitTo", self);
  define<ClientObject, calls::submit_value_to, 2>(env, object, "submitValueTo", self);
  define<ClientObject, calls::check>(env, object, "check", self);
  define<ClientObject, calls::set_aside>(env, object, "setAside", self);
  define<ClientObject, calls::give_back>(env, object, "giveBack", self);
  define<ClientObject, calls::flush>(env, object, "flush", self);
  define<ClientObject, calls::take>(env, object, "take", self);
  define<ClientObject, calls::take_large>(env, object, "takeLarge", self);
  define<ClientObject, calls::set_slab>(env, object, "setSlab", self);
  define<ClientObject, calls::add_server, 6>(env, object, "addServer", self);
  define<ClientObject, calls::set_addresses>(env, object, "setAddresses", self);
  define<ClientObject, calls::retire_server>(env, object, "retireServer", self);
  define<ClientObject, calls::abandon_server>(env, object, "abandonServer", self);
  define<ClientObject, calls::decide_server>(env, object, "decideServer", self);
  define<ClientObject, calls::server_of>(env, object, "serverOf", self);
  define<ClientObject, calls::route_by>(env, object, "routeBy", self);
  define<ClientObject, calls::route_by_partitions>(env, object, "routeByPartitions", self);
  define<ClientObject, calls::continue_handshake>(env, object, "continueHandshake", self);
  define<ClientObject, calls::cancel>(env, object, "cancel", self);
  define<ClientObject, calls::close>(env, object, "close", self);
  define<ClientObject, calls::available>(env, object, "available", self);
  define<ClientObject, calls::read_meter>(env, object, "readMeter", self);
  define<ClientObject, calls::queued_bytes>(env, object, "queuedBytes", self);
  define<ClientObject, calls::fits>(env, object, "fits", self);
  return object;
}

}  // namespace evenkeel::addon
