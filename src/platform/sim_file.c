// Open files and folders of the disk, and devices.
//
// What was opened before a crash says -EIO: its program should have died.

#include "platform/sim.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "platform/sys.h"

#define DISK_MAJOR 7
#define EPOCH_S    INT64_C(946684800) // the year 2000, at time 0
#define SIZE_LIMIT (INT64_C(1) << 32) // of a file, in memory

struct sim_disk_file {
    struct sim_file file;
    struct sim_inode *inode; // referred to
    int64_t position;        // of a folder: the cookie of the last entry read
    unsigned crashes;        // of the disk, when it was opened
};

static struct sim_disk_file *disk_file_of(struct sim_file *file)
{
    return (struct sim_disk_file *)file;
}

// ---- What it is -------------------------------------------------------------

static struct statx_timestamp time_of(const struct asyncio_simulator *world,
                                      int64_t ns)
{
    ns = ns > world->start_ns ? ns - world->start_ns : 0;
    return (struct statx_timestamp){
        .tv_sec = EPOCH_S + ns / 1000000000,
        .tv_nsec = (uint32_t)(ns % 1000000000),
    };
}

void asyncio__sim_stat_inode(const struct asyncio_simulator *world,
                             const struct sim_inode *inode, struct statx *out)
{
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = inode->links,
        .stx_mode = (uint16_t)inode->mode,
        .stx_ino = inode->number,
        .stx_size = inode->size,
        .stx_blocks = (inode->size + 511) / 512,
        .stx_atime = time_of(world, inode->modified_ns),
        .stx_mtime = time_of(world, inode->modified_ns),
        .stx_ctime = time_of(world, inode->changed_ns),
        .stx_dev_major = DISK_MAJOR,
    };
}

int asyncio__sim_stat_special(struct asyncio_simulator *world,
                              const struct sim_file *file, uint32_t mode,
                              const struct asyncio__op *op)
{
    struct statx *out = op->buffer2;
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = 1,
        .stx_mode = (uint16_t)mode,
        .stx_ino = file->number,
        .stx_atime = time_of(world, world->now_ns),
        .stx_mtime = time_of(world, world->now_ns),
        .stx_ctime = time_of(world, world->now_ns),
    };
    return 0;
}

// ---- Bytes ------------------------------------------------------------------

static int64_t offset_of(const struct sim_disk_file *file,
                         const struct asyncio__op *op)
{
    return op->offset < 0 ? file->position : op->offset;
}

static void move_on(struct sim_disk_file *file, const struct asyncio__op *op,
                    int64_t to)
{
    if (op->offset < 0) file->position = to;
}

static int read_zeros(const struct sim_bytes *bytes)
{
    static const char zeros[512];
    for (size_t at = 0; at < bytes->len; at += sizeof zeros) {
        size_t left = bytes->len - at;
        asyncio__sim_bytes_put(bytes, at, zeros,
                               left < sizeof zeros ? left : sizeof zeros);
    }
    return (int)bytes->len;
}

static int read_file(struct asyncio_simulator *world,
                     struct sim_disk_file *file, const struct asyncio__op *op)
{
    const struct sim_inode *inode = file->inode;
    struct sim_bytes bytes;
    int err = asyncio__sim_bytes(&bytes, op);
    if (err < 0) return err;
    if ((file->file.flags & O_ACCMODE) == O_WRONLY) return -EBADF;
    if (S_ISDIR(inode->mode)) return -EISDIR;
    if (inode->device == SIM_NULL) return 0;
    if (inode->device) return read_zeros(&bytes);
    if (asyncio__sim_strikes(world, world->faults.read_error)) return -EIO;

    int64_t offset = offset_of(file, op);
    if (offset >= (int64_t)inode->size) return 0;
    size_t len = inode->size - (size_t)offset;
    if (len > bytes.len) len = bytes.len;
    len = asyncio__sim_shortened(world, world->faults.short_reads, len);
    asyncio__sim_bytes_put(&bytes, 0, inode->data + offset, len);
    move_on(file, op, offset + (int64_t)len);
    return (int)len;
}

// As much of it as there is room for on the disk.
static int make_room(struct asyncio_simulator *world, struct sim_inode *inode,
                     size_t offset, size_t *len)
{
    size_t end = offset + *len;
    if (end <= inode->size) return 0;
    uint64_t left = asyncio__sim_room(world, end - inode->size);
    if (end - inode->size > left) {
        size_t fits = inode->size + (size_t)left;
        if (fits <= offset) return -ENOSPC;
        end = fits;
        *len = end - offset;
    }
    return asyncio__sim_resize(world, inode, end);
}

