// The disk: inodes, the names that lead to them, and which of both a crash
// would leave.
//
//               now                             after a crash
//     inode     data                            durable: as of the last fsync
//     folder    entries                         durable_entries
//                  \___ journal of changes ___/
//
// A change of names is made at once in the entries and noted in the journal,
// which is in order. A sync of a folder makes the changes durable that concern
// it; a crash draws how many of the others had reached the disk.
//
// Each entry, open file and change refers to its inode, so an inode is there as
// long as anything, now or after a crash, leads to it.

#include "platform/sim.h"

#include <string.h>

#include "platform/sys.h"

#define FIRST_COOKIE 3 // after those of "." and ".."

static struct sim_entry *entry_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_entry, link);
}

static struct sim_change *change_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_change, link);
}

static struct sim_inode *inode_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_inode, link);
}

// ---- Inodes -----------------------------------------------------------------

struct sim_inode *asyncio__sim_inode_new(struct asyncio_simulator *world,
                                         uint32_t mode)
{
    struct sim_inode *inode = asyncio__sim_alloc(sizeof *inode);
    if (!inode) return NULL;
    inode->references = 1;
    inode->number = ++world->disk.next_number;
    inode->mode = mode;
    inode->changed_ns = inode->modified_ns = world->now_ns;
    list_add_tail(&world->disk.inodes, &inode->link);
    return inode;
}

static void drop_entries(struct asyncio_simulator *world,
                         struct asyncio_link *entries)
{
    struct asyncio_link *link;
    while ((link = list_pop(entries))) {
        struct sim_entry *entry = entry_of(link);
        struct sim_inode *inode = entry->inode;
        asyncio__free(entry);
        asyncio__sim_inode_unref(world, inode);
    }
}

void asyncio__sim_inode_unref(struct asyncio_simulator *world,
                              struct sim_inode *inode)
{
    if (!inode || --inode->references > 0) return;
    list_remove(&inode->link);
    drop_entries(world, &inode->entries);
    drop_entries(world, &inode->durable_entries);
    world->disk.used -= inode->size;
    asyncio__free(inode->data);
    asyncio__free(inode->durable);
    asyncio__free(inode);
}

// ---- Names ------------------------------------------------------------------

struct sim_entry *asyncio__sim_entry(const struct asyncio_link *entries,
                                     const char *name)
{
    list_for_each (link, entries) {
        if (strcmp(entry_of(link)->name, name) == 0) return entry_of(link);
    }
    return NULL;
}

static struct sim_entry *make_entry(struct asyncio_simulator *world,
                                    const char *name)
{
    size_t size = strlen(name) + 1;
    struct sim_entry *entry = asyncio__sim_alloc(sizeof *entry + size);
    if (!entry) return NULL;
    memcpy(entry->name, name, size);
    entry->cookie = FIRST_COOKIE + world->disk.next_cookie++;
    return entry;
}

int asyncio__sim_entry_set(struct asyncio_simulator *world,
                           struct asyncio_link *entries, const char *name,
                           struct sim_inode *inode)
{
    struct sim_entry *entry = asyncio__sim_entry(entries, name);
    struct sim_inode *old = entry ? entry->inode : NULL;
    if (inode && !entry) {
        entry = make_entry(world, name);
        if (!entry) return -ENOMEM;
        list_add_tail(entries, &entry->link);
    }
    if (inode) {
        inode->references++;
        entry->inode = inode;
    } else if (entry) {
        list_remove(&entry->link);
        asyncio__free(entry);
    }
    asyncio__sim_inode_unref(world, old);
    return 0;
}

// ---- The journal ------------------------------------------------------------

static void free_change(struct asyncio_simulator *world,
                        struct sim_change *change)
{
    for (int i = 0; i < 2; i++) {
        asyncio__sim_inode_unref(world, change->name[i].folder);
        asyncio__sim_inode_unref(world, change->name[i].inode);
        asyncio__free(change->name[i].name);
    }
    asyncio__free(change);
}

