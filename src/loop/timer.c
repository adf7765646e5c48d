// The timer wheel.
//
// What stays true: a timer in the wheel has a deadline after `now_ns`, and its
// level and slot follow from these two numbers alone, as long as `now_ns` has
// not entered its slot; entering it empties it. So a timer needs no note of
// where it is.

#include "loop/timer.h"

#include <assert.h>
#include <math.h>

#include "platform/sys.h"

#define SLOT_BITS 6
#define SLOTS     (1U << SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)

// More timers than this in the first slot in use are not searched for the
// earliest: the loop wakes when the slot begins, and spreads them.
#define SEARCH_MAX 16

// What is due in one slot is put in order by this many steps for each at most.
#define SORT_STEPS_MAX 8

#define FETCHED_LINES 3 // of the cache

static struct asyncio__timer *timer_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__timer, link);
}

static unsigned level_of(int64_t now_ns, int64_t when_ns)
{
    uint64_t differs = (uint64_t)now_ns ^ (uint64_t)when_ns;
    return (63U - (unsigned)__builtin_clzll(differs)) / SLOT_BITS;
}

static unsigned slot_of(unsigned level, int64_t when_ns)
{
    return (unsigned)((uint64_t)when_ns >> (SLOT_BITS * level)) & SLOT_MASK;
}

// The first nanosecond of a slot that lies ahead.
static int64_t slot_start(const struct asyncio__timers *timers, unsigned level,
                          unsigned slot)
{
    unsigned shift = SLOT_BITS * level;
    uint64_t above = 0;
    if (shift + SLOT_BITS < 64)
        above = (uint64_t)timers->now_ns >> (shift + SLOT_BITS)
                                                << (shift + SLOT_BITS);
    return (int64_t)(above | (uint64_t)slot << shift);
}

static struct asyncio_link *list_of(struct asyncio__timer_slot *slot,
                                    int64_t when_ns)
{
    return &slot->lists[(uint64_t)when_ns % ASYNCIO__SLOT_LISTS];
}

static void place(struct asyncio__timers *timers, struct asyncio__timer *timer)
{
    unsigned level = level_of(timers->now_ns, timer->when_ns);
    unsigned slot = slot_of(level, timer->when_ns);
    list_add_tail(list_of(&timers->slots[level][slot], timer->when_ns),
                  &timer->link);
    timers->used[level] |= UINT64_C(1) << slot;
    timers->levels |= UINT64_C(1) << level;
}

// Some timer of the slot, or NULL.
static struct asyncio_link *slot_first(const struct asyncio__timer_slot *slot)
{
    for (int i = 0; i < ASYNCIO__SLOT_LISTS; i++)
        if (!list_empty(&slot->lists[i])) return list_first(&slot->lists[i]);
    return NULL;
}

static void slot_emptied(struct asyncio__timers *timers, unsigned level,
                         unsigned slot)
{
    timers->used[level] &= ~(UINT64_C(1) << slot);
    if (!timers->used[level]) timers->levels &= ~(UINT64_C(1) << level);
}

// Keeps `due` in order of deadlines; mostly the newest is the latest.
static void place_due(struct asyncio__timers *timers,
                      struct asyncio__timer *timer)
{
    struct asyncio_link *place = &timers->due;
    struct asyncio_link *before = list_last(&timers->due);
    while (before && before != &timers->due &&
           timer_of(before)->when_ns > timer->when_ns) {
        place = before;
        before = before->prev;
    }
    if (place == &timers->due)
        list_add_tail(&timers->due, &timer->link);
    else
        list_insert_before(place, &timer->link);
}

void asyncio__timer_arm(struct asyncio__timers *timers,
                        struct asyncio__timer *timer, int64_t when_ns)
{
    assert(!asyncio__timer_armed(timer));
    assert(when_ns != ASYNCIO__NEVER);

    timer->when_ns = when_ns;
    timers->count++;
    asyncio__sys_made(ASYNCIO__TIMER, (uintptr_t)timer, 0, __func__);
    if (when_ns > timers->now_ns)
        place(timers, timer);
    else
        place_due(timers, timer);
}

void asyncio__timers_clock_read(struct asyncio__timers *timers)
{
    struct asyncio_link *link;
    while ((link = list_pop(&timers->waiting))) {
        timers->count--;
        asyncio__sys_gone(ASYNCIO__TIMER, (uintptr_t)timer_of(link));
        timer_of(link)->fire(timer_of(link));
    }
}

