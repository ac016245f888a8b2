#include "pipeline/client.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

namespace evenkeel::pipeline {

namespace {

constexpr size_t kMostKey = 250;

// Of a request that is held.
class Unsaid final : public net::Payload {
 public:
  std::span<const std::byte> bytes() const override { return {}; }
  bool is_awaited() const override { return true; }
};

}  // namespace

int32_t refusal(wire::KeyFault fault) {
  switch (fault) {
    case wire::KeyFault::kNone:
      return 0;
    case wire::KeyFault::kEmpty:
      return layout::kRefusedKeyEmpty;
    case wire::KeyFault::kTooLong:
      return layout::kRefusedKeyTooLong;
    case wire::KeyFault::kForbiddenByte:
      return layout::kRefusedKeyForbiddenByte;
  }
  return layout::kRefusedKeyType;
}

Client::Client(base::EventBase& base, bool threaded, const Options& options, ClientListener& listener)
    : base_(base),
      threaded_(threaded),
      options_(options),
      listener_(listener),
      slots_(options.max_operations) {}

Client::~Client() = default;

std::shared_ptr<Client> Client::create(base::EventBase& base, bool threaded, const Options& options,
                                       Allocator& allocator, ClientListener& listener) {
  std::shared_ptr<Client> client(new Client(base, threaded, options, listener));
  client->run([client, &allocator] {
    client->pipeline_ =
        std::make_unique<Pipeline>(client->base_, client->options_, allocator, client->queued_, *client);
  });
  return client;
}

void Client::run(std::function<void()> task) {
  if (threaded_) {
    base_.post(std::move(task));
  } else {
    task();
  }
}

// Changes and batches go the same way, so that the other side knows a server before its first request.
void Client::change(Change change) {
  if (closed_) return;
  flush(Flush::kHold);  // what has been routed by what was so far
  if (!threaded_) {
    if (pipeline_ == nullptr) return;
    change(*pipeline_);
    pipeline_->write();
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    mailbox_.changes.push_back(std::move(change));
    if (std::exchange(mailbox_.posted, true)) return;
  }
  knock();
}

void Client::add_server(uint16_t id, const wire::Protocol& protocol, Steps steps, std::string host,
                        bool is_guess, bool is_open) {
  if (id >= protocols_.size()) {
    protocols_.resize(size_t{id} + 1);
    meters_.resize(size_t{id} + 1);
    holdings_.resize(size_t{id} + 1);
  }
  protocols_[id] = &protocol;
  meters_[id] = std::make_shared<Meter>();
  holdings_[id] = {.is_open = is_open};
  most_head_ = std::max(most_head_, protocol.most_head);
  ++servers_;
  if (id >= queued_by_server_.size()) queued_by_server_.resize(size_t{id} + 1);
  queued_by_server_[id] =
      std::make_unique<net::QueuedBytes>(&queued_);  // the one before has no server any more
  net::QueuedBytes& queued = *queued_by_server_[id];
  change([id, &protocol, &queued, steps = std::move(steps), host = std::move(host), meter = meters_[id],
          is_guess](Pipeline& pipeline) {
    pipeline.add_server(id, protocol, steps, host, queued, meter, is_guess);
  });
}

void Client::set_addresses(uint16_t id, std::vector<net::Address> addresses, uint32_t failures) {
  change([id, addresses = std::move(addresses), failures](Pipeline& pipeline) {
    pipeline.set_addresses(id, addresses, failures);
  });
}

void Client::retire_server(uint16_t id) {
  if (!is_wanted(id)) return;
  protocols_[id] = nullptr;
  --servers_;
  const auto is_of_it = [id](const Target& target) { return target.server == id; };
  if (std::any_of(targets_.begin(), targets_.end(), is_of_it)) targets_.clear();
  change([id](Pipeline& pipeline) { pipeline.retire_server(id); });
}

void Client::abandon_server(uint16_t id) { return_from(id, &Pipeline::abandon_server); }

void Client::decide_server(uint16_t id) {
  if (std::exchange(holdings_[id], {}).has_any) return_from(id, &Pipeline::return_unwritten);
}

void Client::return_from(uint16_t id, void (Pipeline::*end)(uint16_t)) {
  flush(Flush::kHold);
  wait_for_thread();  // a change overtakes what is handed over with it
  change([id, end](Pipeline& pipeline) { (pipeline.*end)(id); });
  wait_for_thread();
}

void Client::continue_handshake(uint16_t connection, uint32_t attempt, std::vector<std::byte> request) {
  if (closed_) return;
  run([self = shared_from_this(), connection, attempt, request = std::move(request)] {
    if (self->pipeline_ != nullptr) self->pipeline_->continue_handshake(connection, attempt, request);
  });
}

// Until the base's thread has done all it was told so far.
void Client::wait_for_thread() {
  if (!threaded_ || closed_) return;
  struct Arrival {
    std::mutex mutex;
    std::condition_variable changed;
    bool is_there = false;
  };
  const auto arrival = std::make_shared<Arrival>();
  // A base that ends drops its tasks, which is as good.
  std::shared_ptr<void> token(nullptr, [arrival](void*) {
    const std::lock_guard guard(arrival->mutex);
    arrival->is_there = true;
    arrival->changed.notify_one();
  });
  base_.post([token = std::move(token)] {});
  std::unique_lock guard(arrival->mutex);
  arrival->changed.wait(guard, [&arrival] { return arrival->is_there; });
}

bool Client::route_by(std::shared_ptr<const Topology> topology, const std::vector<uint16_t>& servers) {
  if (!std::all_of(servers.begin(), servers.end(), [this](uint16_t id) { return is_wanted(id); }))
    return false;
  topology_ = std::move(topology);
  targets_.clear();
  for (const uint16_t id : servers) targets_.push_back({id, protocols_[id], protocols_[id]->has_partitions});
  return true;
}

bool Client::route_by_partitions(std::shared_ptr<const Partitions> partitions,
                                 const std::vector<uint16_t>& servers) {
  if (!route_by(partitions, servers)) return false;
  const size_t before = std::exchange(partitions_, partitions->size());
  if (before != partitions_) numbering_ = static_cast<uint8_t>(numbering_ % UINT8_MAX + 1);
  change([partitions = std::move(partitions), servers, numbering = numbering_](Pipeline& pipeline) {
    pipeline.set_partitions(partitions, servers, numbering);
  });
  return true;
}

int32_t Client::server_of(std::span<const std::byte> key) const {
  return targets_.empty() ? -1 : targets_[topology_->route(key).server].server;
}

int32_t Client::check_key(const wire::Request& request, std::span<const std::byte> key) const {
  if (targets_.empty()) return layout::kRefusedNoServer;
  const Target& target = targets_[topology_->route(key).server];
  const wire::KeyFault fault = target.protocol->encoder.check_key(request, key).fault;
  const bool is_held = fault == wire::KeyFault::kForbiddenByte && holdings_[target.server].is_open;
  return is_held ? 0 : refusal(fault);
}

inline uint64_t Client::room() const {
  const uint64_t queued = queued_.now();
  return queued < options_.max_queued_bytes ? options_.max_queued_bytes - queued : 0;
}

// One server of several may hold as much as it leaves to the others (the dynamic threshold of Choudhury and
// Hahne for queues that share a memory): n servers that do not answer leave one part of n + 1 to those that
// do.
[[gnu::always_inline]] inline int32_t Client::room_for(const Call& call, uint16_t server) const {
  // What is handed in again has been accepted before, and those that came since may have taken its slot.
  if (call.deadline != 0 || call.accepted) [[unlikely]]
    return slots_.is_exhausted() ? layout::kRefusedBackpressure : 0;
  if (slots_.available() == 0) return layout::kRefusedBackpressure;
  const uint64_t bytes = room();
  if (bytes == 0) return layout::kRefusedQueuedBytes;
  if (servers_ < 2 || call.fits) return 0;
  const bool has_its_share =
      slots_.held_by(server) > slots_.available() || queued_by_server_[server]->now() > bytes;
  return has_its_share ? layout::kRefusedShare : 0;
}

// `connection`: which one of the server's.
[[gnu::always_inline]] inline int32_t Client::reserve(Call& call, uint16_t server, uint16_t connection,
                                                      std::span<const std::byte> key, bool encodes_key,
                                                      size_t value_capacity) {
  const int32_t refused = room_for(call, server);
  if (refused != 0) return refused;
  call_ = &call;
  call.request.encodes_key = encodes_key;
  key_ = key;
  server_ = server;
  connection_ = static_cast<uint16_t>(server * options_.connections + connection);
  prefix_size_ = encoder_->prefix_size(call.request, key, value_capacity);
  suffix_size_ = encoder_->suffix_size(call.request.op);
  batch_ = &staged_.batch_of(connection_);
  value_ = batch_->bytes.reserve(prefix_size_ + value_capacity + suffix_size_) + prefix_size_;
  return 0;
}

// Of the server's. One key always takes one connection, so its operations stay in order.
inline uint16_t Client::connection_of(const Route& route) const {
  return static_cast<uint16_t>(options_.connections > 1 ? route.hash % options_.connections : 0);
}

inline base::Millis Client::deadline_of(const Call& call) {
  return call.deadline != 0 ? call.deadline : base::coarse_now() + base::kCoarseSlack + call.timeout;
}

inline Route Client::route_of(const wire::Request& request, std::span<const std::byte> key) const {
  if (request.replica != 0) [[unlikely]]
    return topology_->route_to_replica(key, request.replica);
  return topology_->route(key);
}

int32_t Client::begin(Call& call, std::span<const std::byte> key, size_t value_capacity) {
  if (closed_) return layout::kRefusedClosed;
  if (targets_.empty()) return layout::kRefusedNoServer;
  const Route route = route_of(call.request, key);
  if (route.server == kNoServer) return layout::kRefusedNoCopy;
  const Target& target = targets_[route.server];
  encoder_ = &target.protocol->encoder;
  const wire::KeyCheck check = encoder_->check_key(call.request, key);
  if (check.fault != wire::KeyFault::kNone) return refusal(check.fault);
  if (!target.protocol->can_say(call.request)) return layout::kRefusedOperation;
  call.request.partition = route.partition;
  moves_ = target.moves && call.request.replica == 0;
  return reserve(call, target.server, connection_of(route), key, check.needs_encoding, value_capacity);
}

int32_t Client::begin_at(uint16_t server, Call& call, std::span<const std::byte> argument,
                         size_t value_capacity) {
  if (closed_) return layout::kRefusedClosed;
  if (!is_wanted(server)) return layout::kRefusedNoServer;
  encoder_ = &protocols_[server]->encoder;
  if (!protocols_[server]->can_say(call.request)) return layout::kRefusedOperation;
  moves_ = false;
  const wire::KeyFault fault = encoder_->check_argument(argument);
  if (fault != wire::KeyFault::kNone) return refusal(fault);
  return reserve(call, server, 0, argument, false, value_capacity);
}

int32_t Client::hold(int32_t refused, const Call& call, std::span<const std::byte> key, size_t value_length) {
  if (refused != layout::kRefusedOperation && refused != layout::kRefusedKeyForbiddenByte) return refused;
  const Route route = topology_->route(key);
  const uint16_t server = targets_[route.server].server;
  if (!holdings_[server].is_open && !call.waits) return refused;
  const int32_t full = room_for(call, server);
  if (full != 0) return full;
  holdings_[server].has_any = true;
  const auto connection = static_cast<uint16_t>(server * options_.connections + connection_of(route));
  const uint32_t opaque = slots_.acquire(server);
  const size_t length = key.size() + value_length;
  queued_by_server_[server]->add(length);
  staged_.add(connection, staged_.batch_of(connection),
              {.deadline = deadline_of(call),
               .opaque = opaque,
               .inline_length = 0,
               .started = call.started,
               .op = static_cast<uint8_t>(call.request.op),
               .discards_value = call.request.discards_value},
              std::make_unique<Unsaid>(), length);
  return static_cast<int32_t>(opaque & ((1u << layout::kSlotBits) - 1));
}

int32_t Client::set_aside(const Call& call, size_t bytes) {
  if (!call.accepted && slots_.available() == 0) return layout::kRefusedBackpressure;
  if (!call.accepted && room() == 0) return layout::kRefusedQueuedBytes;
  slots_.set_aside();
  queued_.add(bytes);
  return 0;
}

void Client::give_back(size_t bytes) {
  slots_.give_back();
  queued_.remove(bytes);
}

uint32_t Client::commit(size_t value_length, std::unique_ptr<net::Payload> payload) {
  const size_t payload_length = payload->bytes().size();
  return commit_with(value_length, std::move(payload), payload_length);
}

uint32_t Client::commit(size_t value_length) { return commit_with(value_length, nullptr, 0); }

[[gnu::always_inline]] inline uint32_t Client::commit_with(size_t value_length,
                                                           std::unique_ptr<net::Payload> payload,
                                                           size_t payload_length) {
  wire::Request& request = call_->request;
  const size_t inline_length = prefix_size_ + value_length + suffix_size_;
  const uint32_t opaque = slots_.acquire(server_);
  request.opaque = opaque;
  encoder_->encode(request, key_, value_length + payload_length, {value_ - prefix_size_, prefix_size_},
                   {value_ + value_length, suffix_size_});
  batch_->bytes.grow(inline_length);
  queued_by_server_[server_]->add(inline_length + payload_length);
  staged_.add(connection_, *batch_,
              {.deadline = deadline_of(*call_),
               .opaque = opaque,
               .inline_length = static_cast<uint32_t>(inline_length),
               .started = call_->started,
               .op = static_cast<uint8_t>(request.op),
               .suffix_length = static_cast<uint8_t>(suffix_size_),
               .discards_value = request.discards_value,
               .numbering = moves_ ? numbering_ : uint8_t{0},
               .partition = request.partition},
              std::move(payload), payload_length);
  return opaque & ((1u << layout::kSlotBits) - 1);
}

void Client::flush(Flush how) {
  if (staged_.empty() && how != Flush::kAll) return;
  if (!threaded_) {
    if (pipeline_ == nullptr) return;
    pipeline_->submit(staged_, how);
    if (how != Flush::kHold) pipeline_->write();
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    if (how == Flush::kAll) {
      mailbox_.ready.append(mailbox_.held);
      mailbox_.releases = true;
    }
    (how == Flush::kHold ? mailbox_.held : mailbox_.ready).append(staged_);
    if (std::exchange(mailbox_.posted, true)) return;
  }
  knock();
}

void Client::knock() {
  base_.post([self = shared_from_this()] { self->read_mailbox(); });
}

void Client::read_mailbox() {
  {
    const std::lock_guard guard(mutex_);
    std::swap(mailbox_, delivery_);
  }
  if (pipeline_ != nullptr) {
    for (const Change& each : delivery_.changes) each(*pipeline_);
    pipeline_->submit(delivery_.ready, delivery_.releases ? Flush::kAll : Flush::kStaged);
    pipeline_->submit(delivery_.held, Flush::kHold);
    // What was given up before it could leave must not leave now.
    for (const uint32_t opaque : delivery_.cancels) pipeline_->cancel(opaque);
    pipeline_->write();
  }
  delivery_.changes.clear();
  delivery_.cancels.clear();
  delivery_.releases = delivery_.posted = false;
}

void Client::cancel(uint32_t slot) {
  if (!slots_.is_active(slot)) return;
  slots_.settle(slot);
  const uint32_t opaque = slots_.opaque(slot);
  flush(Flush::kHold);  // the operation itself may still be staged
  if (!threaded_) {
    if (pipeline_ != nullptr) pipeline_->cancel(opaque);
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    mailbox_.cancels.push_back(opaque);
    if (std::exchange(mailbox_.posted, true)) return;
  }
  knock();
}

void Client::close() {
  if (closed_) return;
  flush(Flush::kHold);
  closed_ = true;
  run([self = shared_from_this()] {
    if (self->pipeline_ == nullptr) return;
    self->pipeline_->close();
    self->pipeline_.reset();
    self->delivery_.ready.forget();
    self->delivery_.held.forget();
    CompletionBatch ended;
    Completion& last = ended.records.emplace_back();
    last.slot = layout::kControlSlot;
    last.outcome = layout::kOutcomeEnded;
    self->on_completions(ended);
  });
}

uint32_t Client::available() const {
  const uint64_t most = most_head_ + kMostKey;
  const uint64_t by_bytes = (room() + most - 1) / most;
  return static_cast<uint32_t>(std::min<uint64_t>(slots_.available(), by_bytes));
}

bool Client::fits(uint32_t operations, uint64_t bytes) const {
  return operations <= slots_.available() && bytes <= room();
}

void Client::read_meter(uint16_t id, std::span<double> words) const {
  if (id < meters_.size() && meters_[id] != nullptr) meters_[id]->read_into(words);
}

void Client::drop_memory() {
  staged_.forget();
  base::BulkVector<Completion>().swap(inbox_.records);
  inbox_.values = base::ByteBuffer();
  next_record_ = next_value_ = 0;
  const auto guard = lock();
  mailbox_.ready.forget();
  mailbox_.held.forget();
  outbox_ = CompletionBatch();
}

void Client::tear_down() {
  closed_ = true;
  if (pipeline_ != nullptr) {
    pipeline_->close();
    pipeline_.reset();
  }
}

}  // namespace evenkeel::pipeline
