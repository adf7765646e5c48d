// Loaded objects as the dynamic linker lists them, and the registry of jobs.

#include "exec/objects.h"

#include <asyncio/executor.h>

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "exec/job.h"
#include "platform/sys.h"

// One stretch of code of one object.
struct asyncio__object {
    uintptr_t start, end;
    uintptr_t base; // where its object was loaded
    uint64_t name;  // a hash of its path
    bool program;   // no library: it is there as long as the process
};

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static struct asyncio__object object_of(const struct dl_phdr_info *info,
                                        const ElfW(Phdr) * header)
{
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    return (struct asyncio__object){.start = start,
                                    .end = start + header->p_memsz,
                                    .base = info->dlpi_addr,
                                    .name = hash(info->dlpi_name),
                                    .program = !info->dlpi_name[0]};
}

// --- snapshots --------------------------------------------------------------

// Counts, where there is no memory yet; else fills in. A second walk finds what
// the first one counted: there is one thread.
static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct asyncio__objects *objects = arg;
    (void)size;

    objects->removed = info->dlpi_subs;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
        if (objects->all)
            objects->all[objects->count] = object_of(info, header);
        objects->count++;
    }
    return 0;
}

int asyncio__objects_take(struct asyncio__objects *objects)
{
    *objects = (struct asyncio__objects){0};
    dl_iterate_phdr(add_object, objects);
    objects->all = asyncio__alloc_array(objects->count, sizeof *objects->all);
    if (!objects->all) return -ENOMEM;
    objects->count = 0;
    dl_iterate_phdr(add_object, objects);
    return 0;
}

void asyncio__objects_drop(struct asyncio__objects *objects)
{
    asyncio__free(objects->all);
    *objects = (struct asyncio__objects){0};
}

// What is asked of the objects that are loaded now.
struct question {
    uintptr_t address;
    const struct asyncio__object *then; // what was there at the fork
    unsigned long long removed;
    bool same; // it is there still
};

static int compare_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct question *question = arg;
    (void)size;

    question->removed = info->dlpi_subs;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        struct asyncio__object now = object_of(info, &info->dlpi_phdr[i]);
        if (info->dlpi_phdr[i].p_type == PT_LOAD &&
            now.start == question->then->start &&
            now.end == question->then->end &&
            now.base == question->then->base &&
            now.name == question->then->name)
            question->same = true;
    }
    return 0;
}

// An object that was unloaded may have left its addresses to another one.
bool asyncio__objects_have(const struct asyncio__objects *objects,
                           int (*fn)(void *arg))
{
    uintptr_t address = (uintptr_t)fn;

    for (size_t i = 0; i < objects->count; i++) {
        const struct asyncio__object *object = &objects->all[i];
        if (address < object->start || address >= object->end) continue;
        if (object->program) return true;

        struct question question = {.address = address, .then = object};
        dl_iterate_phdr(compare_object, &question);
        return question.removed == objects->removed || question.same;
    }
    return false;
}

// --- constants --------------------------------------------------------------

struct constant {
    uintptr_t address;
    const char *text;
};

static int find_constant(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct constant *constant = arg;
    (void)size;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD) continue;
        if (!(header->p_flags & PF_R) || header->p_flags & PF_W) continue;

        struct asyncio__object part = object_of(info, header);
        if (constant->address < part.start || constant->address >= part.end)
            continue;
        const char *text = (const char *)constant->address;
        if (memchr(text, 0, part.end - constant->address))
            constant->text = text;
    }
    return constant->text[0] != '\0';
}

const char *asyncio__objects_constant(uint64_t address)
{
    struct constant constant = {.address = (uintptr_t)address, .text = ""};
    dl_iterate_phdr(find_constant, &constant);
    return constant.text;
}

// --- jobs by name -----------------------------------------------------------

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct asyncio_job *jobs; // the latest first

void asyncio_job_register(struct asyncio_job *job)
{
    pthread_mutex_lock(&lock);
    job->next_ = jobs;
    jobs = job;
    pthread_mutex_unlock(&lock);
}

void asyncio_job_unregister(struct asyncio_job *job)
{
    pthread_mutex_lock(&lock);
    struct asyncio_job **place = &jobs;
    while (*place && *place != job)
        place = &(*place)->next_;
    if (*place) *place = job->next_;
    pthread_mutex_unlock(&lock);
}

static bool registered_name(int (*fn)(void *arg), char *buffer, size_t size)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (const struct asyncio_job *job = jobs; job && !found;
         job = job->next_) {
        found = job->fn == fn;
        if (found) snprintf(buffer, size, "%s", job->name);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

// A place that addr2line understands.
static void describe_place(uintptr_t address, const Dl_info *info, char *buffer,
                           size_t size)
{
    const char *slash = strrchr(info->dli_fname, '/');
    snprintf(buffer, size, "%s+0x%zx", slash ? slash + 1 : info->dli_fname,
             (size_t)(address - (uintptr_t)info->dli_fbase));
}

char *asyncio__job_name(int (*fn)(void *arg), char *buffer, size_t size)
{
    uintptr_t address = (uintptr_t)fn;
    Dl_info info;

    if (registered_name(fn, buffer, size)) return buffer;
    if (!dladdr((const void *)address, &info))
        snprintf(buffer, size, "0x%zx", (size_t)address);
    else if (info.dli_sname && (uintptr_t)info.dli_saddr == address)
        snprintf(buffer, size, "%s", info.dli_sname);
    else
        describe_place(address, &info, buffer, size);
    return buffer;
}