void asyncio__timer_disarm(struct asyncio__timers *timers,
                           struct asyncio__timer *timer)
{
    if (!asyncio__timer_armed(timer)) return;

    // Alone in its list, it has the head on both sides.
    struct asyncio_link *head = timer->link.next;
    bool alone = head == timer->link.prev;
    list_remove(&timer->link);
    timers->count--;
    asyncio__sys_gone(ASYNCIO__TIMER, (uintptr_t)timer);
    if (!alone || timer->when_ns <= timers->now_ns) return; // or in no slot
    size_t index =
        (size_t)(head - timers->slots[0][0].lists) / ASYNCIO__SLOT_LISTS;
    unsigned level = (unsigned)index / SLOTS, slot = (unsigned)index % SLOTS;
    if (!slot_first(&timers->slots[level][slot]))
        slot_emptied(timers, level, slot);
}

int64_t asyncio__timers_next(const struct asyncio__timers *timers)
{
    if (!list_empty(&timers->due))
        return timer_of(list_first(&timers->due))->when_ns;
    if (!timers->levels) return ASYNCIO__NEVER;

    unsigned level = (unsigned)__builtin_ctzll(timers->levels);
    unsigned slot = (unsigned)__builtin_ctzll(timers->used[level]);
    int64_t first = ASYNCIO__NEVER;
    int searched = 0;
    for (int i = 0; i < ASYNCIO__SLOT_LISTS; i++) {
        list_for_each (link, &timers->slots[level][slot].lists[i]) {
            if (++searched > SEARCH_MAX) return slot_start(timers, level, slot);
            if (timer_of(link)->when_ns < first)
                first = timer_of(link)->when_ns;
        }
    }
    return first;
}

// A timer that has expired is about to fire, and most are a task's: what its
// wake touches lies before the timer.
static void fetch_owner(const struct asyncio__timer *timer)
{
    for (int i = 1; i <= FETCHED_LINES; i++)
        __builtin_prefetch((const char *)timer - 64 * (ptrdiff_t)i, 1);
}

// The list whose first is due first, or NULL.
static struct asyncio_link *earliest(struct asyncio__timer_slot *slot)
{
    struct asyncio_link *found = NULL;
    int64_t first = ASYNCIO__NEVER;
    for (int i = 0; i < ASYNCIO__SLOT_LISTS; i++) {
        struct asyncio_link *link = list_first(&slot->lists[i]);
        if (!link || timer_of(link)->when_ns >= first) continue;
        first = timer_of(link)->when_ns;
        found = &slot->lists[i];
    }
    return found;
}

// Puts the first of `list` into `sorted`, behind those that are due at the same
// time. False: its place is too far from the end.
static bool sort_first(struct asyncio_link *list, struct asyncio_link *sorted)
{
    struct asyncio_link *link = list_first(list);
    struct asyncio_link *place = sorted, *before = list_last(sorted);
    for (int steps = 0; before && before != sorted; steps++) {
        if (timer_of(before)->when_ns <= timer_of(link)->when_ns) break;
        if (steps == SORT_STEPS_MAX) return false;
        place = before;
        before = before->prev;
    }
    list_remove(link);
    if (place == sorted)
        list_add_tail(sorted, link);
    else
        list_insert_before(place, link);
    return true;
}

// Puts those who stand in order in front of the others.
static void unsort(struct asyncio__timer_slot *slot,
                   struct asyncio_link *sorted)
{
    struct asyncio_link *link;
    while ((link = list_last(sorted))) {
        list_remove(link);
        list_add_head(list_of(slot, timer_of(link)->when_ns), link);
    }
}

// Moves a slot to `expired` of which all is due. Sorting what is few, or nearly
// in order, costs less than to go through one level after the other. False: it
// is neither, and is as it was, but for some that stand in order.
static bool take_slot(struct asyncio__timers *timers, unsigned level,
                      unsigned slot, struct asyncio_link *expired)
{
    struct asyncio__timer_slot *inside = &timers->slots[level][slot];
    struct asyncio_link sorted = {NULL, NULL}, *list;
    while ((list = earliest(inside))) {
        fetch_owner(timer_of(list_first(list)));
        if (!sort_first(list, &sorted)) {
            unsort(inside, &sorted);
            return false;
        }
    }
    list_splice(expired, &sorted);
    slot_emptied(timers, level, slot);
    return true;
}