static bool fill(struct sim_change *change, int i,
                 const struct sim_place *place, struct sim_inode *inode)
{
    if (!place) return true;
    size_t size = strlen(place->name) + 1;
    change->name[i].name = asyncio__sim_alloc(size);
    if (!change->name[i].name) return false;
    memcpy(change->name[i].name, place->name, size);
    change->name[i].folder = place->folder;
    place->folder->references++;
    change->name[i].inode = inode;
    if (inode) inode->references++;
    return true;
}

static int set_now(struct asyncio_simulator *world,
                   const struct sim_place *place, struct sim_inode *inode)
{
    struct sim_inode *old = place->inode, *folder = place->folder;
    int err =
        asyncio__sim_entry_set(world, &folder->entries, place->name, inode);
    if (err < 0) return err;
    if (inode) inode->links++;
    if (inode && S_ISDIR(inode->mode)) inode->parent = folder;
    if (old) old->links--;
    folder->modified_ns = world->now_ns;
    return 0;
}

// A folder that was removed, and is still open, takes no name any more.
static bool is_gone(const struct sim_place *place,
                    const struct sim_inode *inode)
{
    return place && inode && place->folder->links == 0;
}

// The second name is the one that may need memory: then nothing has changed.
int asyncio__sim_change(struct asyncio_simulator *world,
                        const struct sim_place *a, struct sim_inode *a_inode,
                        const struct sim_place *b, struct sim_inode *b_inode)
{
    if (is_gone(a, a_inode) || is_gone(b, b_inode)) return -ENOENT;
    struct sim_change *change = asyncio__sim_alloc(sizeof *change);
    if (!change) return -ENOMEM;
    if (!fill(change, 0, a, a_inode) || !fill(change, 1, b, b_inode)) goto fail;
    // The inodes are held by the change while the names move.
    if (b && set_now(world, b, b_inode) < 0) goto fail;
    if (set_now(world, a, a_inode) < 0) goto fail;
    list_add_tail(&world->disk.journal, &change->link);
    return 0;

fail:
    free_change(world, change);
    return -ENOMEM;
}

// The names of a change in the folders that a crash leaves.
static int make_durable(struct asyncio_simulator *world,
                        struct sim_change *change)
{
    for (int i = 1; i >= 0; i--) {
        struct sim_inode *folder = change->name[i].folder;
        if (!folder) continue;
        int err =
            asyncio__sim_entry_set(world, &folder->durable_entries,
                                   change->name[i].name, change->name[i].inode);
        if (err < 0) return err;
    }
    list_remove(&change->link);
    free_change(world, change);
    return 0;
}

int asyncio__sim_sync_folder(struct asyncio_simulator *world,
                             struct sim_inode *folder)
{
    list_for_each_safe (link, after, &world->disk.journal) {
        struct sim_change *change = change_of(link);
        if (change->name[0].folder != folder &&
            change->name[1].folder != folder)
            continue;
        int err = make_durable(world, change);
        if (err < 0) return err;
    }
    return 0;
}

int asyncio__sim_sync_first(struct asyncio_simulator *world, uint64_t count)
{
    list_for_each_safe (link, after, &world->disk.journal) {
        if (count-- == 0) return 0;
        int err = make_durable(world, change_of(link));
        if (err < 0) return err;
    }
    return 0;
}

void asyncio__sim_forget_changes(struct asyncio_simulator *world)
{
    struct asyncio_link *link;
    while ((link = list_pop(&world->disk.journal)))
        free_change(world, change_of(link));
}

// ---- Bytes ------------------------------------------------------------------

// What the journal alone still holds becomes free when that is written out,
// which is done when it matters.
uint64_t asyncio__sim_room(struct asyncio_simulator *world, uint64_t wanted)
{
    struct sim_disk *disk = &world->disk;
    if (disk->size == 0) return UINT64_MAX;
    if (disk->size - disk->used < wanted)
        asyncio__sim_sync_first(world, UINT64_MAX);
    return disk->size - disk->used;
}

