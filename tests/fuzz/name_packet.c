// What a name server says of an address: a name that is safe to show, and a
// time for which it holds, or nothing.
//
// The input: 4 or 6, and then the packet.

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "fuzz.h"
#include "io/name_read.h"

#define NAME_MAX_ 1024 // of a name, each byte of which may take four to show
#define DAY_S     86400

static void check_packet(const struct asyncio__name_address *address,
                         const uint8_t *packet, size_t len)
{
    struct asyncio__answer *answer =
        asyncio__answer_in_packet(address, packet, (int)len);
    MUST(answer && answer->name && answer->count == 0);
    MUST(answer->keep_s >= 0 && answer->keep_s <= DAY_S);
    MUST(strlen(answer->name) <= NAME_MAX_);
    MUST(answer->status == 0 || !answer->name[0]);
    for (const char *at = answer->name; *at; at++)
        MUST(isgraph((unsigned char)*at));
    asyncio__answer_unref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct asyncio__name_address address = {.family = AF_INET};
    if (size == 0) return 0;
    if (data[0] == '6') address.family = AF_INET6;
    check_packet(&address, data + 1, size - 1);
    return 0;
}
