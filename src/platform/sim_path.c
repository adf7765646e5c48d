// Paths: where one leads, and the operations that name one.
//
// The working directory is the root. Permissions are kept and not looked at:
// whoever runs here may do everything.

#include "platform/sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "platform/sys.h"

#define LINKS_MAX 40

// ---- Walking ----------------------------------------------------------------

static int start_of(struct asyncio_simulator *world, int folder,
                    const char *path, struct sim_inode **start)
{
    *start = world->disk.root;
    if (path[0] == '/' || folder == AT_FDCWD) return 0;
    *start = asyncio__sim_inode_of(world, folder);
    if (!*start) return asyncio__sim_file(world, folder) ? -ENOTDIR : -EBADF;
    return S_ISDIR((*start)->mode) ? 0 : -ENOTDIR;
}

// Takes the first component off; false if there is none.
static bool next_component(char **rest, char name[static NAME_MAX + 1],
                           size_t *len)
{
    char *path = *rest + strspn(*rest, "/");
    *len = strcspn(path, "/");
    *rest = path + *len;
    if (*len == 0) return false;
    if (*len <= NAME_MAX) {
        memcpy(name, path, *len);
        name[*len] = '\0';
    }
    return true;
}

// What a symbolic link says, before what is left of the path.
static int expand(const struct sim_inode *inode, char path[static PATH_MAX],
                  const char *rest)
{
    char whole[PATH_MAX];
    int len = snprintf(whole, sizeof whole, "%.*s%s", (int)inode->size,
                       inode->data, rest);
    if (len >= PATH_MAX) return -ENAMETOOLONG;
    memcpy(path, whole, (size_t)len + 1);
    return 0;
}

static void stand_on(struct sim_place *place, struct sim_inode *folder)
{
    place->folder = folder->parent;
    place->inode = folder;
    place->name[0] = '\0';
    place->must_be_folder = false;
}

// What is open here has a name below this folder, as under Linux: a file that
// has no other is linked by it. 1 for such a path, and 0 for any other.
static int walk_descriptors(struct asyncio_simulator *world, const char *path,
                            struct sim_place *place)
{
    const char *folder = "/proc/self/fd";
    size_t len = strlen(folder);
    if (strncmp(path, folder, len) != 0) return 0;
    if (path[len] && path[len] != '/') return 0;
    stand_on(place, world->disk.root);
    if (!path[len]) return 1;
    place->inode = asyncio__sim_inode_of(world, atoi(path + len + 1));
    return place->inode ? 1 : -ENOENT;
}

int asyncio__sim_walk(struct asyncio_simulator *world, int folder_fd,
                      const char *path, bool follow, struct sim_place *place)
{
    char buffer[PATH_MAX], *rest = buffer;
    struct sim_inode *folder;
    size_t len = strlen(path), links = 0;
    if (len == 0) return -ENOENT;
    if (len >= sizeof buffer) return -ENAMETOOLONG;
    int err = walk_descriptors(world, path, place);
    if (err != 0) return err < 0 ? err : 0;
    err = start_of(world, folder_fd, path, &folder);
    if (err < 0) return err;
    memcpy(buffer, path, len + 1);

    while (next_component(&rest, place->name, &len)) {
        bool last = rest[strspn(rest, "/")] == '\0';
        place->must_be_folder = last && *rest == '/';
        if (len > NAME_MAX) return -ENAMETOOLONG;
        if (strcmp(place->name, ".") == 0) continue;
        if (strcmp(place->name, "..") == 0) {
            folder = folder->parent;
            continue;
        }
        struct sim_entry *entry =
            asyncio__sim_entry(&folder->entries, place->name);
        struct sim_inode *inode = entry ? entry->inode : NULL;
        bool through = !last || follow || place->must_be_folder;
        if (inode && S_ISLNK(inode->mode) && through) {
            if (++links > LINKS_MAX) return -ELOOP;
            err = expand(inode, buffer, rest);
            if (err < 0) return err;
            if (buffer[0] == '/') folder = world->disk.root;
            rest = buffer;
            continue;
        }
        if (last) {
            place->folder = folder;
            place->inode = inode;
            bool file = inode && !S_ISDIR(inode->mode);
            return file && place->must_be_folder ? -ENOTDIR : 0;
        }
        if (!inode) return -ENOENT;
        if (!S_ISDIR(inode->mode)) return -ENOTDIR;
        folder = inode;
    }
    stand_on(place, folder);
    return 0;
}

// ---- Names made and removed -------------------------------------------------

// A new inode of that name.
static int make(struct asyncio_simulator *world, const struct sim_place *place,
                uint32_t mode, struct sim_inode **made)
{
    struct sim_inode *inode = asyncio__sim_inode_new(world, mode);
    if (!inode) return -ENOMEM;
    int err = asyncio__sim_change(world, place, inode, NULL, NULL);
    *made = err == 0 ? inode : NULL;
    asyncio__sim_inode_unref(world, inode);
    return err;
}