static int put(struct asyncio_simulator *world, struct sim_disk_file *file,
               const struct asyncio__op *op, const struct sim_bytes *bytes)
{
    struct sim_inode *inode = file->inode;
    int64_t offset = file->file.flags & O_APPEND ? (int64_t)inode->size
                                                 : offset_of(file, op);
    if (offset > SIZE_LIMIT - (int64_t)bytes->len) return -EFBIG;
    size_t len =
        asyncio__sim_shortened(world, world->faults.short_writes, bytes->len);
    int err = make_room(world, inode, (size_t)offset, &len);
    if (err < 0) return err;
    asyncio__sim_bytes_get(bytes, 0, inode->data + offset, len);
    inode->modified_ns = inode->changed_ns = world->now_ns;
    move_on(file, op, offset + (int64_t)len);
    if (file->file.flags & O_DSYNC) err = asyncio__sim_sync_data(inode);
    return err < 0 ? err : (int)len;
}

static int write_file(struct asyncio_simulator *world,
                      struct sim_disk_file *file, const struct asyncio__op *op)
{
    struct sim_bytes bytes;
    int err = asyncio__sim_bytes(&bytes, op);
    if (err < 0) return err;
    if ((file->file.flags & O_ACCMODE) == O_RDONLY) return -EBADF;
    if (file->inode->device == SIM_FULL) return -ENOSPC;
    if (file->inode->device) return (int)bytes.len;
    if (bytes.len == 0) return 0;
    if (asyncio__sim_strikes(world, world->faults.write_error)) return -EIO;
    if (asyncio__sim_strikes(world, world->faults.no_space)) return -ENOSPC;
    return put(world, file, op, &bytes);
}

static int copy_file(struct asyncio_simulator *world,
                     struct sim_disk_file *from, const struct asyncio__op *op)
{
    struct sim_file *other = asyncio__sim_file(world, op->fd2);
    if (!other) return -EBADF;
    if (other->kind != from->file.kind) return -EINVAL;
    struct sim_disk_file *to = disk_file_of(other);
    struct sim_inode *inode = from->inode;
    if (!S_ISREG(inode->mode) || !S_ISREG(to->inode->mode) ||
        inode == to->inode)
        return -EINVAL;
    if (from->position >= (int64_t)inode->size) return 0;
    size_t len = inode->size - (size_t)from->position;
    if (len > op->len) len = op->len;
    struct asyncio__op out = {.code = ASYNCIO__OP_WRITE,
                              .fd = op->fd2,
                              .offset = -1,
                              .buffer = inode->data + from->position,
                              .len = (uint32_t)len};
    int written = write_file(world, to, &out);
    if (written > 0) from->position += written;
    return written;
}

// ---- The rest ---------------------------------------------------------------

static int sync_file(struct asyncio_simulator *world, struct sim_inode *inode)
{
    if (asyncio__sim_strikes(world, world->faults.write_error)) return -EIO;
    if (S_ISDIR(inode->mode)) return asyncio__sim_sync_folder(world, inode);
    if (!S_ISREG(inode->mode)) return -EINVAL;
    return asyncio__sim_sync_data(inode);
}

struct entry_out {
    uint64_t number;
    int64_t cookie;
    uint16_t size;
    uint8_t type;
    char name[NAME_MAX + 1];
};

// Adds one to what the caller gets; false if there is no room.
static bool add_entry(struct sim_disk_file *file, const struct asyncio__op *op,
                      size_t *done, const char *name,
                      const struct sim_inode *inode, int64_t cookie)
{
    struct entry_out out = {inode->number, cookie, 0,
                            (uint8_t)(inode->mode >> 12), ""};
    size_t len = strlen(name) + 1;
    size_t size = (offsetof(struct entry_out, name) + len + 7) & ~(size_t)7;
    if (*done + size > op->len) return false;
    out.size = (uint16_t)size;
    memcpy(out.name, name, len);
    memcpy((char *)op->buffer + *done, &out, size);
    *done += size;
    file->position = cookie;
    return true;
}

static int list_folder(struct sim_disk_file *file, const struct asyncio__op *op)
{
    const struct sim_inode *folder = file->inode;
    size_t done = 0;
    bool room = true;
    if (!S_ISDIR(folder->mode)) return -ENOTDIR;
    if (file->position < 1) room = add_entry(file, op, &done, ".", folder, 1);
    if (room && file->position < 2)
        room = add_entry(file, op, &done, "..", folder->parent, 2);
    list_for_each (link, &folder->entries) {
        const struct sim_entry *entry =
            list_entry(link, struct sim_entry, link);
        if (!room || entry->cookie <= file->position) continue;
        room = add_entry(file, op, &done, entry->name, entry->inode,
                         entry->cookie);
    }
    return done == 0 && !room ? -EINVAL : (int)done;
}

