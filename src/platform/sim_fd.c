// The descriptors of a world: numbers from ASYNCIO__SIM_FD on, the lowest free
// one first, as the kernel gives them out.
//
//     files[fd - ASYNCIO__SIM_FD] --> file <-- requests, rights under way
//
// A file is closed when its last descriptor is, and what waits for it then ends
// with -EBADF; its memory stays until nobody refers to it.

#include "platform/sim.h"

#include <fcntl.h>

#include "platform/sys.h"

#define FIRST_PLACES 16

void *asyncio__sim_file_new(struct asyncio_simulator *world,
                            const struct sim_kind *kind, size_t size, int flags)
{
    struct sim_file *file = asyncio__sim_alloc(size);
    if (!file) return NULL;
    file->kind = kind;
    file->references = 1;
    file->number = ++world->file_count;
    file->flags = flags;
    return file;
}

void asyncio__sim_file_unref(struct asyncio_simulator *world,
                             struct sim_file *file)
{
    if (--file->references > 0) return;
    if (list_linked(&file->poked)) list_remove(&file->poked);
    if (file->kind->freed) file->kind->freed(world, file);
    asyncio__free(file);
}

struct sim_file *asyncio__sim_file(const struct asyncio_simulator *world,
                                   int fd)
{
    size_t place = (size_t)(fd - ASYNCIO__SIM_FD);
    if (fd < ASYNCIO__SIM_FD || place >= world->files_size) return NULL;
    return world->files[place];
}

static bool grow(struct asyncio_simulator *world)
{
    size_t size = world->files_size ? 2 * world->files_size : FIRST_PLACES;
    struct sim_file **files = asyncio__sim_grow(
        world->files, world->files_size * sizeof *files, size * sizeof *files);
    if (!files) return false;
    world->files = files;
    world->files_size = size;
    return true;
}

int asyncio__sim_install(struct asyncio_simulator *world, struct sim_file *file)
{
    size_t place = 0;
    if (world->files_open >= world->files_max) return -EMFILE;
    while (place < world->files_size && world->files[place])
        place++;
    if (place == world->files_size && !grow(world)) return -ENOMEM;

    world->files[place] = file;
    world->files_open++;
    file->descriptors++;
    file->references++;
    int fd = ASYNCIO__SIM_FD + (int)place;
    asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)fd, 0, file->kind->name);
    return fd;
}

int asyncio__sim_remove(struct asyncio_simulator *world, int fd)
{
    struct sim_file *file = asyncio__sim_file(world, fd);
    if (!file) return -EBADF;

    asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)fd);
    world->files[fd - ASYNCIO__SIM_FD] = NULL;
    world->files_open--;
    if (--file->descriptors == 0) {
        asyncio__sim_refuse(world, file, -EBADF);
        file->kind->closed(world, file);
    }
    asyncio__sim_file_unref(world, file);
    return 0;
}

int asyncio__sim_hand_out(struct asyncio_simulator *world,
                          struct sim_file *file)
{
    int fd = asyncio__sim_install(world, file);
    if (fd < 0) file->kind->closed(world, file);
    asyncio__sim_file_unref(world, file);
    return fd;
}

static void give_up(struct asyncio_simulator *world, struct sim_file *file)
{
    if (!file) return;
    file->kind->closed(world, file);
    asyncio__sim_file_unref(world, file);
}

int asyncio__sim_hand_out_pair(struct asyncio_simulator *world,
                               struct sim_connection *connection,
                               struct sim_file *first, struct sim_file *second,
                               int fds[2])
{
    if (!first || !second) {
        // The end that was not made holds it no more.
        connection->holders -= (first ? 0u : 1u) + (second ? 0u : 1u);
        if (connection->holders == 0) asyncio__free(connection);
        give_up(world, first ? first : second);
        return -ENOMEM;
    }
    fds[0] = asyncio__sim_hand_out(world, first);
    if (fds[0] < 0) {
        give_up(world, second);
        return fds[0];
    }
    fds[1] = asyncio__sim_hand_out(world, second);
    if (fds[1] >= 0) return 0;
    asyncio__sim_remove(world, fds[0]);
    return fds[1];
}

// ---- For the layer of system calls ------------------------------------------

static struct sim_file *here(int fd)
{
    return asyncio__sim_world ? asyncio__sim_file(asyncio__sim_world, fd)
                              : NULL;
}

// A world that was made for one loop may end with its last descriptor.
int asyncio__sim_close(int fd)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    if (!world) return -EBADF;
    int err = asyncio__sim_remove(world, fd);
    asyncio__sim_note(world, "close", fd, err);
    asyncio__sim_settle(world);
    asyncio__sim_let_go(world);
    return err;
}

int asyncio__sim_fd_flags(int fd)
{
    return here(fd) ? FD_CLOEXEC : -EBADF;
}

int asyncio__sim_status_flags(int fd)
{
    const struct sim_file *file = here(fd);
    return file ? file->flags : -EBADF;
}

int asyncio__sim_set_status_flags(int fd, int flags)
{
    struct sim_file *file = here(fd);
    const int changeable = O_APPEND | O_NONBLOCK;
    if (!file) return -EBADF;
    file->flags = (file->flags & ~changeable) | (flags & changeable);
    return 0;
}

int asyncio__sim_dup(int fd)
{
    struct sim_file *file = here(fd);
    return file ? asyncio__sim_install(asyncio__sim_world, file) : -EBADF;
}

int asyncio__sim_dup2(int fd, int to)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_file *file = here(fd);
    if (!file || !here(to)) return -EBADF;
    if (fd == to) return to;
    file->references++;
    file->descriptors++;
    asyncio__sim_remove(world, to);
    world->files[to - ASYNCIO__SIM_FD] = file;
    world->files_open++;
    asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)to, 0, file->kind->name);
    asyncio__sim_settle(world);
    return to;
}

int asyncio__sim_poll(struct pollfd *fds, size_t count)
{
    int ready = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_file *file = here(fds[i].fd);
        int wanted = fds[i].events | POLLERR | POLLHUP;
        int found = file ? file->kind->ready(asyncio__sim_world, file) & wanted
                         : POLLNVAL;
        fds[i].revents = (short)found;
        if (found) ready++;
    }
    return ready;
}

bool asyncio__sim_is_storage(int fd)
{
    const struct sim_file *file = here(fd);
    return file && file->kind->is_disk;
}
