// One download, start to end, by a call that blocks: libcurl's easy interface.
//
// Safe from any number of threads at a time; each call has a connection of its
// own.
#pragma once

#include "failure.h"

// Fetches `url` (http or https; redirects are followed) into the file `path`,
// which appears when it is complete. `seconds` is the limit for all of it, from
// the name's resolution to the last byte.
//
// returns  0, or a negative errno with the sentence in `why` (NULL: not asked):
//          -EINVAL        not an http or https address
//          -ENOENT        no such host
//          -ECONNREFUSED  nobody listens there; or what connect said
//          -ETIMEDOUT     not complete within `seconds`
//          -EPROTO        a status that is not 2xx, or no sound HTTP
//          -ECONNRESET    the connection broke in the middle
//          -ELOOP         too many redirects
//          or what the file system said, as -ENOSPC, -EACCES
int blocking_download(const char *url, const char *path, double seconds,
                      struct failure *why);