int asyncio__sim_resize(struct asyncio_simulator *world,
                        struct sim_inode *inode, size_t size)
{
    if (size > inode->size &&
        size - inode->size > asyncio__sim_room(world, size - inode->size))
        return -ENOSPC;
    if (size > inode->room) {
        size_t room = inode->room ? inode->room : 512;
        while (room < size)
            room *= 2;
        char *data = asyncio__sim_grow(inode->data, inode->room, room);
        if (!data) return -ENOMEM;
        inode->data = data;
        inode->room = room;
    }
    if (size < inode->size) memset(inode->data + size, 0, inode->size - size);
    world->disk.used += size - inode->size;
    inode->size = size;
    inode->modified_ns = inode->changed_ns = world->now_ns;
    return 0;
}

int asyncio__sim_sync_data(struct sim_inode *inode)
{
    char *copy = NULL;
    if (inode->size > 0) {
        copy = asyncio__sim_alloc(inode->size);
        if (!copy) return -ENOMEM;
        memcpy(copy, inode->data, inode->size);
    }
    asyncio__free(inode->durable);
    inode->durable = copy;
    inode->durable_size = inode->size;
    return 0;
}

// ---- A disk -----------------------------------------------------------------

// A name that has been there for ever.
static struct sim_inode *add(struct asyncio_simulator *world,
                             struct sim_inode *folder, const char *name,
                             uint32_t mode)
{
    struct sim_inode *inode = asyncio__sim_inode_new(world, mode);
    if (!inode) return NULL;
    int err = asyncio__sim_entry_set(world, &folder->entries, name, inode);
    if (err == 0)
        err = asyncio__sim_entry_set(world, &folder->durable_entries, name,
                                     inode);
    inode->links = 1;
    inode->parent = folder;
    asyncio__sim_inode_unref(world, inode); // its names hold it
    return err == 0 ? inode : NULL;
}

bool asyncio__sim_disk_open(struct asyncio_simulator *world)
{
    static const struct {
        const char *name;
        enum sim_device device;
    } devices[] = {{"null", SIM_NULL}, {"zero", SIM_ZERO}, {"full", SIM_FULL}};
    struct sim_inode *root = asyncio__sim_inode_new(world, S_IFDIR | 0755);
    world->disk.root = root;
    world->disk.umask = 022;
    if (!root) return false;
    root->parent = root;
    root->links = 1;
    struct sim_inode *dev = add(world, root, "dev", S_IFDIR | 0755);
    if (!dev || !add(world, root, "tmp", S_IFDIR | 01777)) return false;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        struct sim_inode *inode =
            add(world, dev, devices[i].name, S_IFCHR | 0666);
        if (!inode) return false;
        inode->device = devices[i].device;
    }
    return true;
}

void asyncio__sim_disk_close(struct asyncio_simulator *world)
{
    struct asyncio_link *inodes = &world->disk.inodes;
    asyncio__sim_forget_changes(world);
    if (!world->disk.root) return;
    // Names now and names after a crash may lead in a circle: all are let go of
    // while every inode is held.
    list_for_each (link, inodes)
        inode_of(link)->references++;
    list_for_each (link, inodes) {
        drop_entries(world, &inode_of(link)->entries);
        drop_entries(world, &inode_of(link)->durable_entries);
    }
    asyncio__sim_inode_unref(world, world->disk.root);
    while (!list_empty(inodes))
        asyncio__sim_inode_unref(world, inode_of(list_first(inodes)));
}

// One component after the other: those that are there are gone into.
int asyncio_simulator_make_folder(struct asyncio_simulator *sim,
                                  const char *path)
{
    struct sim_inode *folder = sim->disk.root;
    char name[NAME_MAX + 1];
    if (path[0] != '/') return -EINVAL;
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");
        if (len > NAME_MAX) return -ENAMETOOLONG;
        memcpy(name, path, len);
        name[len] = '\0';
        path += len;
        struct sim_entry *entry = asyncio__sim_entry(&folder->entries, name);
        folder = entry ? entry->inode : add(sim, folder, name, S_IFDIR | 0755);
        if (!folder) return -ENOMEM;
        if (!S_ISDIR(folder->mode)) return -EEXIST;
    }
    return 0;
}