static int make_folder(struct asyncio_simulator *world,
                       const struct asyncio__op *op)
{
    struct sim_place place;
    struct sim_inode *made;
    int err = asyncio__sim_walk(world, op->fd, op->path, false, &place);
    if (err < 0) return err;
    if (place.inode) return -EEXIST;
    return make(world, &place,
                S_IFDIR | (op->mode & 01777u & ~world->disk.umask), &made);
}

int asyncio__sim_mkfifo(const char *path, mode_t mode)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_place place;
    struct sim_inode *made;
    int err = asyncio__sim_walk(world, AT_FDCWD, path, false, &place);
    if (err < 0) return err;
    if (place.inode) return -EEXIST;
    return make(world, &place, S_IFIFO | (mode & 0777u & ~world->disk.umask),
                &made);
}

mode_t asyncio__sim_umask(mode_t mask)
{
    struct sim_disk *disk = &asyncio__sim_world->disk;
    mode_t before = disk->umask;
    disk->umask = mask & 0777u;
    return before;
}

static int remove_name(struct asyncio_simulator *world,
                       const struct asyncio__op *op)
{
    struct sim_place place;
    bool folder = op->flags & AT_REMOVEDIR;
    int err = asyncio__sim_walk(world, op->fd, op->path, false, &place);
    if (err < 0) return err;
    if (!place.inode) return -ENOENT;
    if (!place.name[0]) return folder ? -EBUSY : -EISDIR;
    if (folder && !S_ISDIR(place.inode->mode)) return -ENOTDIR;
    if (!folder && S_ISDIR(place.inode->mode)) return -EISDIR;
    if (!list_empty(&place.inode->entries)) return -ENOTEMPTY;
    return asyncio__sim_change(world, &place, NULL, NULL, NULL);
}

static bool is_below(const struct sim_inode *inode,
                     const struct sim_inode *folder)
{
    for (; inode != inode->parent; inode = inode->parent)
        if (inode == folder) return true;
    return inode == folder;
}

static int check_replaced(const struct sim_place *from,
                          const struct sim_place *to)
{
    bool folder = S_ISDIR(from->inode->mode);
    if (folder && is_below(to->folder, from->inode)) return -EINVAL;
    if (!folder && to->must_be_folder) return -ENOTDIR;
    if (!to->inode) return 0;
    if (folder && !S_ISDIR(to->inode->mode)) return -ENOTDIR;
    if (!folder && S_ISDIR(to->inode->mode)) return -EISDIR;
    return list_empty(&to->inode->entries) ? 0 : -ENOTEMPTY;
}

static int rename_one(struct asyncio_simulator *world,
                      const struct asyncio__op *op)
{
    struct sim_place from, to;
    int err = asyncio__sim_walk(world, op->fd, op->path, false, &from);
    if (err == 0) err = asyncio__sim_walk(world, op->fd, op->path2, false, &to);
    if (err < 0) return err;
    if (!from.inode) return -ENOENT;
    if (!from.name[0] || !to.name[0]) return -EBUSY;
    if (op->flags & RENAME_EXCHANGE)
        return to.inode ? asyncio__sim_change(world, &from, to.inode, &to,
                                              from.inode)
                        : -ENOENT;
    if (op->flags & RENAME_NOREPLACE && to.inode) return -EEXIST;
    if (from.inode == to.inode) return 0;
    err = check_replaced(&from, &to);
    if (err < 0) return err;
    return asyncio__sim_change(world, &from, NULL, &to, from.inode);
}

static int link_one(struct asyncio_simulator *world,
                    const struct asyncio__op *op)
{
    struct sim_place from, to;
    bool follow = op->flags & AT_SYMLINK_FOLLOW;
    int err = asyncio__sim_walk(world, op->fd, op->path, follow, &from);
    if (err == 0) err = asyncio__sim_walk(world, op->fd, op->path2, false, &to);
    if (err < 0) return err;
    if (!from.inode) return -ENOENT;
    if (S_ISDIR(from.inode->mode)) return -EPERM;
    if (to.inode) return -EEXIST;
    return asyncio__sim_change(world, &to, from.inode, NULL, NULL);
}

static int link_to_text(struct asyncio_simulator *world,
                        const struct asyncio__op *op)
{
    struct sim_place place;
    struct sim_inode *inode;
    size_t len = strlen(op->path);
    int err = asyncio__sim_walk(world, op->fd, op->path2, false, &place);
    if (err < 0) return err;
    if (place.inode) return -EEXIST;
    if (len == 0) return -ENOENT;
    inode = asyncio__sim_inode_new(world, S_IFLNK | 0777);
    if (!inode) return -ENOMEM;
    err = asyncio__sim_resize(world, inode, len);
    if (err == 0) {
        memcpy(inode->data, op->path, len);
        err = asyncio__sim_change(world, &place, inode, NULL, NULL);
    }
    asyncio__sim_inode_unref(world, inode);
    return err;
}

