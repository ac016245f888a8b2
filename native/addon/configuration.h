// Conversion of a client's configuration from JavaScript: options, handshakes, addresses, and the placement
// of keys. lib/ has checked all of it.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "addon/functions.h"
#include "net/address.h"
#include "pipeline/handshake.h"
#include "pipeline/options.h"
#include "pipeline/partitions.h"
#include "pipeline/topology.h"
#include "wire/protocol.h"

namespace evenkeel::addon {

// Reads at most 255 bytes.
std::string read_text(napi_env env, napi_value value);

bool read_flag(napi_env env, napi_value object, const char* name);

pipeline::Options read_options(napi_env env, napi_value given);

// `number` is a layout::kProtocol… constant.
const wire::Protocol& protocol_of(uint32_t number);

// Of a Uint8Array; none of anything else.
std::vector<std::byte> read_bytes(napi_env env, napi_value array);

pipeline::Steps read_steps(napi_env env, napi_value list);

// Each entry is [host, port], with a numeric address, or [path].
std::vector<net::Address> read_addresses(napi_env env, napi_value list);

struct Routes {
  std::vector<uint16_t> servers;
  std::shared_ptr<const pipeline::Topology> topology;  // null: the arguments are not a valid topology
};

// Reads the arguments of routeBy(); `connections` is the number of connections to each server.
Routes read_routes(napi_env env, Arguments arguments, uint16_t connections);
// Those of routeByPartitions(): the servers' ids, an Int16Array of owners, and how many of them a partition
// has.
struct Partitioning {
  std::vector<uint16_t> servers;
  std::shared_ptr<const pipeline::Partitions> partitions;  // null: the arguments make none
};
Partitioning read_partitions(napi_env env, Arguments arguments);

}  // namespace evenkeel::addon
