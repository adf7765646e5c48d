// Blocks of shared memory in the process that made them, and how they come to
// workers.

#include "exec/shared.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "exec/foreman.h"
#include "platform/sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct asyncio_link blocks; // asyncio__block.link, under the lock

static struct {
    bool serves; // this process is a worker
    int channel;
    uint64_t id; // of the job's block, or 0
    uint32_t place;
    struct {
        uint64_t id;
        size_t size;
        void *data;
    } places[ASYNCIO__DESK_PLACES];
} served;

// --- blocks -----------------------------------------------------------------

static struct asyncio__block *find_block(uint64_t id)
{
    list_for_each (link, &blocks) {
        struct asyncio__block *block =
            list_entry(link, struct asyncio__block, link);
        if (block->id == id) return block;
    }
    return NULL;
}

struct asyncio__block *asyncio__block_hold(const struct asyncio_shared *shared)
{
    pthread_mutex_lock(&lock);
    struct asyncio__block *block = find_block(shared->id_);
    if (block && (block->freed || block->sealed)) block = NULL;
    if (block) block->references++;
    pthread_mutex_unlock(&lock);
    return block;
}

// A worker may have it mapped for longer: so its pages go first.
static void free_block(struct asyncio__block *block)
{
    if (block->memory >= 0) {
        asyncio__sys_madvise(block->data, block->size, MADV_REMOVE);
        asyncio__sys_close(block->memory);
    }
    asyncio__sys_munmap(block->data, block->size);
    asyncio__free(block);
}

void asyncio__block_drop(struct asyncio__block *block)
{
    if (!block) return;
    pthread_mutex_lock(&lock);
    bool last = --block->references == 0;
    if (last) list_remove(&block->link);
    pthread_mutex_unlock(&lock);
    if (last) free_block(block);
}

// Nobody can guess it: a worker cannot name what it was not given.
static int make_id(uint64_t *id)
{
    do {
        ssize_t n = asyncio__sys_getrandom(id, sizeof *id, 0);
        if (n < 0) return (int)n;
        if (n != (ssize_t)sizeof *id) *id = 0;
    } while (*id == 0);
    return 0;
}

static int map_block(struct asyncio__block *block)
{
    int err = make_id(&block->id);
    if (err < 0) return err;
    block->memory = asyncio__sys_memfd("asyncio-shared", block->size);
    if (block->memory < 0) return block->memory;
    err = asyncio__sys_mmap_shared(&block->data, block->size, block->memory);
    if (err < 0) asyncio__sys_close(block->memory);
    return err;
}

int asyncio_shared_alloc(struct asyncio_shared *shared, size_t size)
{
    *shared = (struct asyncio_shared){0};
    if (size == 0) return -EINVAL;
    if (size > PTRDIFF_MAX) return -ENOMEM;
    struct asyncio__block *block = asyncio__alloc(sizeof *block);
    if (!block) return -ENOMEM;

    block->size = size;
    block->references = 1;
    int err = map_block(block);
    if (err < 0) {
        asyncio__free(block);
        return err;
    }
    pthread_mutex_lock(&lock);
    list_add_tail(&blocks, &block->link);
    pthread_mutex_unlock(&lock);
    *shared = (struct asyncio_shared){.size = size, .id_ = block->id};
    return 0;
}

void asyncio_shared_free(struct asyncio_shared *shared)
{
    if (!shared) return;
    if (shared->id_ == 0) return;
    pthread_mutex_lock(&lock);
    struct asyncio__block *block = find_block(shared->id_);
    if (block && block->freed) block = NULL; // by another copy of the handle
    if (block) block->freed = true;
    pthread_mutex_unlock(&lock);
    asyncio__block_drop(block);
    *shared = (struct asyncio_shared){0};
}

// --- sealed ------------------------------------------------------------------

// Some worker may still write to it: here it becomes a copy, at the same place.
static int copy_block(struct asyncio__block *block)
{
    void *copy;
    int err = asyncio__sys_mmap(&copy, block->size, PROT_READ | PROT_WRITE, 0);
    if (err < 0) return err;
    memcpy(copy, block->data, block->size);
    err = asyncio__sys_mremap_onto(copy, block->size, block->data);
    if (err < 0) {
        asyncio__sys_munmap(copy, block->size);
        return err;
    }
    // A worker that has it mapped must not keep its pages.
    asyncio__sys_fallocate(block->memory,
                           FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                           (off_t)block->size);
    return 0;
}

// The seal can only be set while nobody could write, this process included.
static int seal_block(struct asyncio__block *block)
{
    int err = asyncio__sys_mmap_own(block->data, block->size, block->memory);
    if (err < 0) return err;
    if (asyncio__sys_seal_content(block->memory) < 0) err = copy_block(block);
    if (err < 0) return err;
    asyncio__sys_close(block->memory);
    block->memory = -1;
    return 0;
}

