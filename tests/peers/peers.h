// The programs of ours that talk to programs of others: peer COMMAND [WORD...].
//
// A server prints its port and serves until SIGTERM; then it lets its clients
// end, and prints what it has counted.
#pragma once

#include <asyncio.h>

// Serves clients with `on_client` on a port of 127.0.0.1 that is free.
int peer_serve(asyncio_client_fn *on_client);

// Both ends of the protocol of Redis.
int peer_redis_server(char **words);
int peer_redis_client(char **words);

// TLS on both ends; there only where libasyncio-tls is.
int peer_tls_echo(char **words);
int peer_tls_page(char **words);
int peer_tls_ask(char **words);

// Names, asked by libasyncio-dns; there only where that is. The clock has to be
// chosen before a loop is made.
void peer_names_clock(void);
int peer_names(char **words);
