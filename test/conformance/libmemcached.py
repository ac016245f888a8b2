"""Does with libmemcached what JSON on stdin says, a list of jobs, and answers with a list on stdout.

[{"setup": "ketama_weighted", "servers": [["127.0.0.1", 11211, 1], ["/run/socket", 0, 1]], "do": "place", "keys": ["k"]}]

The setups are named as pylibmc names them. "place" answers with the index of each key's server, "set" stores each key
as its own value and answers with the errors, "get" answers with the values by key.
"""

import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

# The numbers of libmemcached-1.0/types/behavior.h and server_distribution.h.
KETAMA, DISTRIBUTION, KETAMA_WEIGHTED = 3, 9, 16
KETAMA_SPY = 4
SETUPS = {
    "modula": [],
    "ketama": [(KETAMA, 1)],
    "ketama_weighted": [(KETAMA_WEIGHTED, 1)],
    "ketama_spy": [(KETAMA_WEIGHTED, 1), (DISTRIBUTION, KETAMA_SPY)],
}

library = ctypes.CDLL("libmemcached.so.11")


def function(name, result, *arguments):
    found = getattr(library, name)
    found.restype, found.argtypes = result, arguments
    return found


create = function("memcached_create", c_void_p, c_void_p)
explain = function("memcached_strerror", c_char_p, c_void_p, c_int)
set_behavior = function("memcached_behavior_set", c_int, c_void_p, c_int, c_uint64)
add_server = function("memcached_server_add_with_weight", c_int, c_void_p, c_char_p, c_uint16, c_uint32)
add_socket = function("memcached_server_add_unix_socket_with_weight", c_int, c_void_p, c_char_p, c_uint32)
server_of = function("memcached_generate_hash", c_uint32, c_void_p, c_char_p, c_size_t)
store = function("memcached_set", c_int, c_void_p, c_char_p, c_size_t, c_char_p, c_size_t, c_long, c_uint32)
request = function("memcached_mget", c_int, c_void_p, POINTER(c_char_p), POINTER(c_size_t), c_size_t)
fetch = function(
    "memcached_fetch", c_void_p, c_void_p, c_char_p, POINTER(c_size_t), POINTER(c_size_t), POINTER(c_uint32), POINTER(c_int)
)
free = ctypes.CDLL(None).free
free.argtypes = [c_void_p]


def check(client, code):
    if code != 0:
        raise RuntimeError(explain(client, code).decode())


def connect(setup, servers):
    client = create(None)
    for behavior, value in SETUPS[setup]:
        check(client, set_behavior(client, behavior, value))
    for host, port, weight in servers:
        if host.startswith("/"):
            check(client, add_socket(client, host.encode(), weight))
        else:
            check(client, add_server(client, host.encode(), port, weight))
    return client


def place(client, keys):
    return [server_of(client, key, len(key)) for key in keys]


def set_all(client, keys):
    codes = [store(client, key, len(key), key, len(key), 0, 0) for key in keys]
    return [explain(client, code).decode() for code in codes if code != 0]


def get_all(client, keys):
    check(client, request(client, (c_char_p * len(keys))(*keys), (c_size_t * len(keys))(*map(len, keys)), len(keys)))
    values = {}
    key = ctypes.create_string_buffer(251)
    key_length, length, flags, error = c_size_t(), c_size_t(), c_uint32(), c_int()
    while value := fetch(client, key, byref(key_length), byref(length), byref(flags), byref(error)):
        values[key.raw[: key_length.value].decode()] = ctypes.string_at(value, length.value).decode()
        free(value)
    return values


def do(job):
    done = {"place": place, "set": set_all, "get": get_all}[job["do"]]
    return done(connect(job["setup"], job["servers"]), [key.encode() for key in job["keys"]])


print(json.dumps([do(job) for job in json.load(sys.stdin)]))