// Holds it, and keeps jobs away. 1 if there is nothing left to do.
static int begin_seal(const struct asyncio_shared *shared,
                      struct asyncio__block **found)
{
    struct asyncio__block *block = find_block(shared->id_);
    if (!block || block->freed) return -EINVAL;
    if (block->references > 1) return -EBUSY;
    if (block->sealed) return 1;
    block->sealed = true;
    block->references++;
    *found = block;
    return 0;
}

int asyncio_shared_seal(const struct asyncio_shared *shared)
{
    struct asyncio__block *block = NULL;
    if (served.serves) return -EPERM;
    pthread_mutex_lock(&lock);
    int err = begin_seal(shared, &block);
    pthread_mutex_unlock(&lock);
    if (err != 0) return err < 0 ? err : 0;

    err = seal_block(block);
    if (err < 0) {
        pthread_mutex_lock(&lock);
        block->sealed = false;
        pthread_mutex_unlock(&lock);
    }
    asyncio__block_drop(block);
    return err;
}

// --- the parent's desk ------------------------------------------------------

int asyncio__desk_open(struct asyncio__desk *desk, int *far)
{
    int fds[2];
    int err = asyncio__sys_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
    if (err < 0) return err;
    *desk = (struct asyncio__desk){.open = true, .channel = fds[0]};
    *far = fds[1];
    return 0;
}

void asyncio__desk_close(struct asyncio__desk *desk)
{
    if (desk->open) asyncio__sys_close(desk->channel);
    *desk = (struct asyncio__desk){0};
}

// Where it lies; else the place that was not needed for the longest time, or
// -EAGAIN.
static int find_place(const struct asyncio__desk *desk, uint64_t id)
{
    int best = -EAGAIN;
    uint32_t oldest = 0;
    for (int i = 0; i < ASYNCIO__DESK_PLACES; i++) {
        uint32_t age = desk->clock - desk->places[i].used;
        if (desk->places[i].id == id) return i;
        if (desk->places[i].uses > 0 || (best >= 0 && age <= oldest)) continue;
        best = i;
        oldest = age;
    }
    return best;
}

int asyncio__desk_put(struct asyncio__desk *desk,
                      const struct asyncio__block *block)
{
    int place = find_place(desk, block->id);
    if (place < 0) return place;
    if (desk->places[place].id != block->id) {
        const struct asyncio__desk_message message = {
            .id = block->id, .size = block->size, .place = (uint32_t)place};
        int err = asyncio__message_send(desk->channel, &message, sizeof message,
                                        &block->memory, 1, MSG_DONTWAIT);
        if (err < 0) return err;
    }
    desk->places[place].id = block->id;
    desk->places[place].uses++;
    desk->places[place].used = ++desk->clock;
    return place;
}

void asyncio__desk_release(struct asyncio__desk *desk, int place)
{
    desk->places[place].uses--;
}

// --- the worker's desk ------------------------------------------------------

void asyncio__desk_serve(int channel)
{
    served.serves = true;
    served.channel = channel;
}

void asyncio__desk_use(uint32_t place, uint64_t id)
{
    served.place = place;
    served.id = id;
}

static void lay_down(const struct asyncio__desk_message *message, int memory)
{
    if (message->place >= ASYNCIO__DESK_PLACES) return;
    void **data = &served.places[message->place].data;
    if (*data) asyncio__sys_munmap(*data, served.places[message->place].size);
    *data = NULL;
    served.places[message->place].id = message->id;
    served.places[message->place].size = message->size;
    if (asyncio__sys_mmap_shared(data, message->size, memory) < 0) *data = NULL;
}

// All that was sent, for this job and for later ones.
static void read_messages(void)
{
    struct asyncio__desk_message message;
    int fds[ASYNCIO__MESSAGE_FDS];
    while (asyncio__message_receive(served.channel, &message, sizeof message,
                                    fds, MSG_DONTWAIT) > 0) {
        if (fds[0] < 0) continue;
        lay_down(&message, fds[0]);
        asyncio__sys_close(fds[0]);
    }
}

static void *find_served(uint64_t id)
{
    if (id == 0 || id != served.id || served.place >= ASYNCIO__DESK_PLACES)
        return NULL;
    if (served.places[served.place].id != id) read_messages();
    return served.places[served.place].id == id
               ? served.places[served.place].data
               : NULL;
}

void *asyncio_shared_data(const struct asyncio_shared *shared)
{
    if (served.serves) return find_served(shared->id_);
    pthread_mutex_lock(&lock);
    struct asyncio__block *block = find_block(shared->id_);
    pthread_mutex_unlock(&lock);
    return block ? block->data : NULL;
}
