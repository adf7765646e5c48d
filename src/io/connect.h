// From a host, or an address, to a descriptor that is connected to it.
#pragma once

#include "io/address.h"

struct asyncio__connect_options {
    const char *host; // NULL: this machine
    int port;
    const char *service;    // goes before `port`; or NULL
    int family;             // AF_UNSPEC, AF_INET, AF_INET6
    const char *local_host; // whence; NULL with a port of 0: wherever
    int local_port;
    double delay; // seconds between attempts; 0: 0.25; ASYNCIO_FOREVER: one
                  // after the other
};

// Looks the host up and connects a stream socket of the poller's to the first
// of its addresses that answers (RFC 8305): families take turns, the next
// attempt begins when the one before has failed or is slow, and those that lose
// are closed. Returns the descriptor, or a negative errno with words: that of
// the best address, if all failed.
int asyncio__connect(const struct asyncio__connect_options *options);

// Connects a new stream socket of the poller's to this one address.
int asyncio__connect_address(const struct asyncio__address *address);

// Connects a socket; on an error or a cancel it is good for nothing but to be
// closed.
int asyncio__connect_fd(int fd, const struct sockaddr *address, socklen_t len);