static void move_down(struct asyncio__timers *timers, struct asyncio_link *link,
                      struct asyncio_link *expired)
{
    if (timer_of(link)->when_ns > timers->now_ns) {
        place(timers, timer_of(link));
    } else {
        fetch_owner(timer_of(link));
        list_add_tail(expired, link);
    }
}

// Enters the slot that comes next, moving what is due to `expired` and the rest
// to lower levels.
static void enter_slot(struct asyncio__timers *timers, unsigned level,
                       unsigned slot, struct asyncio_link *expired)
{
    struct asyncio__timer_slot inside = {0};
    for (int i = 0; i < ASYNCIO__SLOT_LISTS; i++)
        list_splice(&inside.lists[i], &timers->slots[level][slot].lists[i]);
    slot_emptied(timers, level, slot);

    struct asyncio_link *link;
    while (slot_first(&inside))
        for (int i = 0; i < ASYNCIO__SLOT_LISTS; i++)
            if ((link = list_pop(&inside.lists[i])))
                move_down(timers, link, expired);
}

static void advance(struct asyncio__timers *timers, int64_t now_ns,
                    struct asyncio_link *expired)
{
    while (timers->levels) {
        unsigned level = (unsigned)__builtin_ctzll(timers->levels);
        unsigned slot = (unsigned)__builtin_ctzll(timers->used[level]);
        int64_t start = slot_start(timers, level, slot);
        if (start > now_ns) break;
        timers->now_ns = start;
        bool over = now_ns - start >= INT64_C(1) << (SLOT_BITS * level);
        if (over && take_slot(timers, level, slot, expired)) continue;
        enter_slot(timers, level, slot, expired);
    }
    timers->now_ns = now_ns;
}

void asyncio__timers_run(struct asyncio__timers *timers, int64_t now_ns)
{
    // While it fires, an expired timer may be disarmed by another one: it then
    // leaves this list, whose head is here.
    struct asyncio_link expired = {NULL, NULL};
    list_splice(&expired, &timers->due);
    if (now_ns > timers->now_ns) advance(timers, now_ns, &expired);

    struct asyncio_link *link;
    while ((link = list_pop(&expired))) {
        timers->count--;
        asyncio__sys_gone(ASYNCIO__TIMER, (uintptr_t)timer_of(link));
        timer_of(link)->fire(timer_of(link));
    }
}

// The first nanosecond that is not before `when`. The product is rounded, by
// much less than `blur`: where it lies clearly between two, it is the later
// one; else it is looked for with what users see, (double)ns / 1e9.
static inline int64_t first_ns(double when)
{
    double product = when * 1e9;
    int64_t ns = (int64_t)product;
    double part = product - (double)ns, blur = product * 0x1p-50;
    if (part > blur && part < 1 - blur) return ns + 1;

    while ((double)ns / 1e9 >= when && ns > 0)
        ns--;
    while ((double)ns / 1e9 < when)
        ns++;
    return ns;
}

int asyncio__deadline_at(double when, int64_t *when_ns)
{
    if (when > 0 && when < 9.2e9) {
        *when_ns = first_ns(when);
        return 0;
    }
    if (isnan(when)) return -EINVAL;
    if (isinf(when) && when > 0) {
        *when_ns = ASYNCIO__NEVER;
        return 0;
    }
    *when_ns = 0;
    return when > 0 ? -EINVAL : 0;
}

int asyncio__deadline_in(int64_t now_ns, double seconds, double *when,
                         int64_t *when_ns)
{
    *when = (double)now_ns / 1e9 + seconds;
    if (seconds <= 0) { // and not NaN
        *when_ns = now_ns;
        return 0;
    }
    int err = asyncio__deadline_at(*when, when_ns);
    if (err == 0 && *when_ns < now_ns) *when_ns = now_ns;
    return err;
}

struct asyncio__timer *asyncio__timers_any(const struct asyncio__timers *timers)
{
    if (!list_empty(&timers->due)) return timer_of(list_first(&timers->due));
    if (!list_empty(&timers->waiting))
        return timer_of(list_first(&timers->waiting));
    if (!timers->levels) return NULL;
    unsigned level = (unsigned)__builtin_ctzll(timers->levels);
    unsigned slot = (unsigned)__builtin_ctzll(timers->used[level]);
    return timer_of(slot_first(&timers->slots[level][slot]));
}
