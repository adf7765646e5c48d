// The memory that a worker process shares with its parent, filled by a worker
// that has turned against it: the parent takes the answer to a job.

#include <stdatomic.h>
#include <string.h>

#include "exec/mailbox.h"
#include "fuzz.h"
#include "task/failure.h"

// Nothing of it moves a cursor.
static void check_words(const char *text)
{
    unsigned char before = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        MUST((*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t');
        MUST(before != 0xc2 || *p < 0x80 || *p >= 0xa0);
        before = *p;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asyncio__mailbox box;
    static const size_t head = offsetof(struct asyncio__mailbox, bytes);
    unsigned char arg[64] = {0};
    struct asyncio__failure *words = NULL;

    // Its words are in the head; behind that are bytes that nobody reads.
    memset(&box, 0, head);
    memcpy(&box, data, size < head ? size : head);
    atomic_store(&box.turn, ASYNCIO__TURN_PARENT);
    int result = asyncio__mailbox_take(&box, arg, sizeof arg, &words);
    if (!words) return 0;
    MUST(result < 0 && words->error.code == result);
    check_words(words->error.text);
    check_words(words->error.task);
    MUST(words->error.site);
    asyncio__failure_unref(words);
    return 0;
}
