// The calls that take locks and give them back, each with a stand-in.
//
// A stand-in makes the real call and keeps the thread's list: a lock that was
// taken is added, one that was given back is taken out, wherever in the list it
// is. The list belongs to the thread, so nobody else looks at it. It has a
// bound: locks beyond it are not seen.

#include "platform/held_locks.h"

#include <pthread.h>
#include <string.h>
#include <threads.h>
#include <time.h>

#include "platform/redirect.h"

static _Thread_local struct {
    struct asyncio__held_lock locks[ASYNCIO__HELD_LOCKS];
    size_t count;
    size_t shown; // the first so many were handed out
} held;

bool asyncio__next_held_lock(struct asyncio__held_lock *lock)
{
    if (held.shown == held.count) return false;
    *lock = held.locks[held.shown++];
    return true;
}

// A lock whose owner died is held all the same.
static void took(int err, const void *lock, const void *place)
{
    if (err != 0 && err != EOWNERDEAD) return;
    if (held.count == ASYNCIO__HELD_LOCKS) return;
    held.locks[held.count++] = (struct asyncio__held_lock){lock, place};
}

static void gave_back(int err, const void *lock)
{
    if (err != 0) return;
    size_t i = held.count;
    while (i > 0 && held.locks[i - 1].lock != lock)
        i--;
    if (i == 0) return; // taken before anybody watched, or elsewhere
    memmove(&held.locks[i - 1], &held.locks[i],
            (held.count - i) * sizeof *held.locks);
    held.count--;
    if (held.shown >= i) held.shown--;
}

// Every function: X(how it is called, its name, the type of its lock).
#define FUNCTIONS(X)                                                           \
    X(TAKE, pthread_mutex_lock, pthread_mutex_t)                               \
    X(TAKE, pthread_mutex_trylock, pthread_mutex_t)                            \
    X(TAKE_UNTIL, pthread_mutex_timedlock, pthread_mutex_t)                    \
    X(TAKE_UNTIL_BY, pthread_mutex_clocklock, pthread_mutex_t)                 \
    X(GIVE, pthread_mutex_unlock, pthread_mutex_t)                             \
    X(TAKE, pthread_rwlock_rdlock, pthread_rwlock_t)                           \
    X(TAKE, pthread_rwlock_tryrdlock, pthread_rwlock_t)                        \
    X(TAKE_UNTIL, pthread_rwlock_timedrdlock, pthread_rwlock_t)                \
    X(TAKE_UNTIL_BY, pthread_rwlock_clockrdlock, pthread_rwlock_t)             \
    X(TAKE, pthread_rwlock_wrlock, pthread_rwlock_t)                           \
    X(TAKE, pthread_rwlock_trywrlock, pthread_rwlock_t)                        \
    X(TAKE_UNTIL, pthread_rwlock_timedwrlock, pthread_rwlock_t)                \
    X(TAKE_UNTIL_BY, pthread_rwlock_clockwrlock, pthread_rwlock_t)             \
    X(GIVE, pthread_rwlock_unlock, pthread_rwlock_t)                           \
    X(TAKE, pthread_spin_lock, pthread_spinlock_t)                             \
    X(TAKE, pthread_spin_trylock, pthread_spinlock_t)                          \
    X(GIVE, pthread_spin_unlock, pthread_spinlock_t)                           \
    X(TAKE, mtx_lock, mtx_t)                                                   \
    X(TAKE, mtx_trylock, mtx_t)                                                \
    X(TAKE_UNTIL, mtx_timedlock, mtx_t)                                        \
    X(GIVE, mtx_unlock, mtx_t)

#define INDEX(how, name, type) INDEX_##name,
enum { FUNCTIONS(INDEX) COUNT };

static struct asyncio__redirection redirections[COUNT];

#define REAL(name, ...)                                                        \
    ((int (*)(__VA_ARGS__))(uintptr_t)redirections[INDEX_##name].real)

#define TAKE(name, type)                                                       \
    static int stand_in_##name(type *lock)                                     \
    {                                                                          \
        int err = REAL(name, type *)(lock);                                    \
        took(err, (const void *)(uintptr_t)lock, __builtin_return_address(0)); \
        return err;                                                            \
    }
#define TAKE_UNTIL(name, type)                                                 \
    static int stand_in_##name(type *lock, const struct timespec *until)       \
    {                                                                          \
        int err = REAL(name, type *, const struct timespec *)(lock, until);    \
        took(err, lock, __builtin_return_address(0));                          \
        return err;                                                            \
    }
#define TAKE_UNTIL_BY(name, type)                                              \
    static int stand_in_##name(type *lock, clockid_t clock,                    \
                               const struct timespec *until)                   \
    {                                                                          \
        int err = REAL(name, type *, clockid_t,                                \
                       const struct timespec *)(lock, clock, until);           \
        took(err, lock, __builtin_return_address(0));                          \
        return err;                                                            \
    }
#define GIVE(name, type)                                                       \
    static int stand_in_##name(type *lock)                                     \
    {                                                                          \
        int err = REAL(name, type *)(lock);                                    \
        gave_back(err, (const void *)(uintptr_t)lock);                         \
        return err;                                                            \
    }
#define DEFINE(how, name, type) how(name, type)
FUNCTIONS(DEFINE)

#define ENTRY(how, name, type)                                                 \
    [INDEX_##name] = {#name, (void *)(uintptr_t)stand_in_##name, NULL},
static struct asyncio__redirection redirections[COUNT] = {FUNCTIONS(ENTRY)};

static pthread_mutex_t watching_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned watching;

// Each one that begins to watch reaches what was loaded since the last.
void asyncio__locks_watch(void)
{
    pthread_mutex_lock(&watching_lock);
    watching++;
    asyncio__redirect(redirections, COUNT);
    pthread_mutex_unlock(&watching_lock);
}

// What this thread has taken, and gives back unseen, is forgotten.
void asyncio__locks_unwatch(void)
{
    pthread_mutex_lock(&watching_lock);
    bool last = --watching == 0;
    if (last) asyncio__redirect_back(redirections, COUNT);
    pthread_mutex_unlock(&watching_lock);
    if (last) held.count = held.shown = 0;
}
