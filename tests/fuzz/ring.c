// The memory that a worker process shares with its parent, written by a worker
// that has turned against it: the parent keeps its account of the jobs, and
// takes answers and words that harm nobody.
//
// The input is a story: each byte is what happens next, and those behind it are
// what it happens with.

#include <string.h>
#include <unistd.h>

#include "exec/job.h"
#include "exec/ring.h"
#include "fuzz.h"
#include "task/failure.h"

#define STEPS_MAX 200

struct story {
    const uint8_t *at;
    size_t len;
    struct asyncio__ring ring;
    struct asyncio__job *jobs[STEPS_MAX]; // those in the ring, in order
    size_t count;
};

static unsigned next(struct story *story)
{
    if (story->len == 0) return 0;
    story->len--;
    return *story->at++;
}

// ---- The parent -------------------------------------------------------------

static int work(void *arg)
{
    (void)arg;
    return 0;
}

// Its argument is memory of just that size, beyond which ASan sees each write.
static void send_job(struct story *story)
{
    size_t size = (next(story) | next(story) << 8) % 5000;
    if (!asyncio__ring_fits(&story->ring, size)) return;
    struct asyncio__job *job = calloc(1, sizeof *job);
    void *arg = calloc(1, size);
    MUST(job && arg);
    job->fn = work;
    job->arg = arg;
    job->size = size;
    asyncio__ring_send(&story->ring, job);
    story->jobs[story->count++] = job;
}

// Nothing in the words moves a cursor.
static void check_words(const char *text)
{
    unsigned char before = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        MUST((*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t');
        MUST(before != 0xc2 || *p < 0x80 || *p >= 0xa0);
        before = *p;
    }
}

// It has left the ring, and was number `index` in it.
static void forget(struct story *story, struct asyncio__job *job, size_t index)
{
    MUST(index < story->count && story->jobs[index] == job);
    if (job->failure) {
        check_words(job->failure->error.text);
        check_words(job->failure->error.task);
        MUST(job->failure->error.site);
        asyncio__failure_unref(job->failure);
    }
    free(job->arg);
    free(job);
    story->count--;
    memmove(&story->jobs[index], &story->jobs[index + 1],
            (story->count - index) * sizeof *story->jobs);
}

static void take_answer(struct story *story)
{
    int result = 0;
    struct asyncio__job *job = asyncio__ring_take(&story->ring, &result);
    if (!job) return;
    MUST(result < 0 || !job->failure);
    forget(story, job, 0);
}

static void take_back(struct story *story)
{
    if (story->count == 0) return;
    size_t index = next(story) % story->count;
    struct asyncio__job *job = story->jobs[index];
    if (asyncio__ring_withdraw(&story->ring, job)) forget(story, job, index);
}

// ---- The worker -------------------------------------------------------------

// Writes what it likes, where it matters: slots and words.
static void scribble(struct story *story)
{
    struct asyncio__mailbox *box = story->ring.box;
    size_t size = offsetof(struct asyncio__mailbox, bytes);
    size_t at = (next(story) | next(story) << 8 | next(story) << 16) % size;
    size_t len = next(story);
    if (len > size - at) len = size - at;
    if (len > story->len) len = story->len;
    memcpy((unsigned char *)box + at, story->at, len);
    story->at += len;
    story->len -= len;
}

// The oldest job fails, with the bytes that follow for its words.
static void answer(struct story *story)
{
    struct asyncio__job *job = asyncio__ring_oldest(&story->ring);
    if (!job) return;
    struct asyncio__mailbox *box = story->ring.box;
    struct asyncio__slot *slot = asyncio__slot_of(box, job->number);
    struct asyncio__words *words =
        &box->words[job->number % ASYNCIO__MAILBOX_SLOTS];
    size_t len = next(story);
    if (len > story->len) len = story->len;
    memcpy(words->text, story->at, len);
    slot->result = (int32_t)next(story) - 200;
    atomic_store(&slot->state,
                 asyncio__slot_state(job->number, ASYNCIO__SLOT_ANSWERED));
}

// ---- The story --------------------------------------------------------------

static void step(struct story *story)
{
    struct asyncio__job *job;
    switch (next(story) % 8) {
    case 0:
    case 1: send_job(story); break;
    case 2: scribble(story); break;
    case 3: answer(story); break;
    case 4: take_answer(story); break;
    case 5: take_back(story); break;
    case 6:
        job = asyncio__ring_drop_oldest(&story->ring);
        if (job) forget(story, job, 0);
        break;
    default:
        job = asyncio__ring_drop_latest(&story->ring);
        if (job) forget(story, job, story->count - 1);
        break;
    }
    MUST(story->ring.count == story->count);
    MUST(asyncio__ring_oldest(&story->ring) ==
         (story->count ? story->jobs[0] : NULL));
    MUST(asyncio__ring_latest(&story->ring) ==
         (story->count ? story->jobs[story->count - 1] : NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story story = {.at = data, .len = size};
    int memory;
    if (asyncio__ring_open(&story.ring, &memory) < 0) return 0;
    close(memory);
    for (int i = 0; i < STEPS_MAX && story.len > 0; i++)
        step(&story);
    while (story.count > 0)
        forget(&story, asyncio__ring_drop_oldest(&story.ring), 0);
    asyncio__ring_close(&story.ring);
    return 0;
}
