// Shared memory: a picture that a worker process inverts where it lies.
//
//     cc shared.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

enum { WIDTH = 4096, HEIGHT = 1024 };

// What goes to the worker is this struct; the four megabytes stay.
struct picture {
    struct asyncio_shared pixels;
    int width, height;
};

static int invert(void *arg)
{
    struct picture *picture = arg;
    unsigned char *pixels = asyncio_shared_data(&picture->pixels);
    if (!pixels) return -EFAULT;
    for (int i = 0; i < picture->width * picture->height; i++)
        pixels[i] = (unsigned char)~pixels[i];
    return 0;
}
ASYNCIO_JOB(invert)

static int invert_elsewhere(const struct asyncio_shared *pixels)
{
    struct picture picture = {*pixels, WIDTH, HEIGHT};
    struct asyncio_executor *pool;
    int err = asyncio_process_pool_create(&pool, .max_workers = 1);
    if (err < 0) return err;
    err = asyncio_run_in_executor(pool, invert, &picture,
                                  .size = sizeof picture, .shared = pixels);
    asyncio_executor_shutdown(pool);
    return err;
}

static int async_main(void *arg)
{
    struct asyncio_shared pixels;
    (void)arg;
    int err = asyncio_shared_alloc(&pixels, (size_t)WIDTH * HEIGHT);
    if (err < 0) return err;
    unsigned char *bytes = asyncio_shared_data(&pixels);
    memset(bytes, 1, pixels.size);
    printf("%zu bytes, the last one is %d\n", pixels.size,
           bytes[pixels.size - 1]);
    err = invert_elsewhere(&pixels);
    if (err == 0) err = asyncio_shared_seal(&pixels); // no worker writes now
    if (err == 0) printf("now it is %d\n", bytes[pixels.size - 1]);
    asyncio_shared_free(&pixels);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL, .processes = true);
}
// expect: 4194304 bytes, the last one is 1
// expect: now it is 254
