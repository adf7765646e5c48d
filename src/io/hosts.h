// The hosts file: names that are known without asking.
#pragma once

#include "io/name_answer.h"

struct asyncio__hosts;

// Reads a hosts file; one that is not there has no names. Returns 0, -ENOMEM,
// or why the file could not be read.
int asyncio__hosts_read(struct asyncio__hosts **hosts, const char *path);

// The same from `text`, which is taken over, and freed also on an error.
int asyncio__hosts_parse(struct asyncio__hosts **hosts, char *text, size_t len);
void asyncio__hosts_free(struct asyncio__hosts *hosts); // accepts NULL

// All addresses of a name, of one family or both, with the name that stands
// first in the line of the first of them. Returns 0, -ENOENT or -ENOMEM.
int asyncio__hosts_find(const struct asyncio__hosts *hosts, const char *name,
                        int family, struct asyncio__answer **answer);

// The name that stands first in the first line of an address. The same.
int asyncio__hosts_find_address(const struct asyncio__hosts *hosts,
                                const struct asyncio__name_address *address,
                                struct asyncio__answer **answer);
