// Descriptors that travel in messages: the file that they stand for is held by
// the message, and gets a new number where it arrives.

#include "platform/sim.h"

#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

static size_t count_of(const struct cmsghdr *header)
{
    return (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static bool has_rights(const struct cmsghdr *header)
{
    return header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS;
}

static int hold(struct asyncio_simulator *world, const struct cmsghdr *header,
                struct sim_file **files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        files[i] = asyncio__sim_file(world, fd);
        if (!files[i]) return -EBADF;
    }
    for (size_t i = 0; i < count; i++) {
        files[i]->references++;
        files[i]->descriptors++; // it stays open on its way
    }
    return 0;
}

int asyncio__sim_take_rights(struct asyncio_simulator *world,
                             const struct sim_bytes *bytes,
                             struct sim_file ***files, size_t *count)
{
    *files = NULL;
    *count = 0;
    if (!bytes->message || bytes->message->msg_controllen == 0) return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(bytes->message);
    if (!header || !has_rights(header)) return 0;

    size_t n = count_of(header);
    struct sim_file **held = asyncio__sim_alloc(n * sizeof(struct sim_file *));
    if (!held) return -ENOMEM;
    int err = hold(world, header, held, n);
    if (err < 0) {
        asyncio__free(held);
        return err;
    }
    *files = held;
    *count = n;
    return 0;
}

// Those for which there is no room, or no descriptor, are closed.
void asyncio__sim_give_rights(struct asyncio_simulator *world,
                              const struct sim_bytes *bytes,
                              struct sim_file **files, size_t count)
{
    struct msghdr *message = bytes->message;
    struct cmsghdr *header = message ? CMSG_FIRSTHDR(message) : NULL;
    size_t room = 0, given = 0;
    if (header) room = (message->msg_controllen - CMSG_LEN(0)) / sizeof(int);
    for (; given < count && given < room; given++) {
        int fd = asyncio__sim_install(world, files[given]);
        if (fd < 0) break;
        memcpy(CMSG_DATA(header) + given * sizeof fd, &fd, sizeof fd);
    }
    if (given > 0) {
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(given * sizeof(int));
        size_t space = CMSG_SPACE(given * sizeof(int));
        if (space < message->msg_controllen) message->msg_controllen = space;
    } else if (message) {
        message->msg_controllen = 0;
    }
    if (message && given < count) message->msg_flags |= MSG_CTRUNC;
    asyncio__sim_drop_rights(world, files, count);
}

void asyncio__sim_drop_rights(struct asyncio_simulator *world,
                              struct sim_file **files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (--files[i]->descriptors == 0)
            files[i]->kind->closed(world, files[i]);
        asyncio__sim_file_unref(world, files[i]);
    }
    asyncio__free(files);
}
