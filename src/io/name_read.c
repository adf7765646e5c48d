// What c-ares hands over, made into answers.
//
// Of a name's addresses it has read the packet itself. Of an address's name it
// hands over the packet: c-ares reads the name in it, and we for how long it
// holds.

#include "io/name_read.h"

#include <ares.h>
#include <netdb.h>
#include <string.h>

#define NEGATIVE_S 5.0
#define KEEP_MAX_S 86400.0

static double within(double seconds)
{
    if (!(seconds > 0)) return 0;
    return seconds < KEEP_MAX_S ? seconds : KEEP_MAX_S;
}

static bool is_negative(int status)
{
    return status == ARES_ENODATA || status == ARES_ENOTFOUND ||
           status == ARES_ENONAME || status == ARES_EBADNAME;
}

struct asyncio__answer *asyncio__answer_without(int status)
{
    struct asyncio__answer *answer = asyncio__answer_make(0, NULL);
    if (!answer) return NULL;
    answer->status = status;
    answer->keep_s = is_negative(status) ? NEGATIVE_S : 0;
    return answer;
}

static void add_node(struct asyncio__answer *answer,
                     const struct ares_addrinfo_node *node)
{
    struct asyncio__name_address address = {.family = node->ai_family};
    if (node->ai_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, node->ai_addr, sizeof v4);
        address.v4 = v4.sin_addr;
    } else if (node->ai_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, node->ai_addr, sizeof v6);
        address.v6 = v6.sin6_addr;
        address.scope = v6.sin6_scope_id;
    } else {
        return;
    }
    asyncio__answer_add(answer, &address);
}

// It holds as long as each record on the way to the addresses does.
struct asyncio__answer *asyncio__answer_of(const struct ares_addrinfo *found)
{
    const char *name = found->name;
    double keep_s = KEEP_MAX_S;
    size_t count = 0;
    const struct ares_addrinfo_cname *cname = found->cnames;
    for (; cname; cname = cname->next) {
        if (cname->name) name = cname->name;
        if (cname->ttl < keep_s) keep_s = cname->ttl;
    }
    const struct ares_addrinfo_node *node = found->nodes;
    for (; node; node = node->ai_next) {
        if (node->ai_ttl < keep_s) keep_s = node->ai_ttl;
        count++;
    }
    if (count == 0) return asyncio__answer_without(ARES_ENODATA);
    struct asyncio__answer *answer = asyncio__answer_make(count, name);
    if (!answer) return NULL;
    answer->keep_s = within(keep_s);
    for (node = found->nodes; node; node = node->ai_next)
        add_node(answer, node);
    return answer;
}

// ---- Packets ----------------------------------------------------------------

// What follows the name at `at`; NULL: it is none, or leads out of the packet.
static const unsigned char *behind_name(const unsigned char *at,
                                        const unsigned char *packet, int len)
{
    char *name;
    long used;
    if (ares_expand_name(at, packet, len, &name, &used) != ARES_SUCCESS)
        return NULL;
    ares_free_string(name);
    return at + used;
}

static double life_at(const unsigned char *at)
{
    uint32_t life_s = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
                      (uint32_t)at[2] << 8 | at[3];
    return life_s > INT32_MAX ? 0 : life_s; // RFC 2181, 8
}

// The shortest time to live of the records that answer; 0 if they cannot be
// read.
static double shortest_life(const unsigned char *packet, int len)
{
    double shortest = KEEP_MAX_S;
    if (len < 12) return 0;
    const unsigned char *end = packet + len;
    const unsigned char *at = behind_name(packet + 12, packet, len);
    if (!at || end - at < 4) return 0;
    at += 4; // type and class of the question
    for (int records = packet[6] << 8 | packet[7]; records > 0; records--) {
        at = behind_name(at, packet, len);
        if (!at || end - at < 10) return 0;
        double life_s = life_at(at + 4);
        int size = at[8] << 8 | at[9];
        at += 10;
        if (end - at < size) return 0;
        at += size;
        if (life_s < shortest) shortest = life_s;
    }
    return shortest;
}

struct asyncio__answer *
asyncio__answer_in_packet(const struct asyncio__name_address *address,
                          const unsigned char *packet, int len)
{
    struct hostent *host = NULL;
    int size = address->family == AF_INET ? (int)sizeof address->v4
                                          : (int)sizeof address->v6;
    int status = ares_parse_ptr_reply(packet, len, &address->v4, size,
                                      address->family, &host);
    if (status != ARES_SUCCESS) return asyncio__answer_without(status);
    struct asyncio__answer *answer = asyncio__answer_make(0, host->h_name);
    ares_free_hostent(host);
    if (answer) answer->keep_s = within(shortest_life(packet, len));
    return answer;
}