static int64_t seek(struct sim_disk_file *file, int64_t offset, int whence)
{
    int64_t size = (int64_t)file->inode->size;
    switch (whence) {
    case SEEK_SET: break;
    case SEEK_CUR: offset += file->position; break;
    case SEEK_END: offset += size; break;
    case SEEK_DATA:
    case SEEK_HOLE:
        if (offset < 0 || offset >= size) return -ENXIO;
        if (whence == SEEK_HOLE) offset = size;
        break;
    default: return -EINVAL;
    }
    if (offset < 0) return -EINVAL;
    return file->position = offset;
}

static int seek_into(struct sim_disk_file *file, const struct asyncio__op *op)
{
    int64_t position = seek(file, op->offset, (int)op->flags);
    if (position < 0) return (int)position;
    *(int64_t *)op->buffer2 = position;
    return 0;
}

static int truncate_file(struct asyncio_simulator *world,
                         struct sim_disk_file *file, int64_t size)
{
    if (size < 0 || !S_ISREG(file->inode->mode)) return -EINVAL;
    if ((file->file.flags & O_ACCMODE) == O_RDONLY) return -EINVAL;
    if (size > SIZE_LIMIT) return -EFBIG;
    return asyncio__sim_resize(world, file->inode, (size_t)size);
}

static int allocate(struct asyncio_simulator *world, struct sim_disk_file *file,
                    const struct asyncio__op *op)
{
    int64_t end = op->offset + op->size;
    if (op->offset < 0 || op->size <= 0) return -EINVAL;
    if (op->flags & ~(uint32_t)FALLOC_FL_KEEP_SIZE) return -EOPNOTSUPP;
    if (asyncio__sim_strikes(world, world->faults.no_space)) return -ENOSPC;
    if (op->flags || end <= (int64_t)file->inode->size) return 0;
    return truncate_file(world, file, end);
}

// ---- Its kind ---------------------------------------------------------------

static int attempt(struct asyncio_simulator *world, struct sim_file *base,
                   struct asyncio__op *op)
{
    struct sim_disk_file *file = disk_file_of(base);
    if (file->crashes != world->disk.crashes) return -EIO;
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_READ:
    case ASYNCIO__OP_READV: return read_file(world, file, op);
    case ASYNCIO__OP_WRITE:
    case ASYNCIO__OP_WRITEV: return write_file(world, file, op);
    case ASYNCIO__OP_FSYNC: return sync_file(world, file->inode);
    case ASYNCIO__OP_LIST: return list_folder(file, op);
    case ASYNCIO__OP_TRUNCATE: return truncate_file(world, file, op->offset);
    case ASYNCIO__OP_ALLOCATE: return allocate(world, file, op);
    case ASYNCIO__OP_SEEK: return seek_into(file, op);
    case ASYNCIO__OP_COPY: return copy_file(world, file, op);
    case ASYNCIO__OP_STATX:
        asyncio__sim_stat_inode(world, file->inode, op->buffer2);
        return 0;
    case ASYNCIO__OP_CHMOD:
        file->inode->mode = (file->inode->mode & S_IFMT) | (op->mode & 07777u);
        return 0;
    default: return asyncio__op_is_of_socket(op) ? -ENOTSOCK : -EINVAL;
    }
}

// What never makes anybody wait is always ready.
static uint16_t ready(struct asyncio_simulator *world, struct sim_file *file)
{
    (void)world;
    (void)file;
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

static void closed(struct asyncio_simulator *world, struct sim_file *file)
{
    (void)world;
    (void)file;
}

static void freed(struct asyncio_simulator *world, struct sim_file *file)
{
    asyncio__sim_inode_unref(world, disk_file_of(file)->inode);
}

static const struct sim_kind kind = {
    .name = "a simulated file",
    .attempt = attempt,
    .ready = ready,
    .closed = closed,
    .freed = freed,
    .is_disk = true,
};

int asyncio__sim_open_inode(struct asyncio_simulator *world,
                            struct sim_inode *inode, int flags)
{
    struct sim_disk_file *file = asyncio__sim_file_new(
        world, &kind, sizeof *file,
        flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC));
    if (!file) return -ENOMEM;
    file->inode = inode;
    inode->references++;
    file->crashes = world->disk.crashes;
    return asyncio__sim_hand_out(world, &file->file);
}

struct sim_inode *asyncio__sim_inode_of(const struct asyncio_simulator *world,
                                        int fd)
{
    struct sim_file *file = asyncio__sim_file(world, fd);
    return file && file->kind == &kind ? disk_file_of(file)->inode : NULL;
}

int64_t asyncio__sim_lseek(int fd, int64_t offset, int whence)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_file *file = world ? asyncio__sim_file(world, fd) : NULL;
    if (!file) return -EBADF;
    return file->kind == &kind ? seek(disk_file_of(file), offset, whence)
                               : -ESPIPE;
}
