#include "addon/configuration.h"

#include <array>
#include <utility>

#include "addon/tls_object.h"
#include "pipeline/layout.h"
#include "pipeline/partitions.h"
#include "wire/couchbase/couchbase.h"
#include "wire/memcache/binary.h"
#include "wire/memcache_meta/decoder.h"
#include "wire/memcache_meta/meta.h"

namespace evenkeel::addon {

namespace {

// Of a typed array; none of anything else.
template <typename T>
std::vector<T> elements(napi_env env, napi_value array) {
  void* data = nullptr;
  size_t count = 0;
  if (napi_get_typedarray_info(env, array, nullptr, &count, &data, nullptr, nullptr) != napi_ok) return {};
  const T* const first = static_cast<const T*>(data);
  return {first, first + count};
}

// Calls visit(element) for each of an array's.
template <typename Visit>
void for_each(napi_env env, napi_value array, Visit visit) {
  uint32_t count = 0;
  napi_get_array_length(env, array, &count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element = nullptr;
    napi_get_element(env, array, i, &element);
    visit(element);
  }
}

uint32_t number_property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  uint32_t number = 0;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_uint32(env, value, &number);
  return number;
}

uint64_t large_number_property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  int64_t number = 0;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_int64(env, value, &number);
  return static_cast<uint64_t>(number);
}

}  // namespace

bool read_flag(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  bool flag = false;
  napi_get_named_property(env, object, name, &value);
  napi_get_value_bool(env, value, &flag);
  return flag;
}

std::string read_text(napi_env env, napi_value value) {
  char buffer[256] = "";
  size_t length = 0;
  napi_get_value_string_utf8(env, value, buffer, sizeof buffer, &length);
  return {buffer, length};
}

std::vector<std::byte> read_bytes(napi_env env, napi_value array) { return elements<std::byte>(env, array); }

pipeline::Options read_options(napi_env env, napi_value given) {
  napi_value tls = nullptr;
  napi_get_named_property(env, given, "tls", &tls);
  return {
      .connect_timeout = number_property(env, given, "connectTimeout"),
      .backoff_min = number_property(env, given, "backoffMin"),
      .backoff_max = number_property(env, given, "backoffMax"),
      .silence_limit = number_property(env, given, "silenceLimit"),
      .offline = static_cast<pipeline::Offline>(number_property(env, given, "offline")),
      .tls = tls_context_of(env, tls),
      .connections = static_cast<uint16_t>(number_property(env, given, "connections")),
      .max_written = number_property(env, given, "maxWritten"),
      .max_operations = number_property(env, given, "maxOperations"),
      .max_queued_bytes = large_number_property(env, given, "maxQueuedBytes"),
      .slow = number_property(env, given, "slow"),
      .max_value = number_property(env, given, "maxValue"),
  };
}

const wire::Protocol& protocol_of(uint32_t number) {
  static constexpr std::array kProtocols{&wire::memcache::kBinary, &wire::memcache_meta::kMeta,
                                         &wire::couchbase::kCouchbase, &wire::couchbase::kClassic};
  static_assert(layout::kProtocolMemcacheMeta == 1 && layout::kProtocolCouchbase == 2 &&
                layout::kProtocolCouchbaseClassic == 3);
  static_assert(layout::kDecimalCounter == wire::kDecimalCounter);
  static_assert(layout::kMarkClaimWon == wire::kClaimWon && layout::kMarkClaimTaken == wire::kClaimIsTaken);
  static_assert(layout::kMarkStale == wire::kIsStale && layout::kMarkRead == wire::kWasRead);
  static_assert(layout::kNeverExpires == wire::kNeverExpires);
  static_assert(layout::kHandshakeOpaque == wire::kHandshakeOpaque);
  static_assert(layout::kMetaAnswerNoOp == wire::memcache_meta::kAnswerNoOp);
  static_assert(layout::kMetaAnswerVersion == wire::memcache_meta::kAnswerVersion);
  static_assert(layout::kMetaAnswerStored == wire::memcache_meta::kAnswerStored);
  return *kProtocols[number];
}

pipeline::Steps read_steps(napi_env env, napi_value list) {
  std::vector<pipeline::Step> steps;
  for_each(env, list, [env, &steps](napi_value given) {
    napi_value request = nullptr;
    napi_value features = nullptr;
    napi_get_named_property(env, given, "request", &request);
    napi_get_named_property(env, given, "features", &features);
    steps.push_back({.request = elements<std::byte>(env, request),
                     .code = static_cast<uint8_t>(number_property(env, given, "code")),
                     .tolerated = static_cast<uint16_t>(number_property(env, given, "tolerated")),
                     .skips = static_cast<uint8_t>(number_property(env, given, "skips")),
                     .waits = read_flag(env, given, "waits"),
                     .asks = read_flag(env, given, "asks"),
                     .is_optional = read_flag(env, given, "isOptional"),
                     .tells = read_flag(env, given, "tells"),
                     .authenticates = read_flag(env, given, "authenticates"),
                     .tells_version = read_flag(env, given, "tellsVersion"),
                     .oldest_version = number_property(env, given, "oldestVersion"),
                     .features = elements<uint16_t>(env, features)});
  });
  return std::make_shared<const std::vector<pipeline::Step>>(std::move(steps));
}

std::vector<net::Address> read_addresses(napi_env env, napi_value list) {
  std::vector<net::Address> addresses;
  for_each(env, list, [env, &addresses](napi_value entry) {
    napi_value host = nullptr;
    napi_value port = nullptr;
    uint32_t port_number = 0;
    napi_get_element(env, entry, 0, &host);
    napi_get_element(env, entry, 1, &port);
    const bool has_port = napi_get_value_uint32(env, port, &port_number) == napi_ok;
    const auto address = has_port ? net::Address::ip(read_text(env, host), static_cast<uint16_t>(port_number))
                                  : net::Address::unix_path(read_text(env, host));
    if (address.has_value()) addresses.push_back(*address);
  });
  return addresses;
}

Partitioning read_partitions(napi_env env, Arguments arguments) {
  auto servers = elements<uint16_t>(env, arguments[0]);
  auto owners = elements<int16_t>(env, arguments[1]);
  auto partitions = pipeline::Partitions::make(std::move(owners), arguments.u32(2), servers.size());
  return {.servers = std::move(servers), .partitions = std::move(partitions)};
}

Routes read_routes(napi_env env, Arguments arguments, uint16_t connections) {
  auto servers = elements<uint16_t>(env, arguments[0]);
  const auto hash = static_cast<pipeline::KeyHash>(arguments.u32(1));
  const auto points = elements<uint32_t>(env, arguments[2]);
  const auto owners = elements<uint16_t>(env, arguments[3]);
  std::shared_ptr<const pipeline::Topology> topology;
  if (!points.empty()) {
    topology = pipeline::Ring::make(hash, points, owners, servers.size());
  } else if (servers.size() == 1 && connections == 1) {
    topology = std::make_shared<const pipeline::Single>();
  } else {
    topology = pipeline::Modulo::make(hash, servers.size());
  }
  return {.servers = std::move(servers), .topology = std::move(topology)};
}

}  // namespace evenkeel::addon