// ---- Opened and looked at ---------------------------------------------------

static int open_nameless(struct asyncio_simulator *world,
                         const struct asyncio__op *op,
                         const struct sim_place *place)
{
    if (!place->inode) return -ENOENT;
    if (!S_ISDIR(place->inode->mode)) return -ENOTDIR;
    struct sim_inode *inode = asyncio__sim_inode_new(
        world, S_IFREG | (op->mode & 07777u & ~world->disk.umask));
    if (!inode) return -ENOMEM;
    int fd = asyncio__sim_open_inode(world, inode, (int)op->flags);
    asyncio__sim_inode_unref(world, inode);
    return fd;
}

static int check_opened(const struct sim_place *place, int flags)
{
    const struct sim_inode *inode = place->inode;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (flags & O_CREAT && flags & O_EXCL) return -EEXIST;
    if (S_ISLNK(inode->mode)) return -ELOOP;
    if (S_ISSOCK(inode->mode)) return -ENXIO;
    if (S_ISFIFO(inode->mode) && writes) return -ENXIO;
    if (S_ISDIR(inode->mode) && (writes || flags & O_CREAT)) return -EISDIR;
    if (flags & O_DIRECTORY && !S_ISDIR(inode->mode)) return -ENOTDIR;
    return 0;
}

static int open_one(struct asyncio_simulator *world,
                    const struct asyncio__op *op)
{
    struct sim_place place;
    int flags = (int)op->flags;
    bool exclusive = flags & O_CREAT && flags & O_EXCL;
    bool follow = !(flags & O_NOFOLLOW) && !exclusive;
    // Without a descriptor nothing is made.
    if (world->files_open >= world->files_max) return -EMFILE;
    int err = asyncio__sim_walk(world, op->fd, op->path, follow, &place);
    if (err < 0) return err;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return open_nameless(world, op, &place);
    if (!place.inode) {
        if (!(flags & O_CREAT)) return -ENOENT;
        if (place.must_be_folder) return -EISDIR;
        err = make(world, &place,
                   S_IFREG | (op->mode & 07777u & ~world->disk.umask),
                   &place.inode);
    } else {
        err = check_opened(&place, flags);
    }
    if (err < 0) return err;
    if (flags & O_TRUNC && S_ISREG(place.inode->mode) &&
        (flags & O_ACCMODE) != O_RDONLY)
        err = asyncio__sim_resize(world, place.inode, 0);
    return err < 0 ? err : asyncio__sim_open_inode(world, place.inode, flags);
}

static int stat_one(struct asyncio_simulator *world, struct asyncio__op *op)
{
    struct sim_place place;
    if (!op->path[0] && op->flags & AT_EMPTY_PATH) {
        struct sim_file *file = asyncio__sim_file(world, op->fd);
        return file ? file->kind->attempt(world, file, op) : -EBADF;
    }
    bool follow = !(op->flags & AT_SYMLINK_NOFOLLOW);
    int err = asyncio__sim_walk(world, op->fd, op->path, follow, &place);
    if (err < 0) return err;
    if (!place.inode) return -ENOENT;
    asyncio__sim_stat_inode(world, place.inode, op->buffer2);
    return 0;
}

static int read_link(struct asyncio_simulator *world,
                     const struct asyncio__op *op)
{
    struct sim_place place;
    int err = asyncio__sim_walk(world, op->fd, op->path, false, &place);
    if (err < 0) return err;
    if (!place.inode) return -ENOENT;
    if (!S_ISLNK(place.inode->mode)) return -EINVAL;
    size_t len = place.inode->size < op->len ? place.inode->size : op->len;
    memcpy(op->buffer2, place.inode->data, len);
    return (int)len;
}

static int change_names(struct asyncio_simulator *world,
                        const struct asyncio__op *op)
{
    if (asyncio__sim_strikes(world, world->faults.write_error)) return -EIO;
    if (op->code != ASYNCIO__OP_UNLINK &&
        asyncio__sim_strikes(world, world->faults.no_space))
        return -ENOSPC;
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_RENAME: return rename_one(world, op);
    case ASYNCIO__OP_UNLINK: return remove_name(world, op);
    case ASYNCIO__OP_MKDIR: return make_folder(world, op);
    case ASYNCIO__OP_LINK: return link_one(world, op);
    default: return link_to_text(world, op);
    }
}

int asyncio__sim_path_attempt(struct asyncio_simulator *world,
                              struct asyncio__op *op)
{
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_OPEN: return open_one(world, op);
    case ASYNCIO__OP_STATX: return stat_one(world, op);
    case ASYNCIO__OP_READLINK: return read_link(world, op);
    default: return change_names(world, op);
    }
}
