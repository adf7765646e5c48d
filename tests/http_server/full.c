// The listener that nobody gets through to.

#include "http_server/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int full_listener_open(struct full_listener *full)
{
    memset(full, -1, sizeof *full);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;
    full->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (full->listener < 0 || bind(full->listener, (void *)&address, len) < 0 ||
        listen(full->listener, 0) < 0 ||
        getsockname(full->listener, (void *)&address, &len) < 0)
        return -errno;
    full->port = ntohs(address.sin_port);
    // The first one or two fill the queue, the others never get an answer.
    for (size_t i = 0; i < sizeof full->fillers / sizeof *full->fillers; i++) {
        full->fillers[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (full->fillers[i] < 0) return -errno;
        if (connect(full->fillers[i], (void *)&address, len) < 0 &&
            errno != EINPROGRESS)
            return -errno;
    }
    return 0;
}

void full_listener_close(struct full_listener *full)
{
    close(full->listener);
    for (size_t i = 0; i < sizeof full->fillers / sizeof *full->fillers; i++)
        close(full->fillers[i]);
}
