// What a disk has kept when its power comes back.
//
// Names: those that were made durable, and of the changes since then the first
// few, as a journal has them. Bytes: of each file, sector by sector, what was
// there at the last fsync or what was written since; and a size between the
// two, unless it is the same. Everything that only the kernel's memory knew is
// gone, and open files with it.

#include "platform/sim.h"

#include <string.h>

#include "platform/sys.h"

#define SECTOR 512

static struct sim_inode *inode_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_inode, link);
}

// ---- Bytes ------------------------------------------------------------------

static size_t kept_size(struct asyncio_simulator *world,
                        const struct sim_inode *inode)
{
    size_t least = inode->durable_size, most = inode->size;
    if (least == most) return least;
    if (least > most) {
        least = inode->size;
        most = inode->durable_size;
    }
    // The old one, the new one, or the end of some sector between them.
    switch (asyncio__sim_below(world, 3)) {
    case 0: return inode->durable_size;
    case 1: return inode->size;
    default: break;
    }
    size_t size = least + (size_t)asyncio__sim_below(world, most - least + 1);
    size = size / SECTOR * SECTOR;
    return size < least ? least : size;
}

// Bytes of one state within a sector; beyond its end there are zeros.
static void copy_sector(char *to, size_t offset, size_t len, const char *from,
                        size_t size)
{
    memset(to + offset, 0, len);
    if (offset >= size) return;
    size_t n = size - offset;
    memcpy(to + offset, from + offset, n < len ? n : len);
}

static bool tear(struct asyncio_simulator *world, struct sim_inode *inode)
{
    size_t size = kept_size(world, inode);
    char *data = size > 0 ? asyncio__sim_alloc(size) : NULL;
    if (size > 0 && !data) return false;
    for (size_t at = 0; at < size; at += SECTOR) {
        size_t len = size - at < SECTOR ? size - at : SECTOR;
        if (asyncio__sim_below(world, 2) == 0)
            copy_sector(data, at, len, inode->data, inode->size);
        else
            copy_sector(data, at, len, inode->durable, inode->durable_size);
    }
    asyncio__free(inode->durable);
    inode->durable = data;
    inode->durable_size = size;
    return true;
}

static bool is_changed(const struct sim_inode *inode)
{
    if (inode->size != inode->durable_size) return true;
    return inode->size > 0 &&
           memcmp(inode->data, inode->durable, inode->size) != 0;
}

static bool tear_all(struct asyncio_simulator *world)
{
    list_for_each (link, &world->disk.inodes) {
        struct sim_inode *inode = inode_of(link);
        if (S_ISREG(inode->mode) && is_changed(inode) && !tear(world, inode))
            return false;
    }
    return true;
}

// ---- Names ------------------------------------------------------------------

static int copy_entries(struct asyncio_simulator *world,
                        struct asyncio_link *to,
                        const struct asyncio_link *from)
{
    list_for_each (link, from) {
        const struct sim_entry *entry =
            list_entry(link, struct sim_entry, link);
        int err = asyncio__sim_entry_set(world, to, entry->name, entry->inode);
        if (err < 0) return err;
    }
    return 0;
}

static void drop_entries(struct asyncio_simulator *world,
                         struct asyncio_link *entries)
{
    while (!list_empty(entries)) {
        struct sim_entry *entry =
            list_entry(list_first(entries), struct sim_entry, link);
        asyncio__sim_entry_set(world, entries, entry->name, NULL);
    }
}

// Those that the folder has now replace what it had.
static int restore_names(struct asyncio_simulator *world,
                         struct sim_inode *folder)
{
    struct asyncio_link entries = {0};
    int err = copy_entries(world, &entries, &folder->durable_entries);
    if (err < 0) {
        drop_entries(world, &entries);
        return err;
    }
    drop_entries(world, &folder->entries);
    list_splice(&folder->entries, &entries);
    list_for_each (link, &folder->entries) {
        struct sim_inode *inode =
            list_entry(link, struct sim_entry, link)->inode;
        inode->links++;
        if (S_ISDIR(inode->mode)) inode->parent = folder;
    }
    return 0;
}

static int restore(struct asyncio_simulator *world, struct sim_inode *inode)
{
    if (S_ISDIR(inode->mode)) return restore_names(world, inode);
    if (!S_ISREG(inode->mode)) return 0;
    int err = asyncio__sim_resize(world, inode, inode->durable_size);
    if (err < 0) return err;
    if (inode->size > 0) memcpy(inode->data, inode->durable, inode->size);
    return 0;
}

// An inode stays while it is worked on, and so does the next one.
static int restore_all(struct asyncio_simulator *world)
{
    int err = 0;
    struct asyncio_link *inodes = &world->disk.inodes;
    list_for_each (link, inodes) {
        inode_of(link)->references++;
        inode_of(link)->links = 0;
    }
    world->disk.root->links = 1;
    list_for_each (link, inodes) {
        if (err == 0) err = restore(world, inode_of(link));
    }
    list_for_each_safe (link, after, inodes) {
        // The last reference may free those below it, but none after it that
        // is still held.
        asyncio__sim_inode_unref(world, inode_of(link));
    }
    return err;
}

int asyncio_simulator_crash(struct asyncio_simulator *sim)
{
    uint64_t changes = list_count(&sim->disk.journal);
    uint64_t kept = asyncio__sim_below(sim, changes + 1);
    if (!tear_all(sim)) return -ENOMEM;
    int err = asyncio__sim_sync_first(sim, kept);
    if (err < 0) return err;

    asyncio__sim_forget_changes(sim);
    sim->disk.crashes++;
    asyncio__sim_note(sim, "crash", (int64_t)changes, (int64_t)kept);
    return restore_all(sim);
}
