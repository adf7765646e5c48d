// A name server that does what the first label of a name says, truthful or not,
// by UDP and by TCP, on a thread. Answers are for IPv4 unless said otherwise.
//
//     ok.test            192.0.2.1, for a minute
//     ttl7.test          for 7 seconds
//     here both          127.0.0.1; 127.0.0.2 first, and then that
//     none empty fail refused dead    what they say; dead says nothing
//     slow               nothing, until name_peer_release
//     chain              three names on, each for 30 seconds
//     ring               a name that is its own other name
//     six                2001:db8::1, and no IPv4 address
//     wrongid wrongname  a lie first (192.0.2.66), then the truth
//     onlylies           lies alone
//     foreign            an address, of another name
//     many               300 addresses: cut short by UDP
//     hangup nonsense    cut short by UDP; TCP ends, or brings nonsense
//     bytewise           cut short by UDP; TCP brings single bytes
//     noise              nonsense at once, by UDP
//     7.2.0.192          "host.test" for 7 seconds; 9.2.0.192 does not exist,
//                        10.2.0.192 is behind another name, and 66.2.0.192 has
//                        a name that is none
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#define NAME_PEER_CLIENTS 8

struct name_peer {
    int udp, tcp, clients[NAME_PEER_CLIENTS];
    unsigned port;
    char address[32]; // "127.0.0.1:53053"
    atomic_uint last; // of its addresses: 192.0.2.last
    pthread_t thread;
    atomic_int queries; // for an IPv4 address or for a name
    atomic_int connections;
    atomic_int released, stopping;
    struct name_peer_query *slow;
};

// On `host`, "127.0.0.1"; a port of 0 is a free one. Returns 0 or a code.
int name_peer_start(struct name_peer *peer, const char *host, unsigned port);
void name_peer_stop(struct name_peer *peer);

// From now on slow names are answered, and the last one is now.
void name_peer_release(struct name_peer *peer);
