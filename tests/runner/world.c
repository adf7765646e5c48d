// The simulated world of a test on the poller `sim`: one for all of its loops,
// with its seed, and with its folder.

#include <fcntl.h>
#include <string.h>

#include <asyncio/simulator.h>

#include "platform/sim.h"
#include "runner/run.h"

static struct asyncio_simulator *world;

int test__world_open(const struct test__run *run)
{
    if (strcmp(test_backend(), "sim") != 0) return 0;
    int err = asyncio_simulator_create(&world, .seed = run->seed);
    if (err == 0) err = asyncio_simulator_make_folder(world, test_folder());
    if (err == 0) asyncio_simulator_use(world);
    return err;
}

// What is left in the folder, and what is open, is named before the world ends
// and takes it along.
static void miss_removed(void)
{
    struct sim_place place;
    if (asyncio__sim_walk(world, AT_FDCWD, test_folder(), true, &place) < 0 ||
        !place.inode)
        return;
    list_for_each (link, &place.inode->entries) {
        atomic_fetch_add(&test__outcome->leaks, 1);
        test__note("leak: %s is still in the test's folder",
                   list_entry(link, struct sim_entry, link)->name);
    }
}

static void miss_closed(void)
{
    for (size_t i = 0; i < world->files_size; i++) {
        if (!world->files[i]) continue;
        atomic_fetch_add(&test__outcome->leaks, 1);
        test__note("leak: descriptor %zu of the simulated world is open: %s", i,
                   world->files[i]->kind->name);
    }
}

void test__world_close(void)
{
    if (!world) return;
    miss_removed();
    miss_closed();
    asyncio_simulator_use(NULL);
    asyncio_simulator_free(world);
    world = NULL;
}
