// Names to addresses, on the loop, with a resolver that serves many lookups.
//
//     cc dns.c $(pkg-config --cflags --libs libasyncio-dns)

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include <asyncio.h>
#include <asyncio/dns.h>

static void print(const struct asyncio_addrinfo *address)
{
    const struct sockaddr_in *v4 = (const void *)address->addr;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    printf("%s port %d\n", text, ntohs(v4->sin_port));
}

static int look_up(struct asyncio_resolver *resolver, const char *host)
{
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo(host, "80", &list, .resolver = resolver,
                                  .family = AF_INET);
    if (err < 0) return err;
    for (struct asyncio_addrinfo *one = list; one; one = one->next)
        print(one);
    asyncio_freeaddrinfo(list);
    return 0;
}

// The other way round: the names of an address and of a port.
static int name_of(struct asyncio_resolver *resolver)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(80),
                                  .sin_addr.s_addr = htonl(0xc0000207)};
    char host[256], service[32];
    int err = asyncio_getnameinfo(
        (struct sockaddr *)&address, sizeof address, host, sizeof host, service,
        sizeof service, .resolver = resolver, .flags = NI_NUMERICHOST);
    if (err == 0) printf("%s is %s\n", host, service);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct asyncio_resolver *resolver;
    int err = asyncio_resolver_create(&resolver, .try_seconds = 1, .tries = 2);
    if (err < 0) return err;
    err = look_up(resolver, "localhost");
    if (err == 0) err = look_up(resolver, "192.0.2.7");
    if (err == 0) err = name_of(resolver);
    asyncio_resolver_free(resolver);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: 127.0.0.1 port 80
// expect: 192.0.2.7 port 80
// expect: 192.0.2.7 is http
