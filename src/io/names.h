// Names that only libc can look up, because nobody has set a resolver.
#pragma once

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio/base.h>

// getaddrinfo on a thread of the loop's. Returns 0 and a list for freeaddrinfo,
// or a negative errno with words; -ECANCELED at once, and the answer is dropped
// when it comes. Closing the loop does not wait for it either.
ASYNCIO_API int asyncio__ask_libc(const char *host, const char *service,
                                  const struct addrinfo *hints,
                                  struct addrinfo **answer);

// The code, with words, for one of getaddrinfo's.
int asyncio__explain_gai(int code, const char *host, const char *service);

// True for the number of a service that is no port: getaddrinfo would take the
// lower half of it.
static inline bool asyncio__is_no_port(const char *service)
{
    if (!service || !*service) return false;
    if (service[strspn(service, "0123456789")] != '\0') return false;
    return strtoul(service, NULL, 10) > 65535;
}
