// From other threads into a loop: callbacks and coroutines, what a cancel from
// there does, and loops that have ended.
//
// The loop is kept awake by threads alone, so no timer may be armed while one
// is awaited: virtual time would jump.

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <asyncio/threadsafe.h>

#include "threads.h"

// --- callbacks --------------------------------------------------------------

static int note(void *arg)
{
    trace("%s", (const char *)arg);
    return 0;
}

TEST(call_from_the_loops_own_thread_keeps_its_place)
{
    CONFORMS("TSAFE-01");
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, note, "threadsafe"), 0);
    EXPECT_EQ(asyncio_call_soon(note, "plain"), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_ignore(asyncio_sleep(0));
    EXPECT_TRACE("threadsafe", "plain");
}

#define MANY 1000

struct flood {
    struct asyncio_loop *loop;
    int numbers[MANY];
    int sent, next;
    bool in_order;
    struct asyncio_future over;
};

static struct flood flood;
static struct asyncio_event many_here; // set now and then, and by the last

static int arrive(void *arg)
{
    if (*(int *)arg != flood.next) flood.in_order = false;
    if (++flood.next == MANY) asyncio_event_set(&many_here);
    return 0;
}

static int be_over(void *arg)
{
    (void)arg;
    return asyncio_future_set_result(&flood.over, 0);
}

// One that is made to fail is tried again: the order is that of those taken.
static void *post_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        flood.numbers[i] = i;
        while (asyncio_call_soon_threadsafe(flood.loop, arrive,
                                            &flood.numbers[i]) == -ENOMEM)
            continue;
    }
    while (asyncio_call_soon_threadsafe(flood.loop, be_over, NULL) == -ENOMEM)
        continue;
    return NULL;
}

TEST(thousand_calls_without_a_pause_all_arrive_in_order)
{
    CONFORMS("TSAFE-02");
    pthread_t thread;
    flood =
        (struct flood){.loop = asyncio_get_running_loop(), .in_order = true};
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, post_all, NULL) == 0);
    // All of them are made before the loop looks at one.
    pthread_join(thread, NULL);
    EXPECT_EQ(flood.next, 0);
    EXPECT_EQ(asyncio_await(&flood.over), 0);
    EXPECT_EQ(flood.next, MANY);
    EXPECT(flood.in_order);

    flood.next = 0;
    flood.over = (struct asyncio_future){0};
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, post_all, NULL) == 0);
    EXPECT_EQ(asyncio_await(&flood.over), 0);
    pthread_join(thread, NULL);
    EXPECT_EQ(flood.next, MANY);
    EXPECT(flood.in_order);
}

// Calls lie together; what else is posted between two of them stays there.
static void *post_all_kinds(void *loop)
{
    asyncio_ignore(asyncio_call_soon_threadsafe(loop, note, "first"));
    asyncio_ignore(asyncio_call_soon_threadsafe(loop, note, "second"));
    asyncio_ignore(asyncio_run_coroutine_threadsafe(loop, note, "task", NULL));
    asyncio_ignore(asyncio_call_soon_threadsafe(loop, note, "third"));
    return NULL;
}

TEST(calls_and_other_posts_keep_their_order, .ordered = true)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    pthread_t thread;
    EXPECT_OR_RETURN(pthread_create(&thread, NULL, post_all_kinds, loop) == 0);
    pthread_join(thread, NULL);
    EXPECT_EQ(asyncio_call_soon(note, "begun"), 0);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("first", "second", "third", "begun", "task");
}

// What one thread has seen posted comes before what it posts.
static sem_t turns[2];

struct relay {
    struct asyncio_loop *loop;
    int which;
};

static void *pass_on(void *arg)
{
    const struct relay *relay = arg;
    for (int i = relay->which; i < MANY; i += 2) {
        down(&turns[relay->which]);
        flood.numbers[i] = i;
        while (asyncio_call_soon_threadsafe(relay->loop, arrive,
                                            &flood.numbers[i]) == -ENOMEM)
            continue;
        sem_post(&turns[1 - relay->which]);
    }
    return NULL;
}

TEST(calls_of_two_threads_come_in_the_order_that_both_know)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct relay relays[2] = {{loop, 0}, {loop, 1}};
    pthread_t threads[2];
    flood = (struct flood){.loop = loop, .in_order = true};
    sem_init(&turns[0], 0, 1);
    sem_init(&turns[1], 0, 0);
    EXPECT_OR_RETURN(pthread_create(&threads[0], NULL, pass_on, &relays[0]) ==
                     0);
    if (EXPECT(pthread_create(&threads[1], NULL, pass_on, &relays[1]) == 0)) {
        asyncio_event_clear(&many_here);
        while (flood.next < MANY)
            EXPECT_EQ(asyncio_event_wait(&many_here), 0);
        pthread_join(threads[1], NULL);
    }
    pthread_join(threads[0], NULL);
    EXPECT(flood.in_order);
}

// --- many at once -----------------------------------------------------------

enum { POSTERS = 4, EACH = 5000 };
static int arrived[POSTERS];
static bool mixed_up;

struct poster {
    struct asyncio_loop *loop;
    int which;
};

struct numbered {
    int which, number;
};

static int arrive_from(void *arg)
{
    const struct numbered *call = arg;
    if (call->number != arrived[call->which]++) mixed_up = true;
    if (arrived[call->which] == EACH) asyncio_event_set(&many_here);
    return 0;
}

static struct numbered numbered[POSTERS][EACH];

static void *post_numbers(void *arg)
{
    const struct poster *poster = arg;
    for (int i = 0; i < EACH; i++) {
        struct numbered *call = &numbered[poster->which][i];
        *call = (struct numbered){poster->which, i};
        while (asyncio_call_soon_threadsafe(poster->loop, arrive_from, call) ==
               -ENOMEM)
            continue;
    }
    return NULL;
}

TEST(calls_of_many_threads_all_arrive_once_each_in_its_order)
{
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    int made = 0, all = 0;
    memset(arrived, 0, sizeof arrived);
    mixed_up = false;
    for (; made < POSTERS; made++) {
        posters[made].loop = asyncio_get_running_loop();
        posters[made].which = made;
        if (pthread_create(&threads[made], NULL, post_numbers,
                           &posters[made]) != 0)
            break;
    }
    while (all < made * EACH) {
        asyncio_event_clear(&many_here);
        EXPECT_EQ(asyncio_event_wait(&many_here), 0);
        all = 0;
        for (int i = 0; i < made; i++)
            all += arrived[i];
    }
    for (int i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    EXPECT(!mixed_up);
    EXPECT_EQ(all, made * EACH);
}

// A loop that has run many calls expects more, and is not woken for each. One
// that comes alone, or when the loop sleeps again, is run all the same.
enum { CROWDS = 20, IN_CROWD = 200 };
static sem_t crowd_was_run;

static int be_run(void *arg)
{
    (void)arg;
    sem_post(&crowd_was_run);
    return 0;
}

static void post_and_wait(struct asyncio_loop *loop, int count)
{
    for (int i = 0; i < count; i++)
        while (asyncio_call_soon_threadsafe(loop, be_run, NULL) == -ENOMEM)
            continue;
    for (int i = 0; i < count; i++)
        down(&crowd_was_run);
}

static int post_crowds(void *loop)
{
    for (int i = 0; i < CROWDS; i++) {
        post_and_wait(loop, IN_CROWD);
        post_and_wait(loop, 1);
        post_and_wait(loop, 1);
    }
    return 0;
}

TEST(call_that_comes_after_many_is_run)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    sem_init(&crowd_was_run, 0, 0);
    EXPECT_EQ(asyncio_to_thread(post_crowds, loop), 0);
    sem_destroy(&crowd_was_run);
}

// A call that is made by one is for a later pass; not so those beside it.
static int call_again(void *arg)
{
    asyncio_ignore(
        asyncio_call_soon_threadsafe(asyncio_get_running_loop(), note, arg));
    trace("made");
    return 0;
}

TEST(call_made_by_a_call_is_for_the_next_pass)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, call_again, "later"), 0);
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, note, "beside"), 0);
    for (int i = 0; i < 4; i++)
        asyncio_ignore(asyncio_sleep(0));
    EXPECT_TRACE("made", "beside", "later");
}

static int fail_once(void *arg)
{
    (void)arg;
    return -EDOM;
}

TEST(call_that_fails_is_reported_and_those_behind_it_run)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, fail_once, NULL), 0);
    EXPECT_EQ(asyncio_call_soon_threadsafe(loop, note, "behind"), 0);
    for (int i = 0; i < 3; i++)
        asyncio_ignore(asyncio_sleep(0));
    EXPECT_TRACE("behind");
    EXPECT_CONTAINS(expect_report(-EDOM), "callback failed");
}

TEST_PLAIN(calls_that_a_loop_never_ran_are_dropped_when_it_closes)
{
    struct asyncio_loop *loop;
    if (asyncio_new_event_loop(&loop) < 0) return;
    for (int i = 0; i < 300; i++)
        asyncio_ignore(asyncio_call_soon_threadsafe(loop, arrive, NULL));
    flood.next = 0;
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_EQ(flood.next, 0);
}

// --- a loop that has ended --------------------------------------------------

static int hand_out_loop(void *arg)
{
    *(struct asyncio_loop **)arg = asyncio_get_running_loop();
    return 0;
}

static void *call_too_late(void *arg)
{
    struct asyncio_thread_future *future = NULL;
    EXPECT_EQ(asyncio_call_soon_threadsafe(arg, note, "never"), -ESHUTDOWN);
    EXPECT_EQ(asyncio_run_coroutine_threadsafe(arg, note, "never", &future),
              -ESHUTDOWN);
    EXPECT_SAME(future, NULL);
    EXPECT_EQ(asyncio_from_thread_run(arg, note, "never"), -ESHUTDOWN);
    return NULL;
}

static void call_from_a_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, arg) == 0) pthread_join(thread, NULL);
}

TEST_PLAIN(call_into_a_loop_that_has_ended_is_refused)
{
    CONFORMS("TSAFE-03");
    struct asyncio_loop *loop = NULL;
    EXPECT_EQ(asyncio_run(hand_out_loop, &loop), 0);
    EXPECT_OR_RETURN(loop != NULL);
    call_from_a_thread(call_too_late, loop); // it is freed memory
    EXPECT_TRACE();
}

TEST_PLAIN(retained_loop_keeps_its_address)
{
    struct asyncio_loop *loop = NULL, *other = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    EXPECT_SAME(asyncio_loop_retain(loop), loop);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT(asyncio_loop_is_closed(loop));
    if (EXPECT_EQ(asyncio_new_event_loop(&other), 0)) {
        EXPECT(other != loop);
        call_from_a_thread(call_too_late, loop);
        EXPECT_EQ(asyncio_loop_free(other), 0);
    }
    asyncio_loop_release(loop);
    asyncio_loop_release(NULL);
    EXPECT_TRACE();
}

TEST(what_is_no_loop_and_no_function_is_refused)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_thread_future *future = NULL;
    EXPECT_EQ(asyncio_run_coroutine_threadsafe(NULL, note, "", &future),
              -EINVAL);
    EXPECT_EQ(asyncio_run_coroutine_threadsafe(loop, NULL, NULL, &future),
              -EINVAL);
    EXPECT_SAME(future, NULL);
}

// --- coroutines -------------------------------------------------------------

static int double_it(void *arg)
{
    int err = asyncio_sleep(0);
    return err < 0 ? err : 2 * *(int *)arg;
}

static int fail_with_words(void *arg)
{
    int err = asyncio_sleep(0);
    return err < 0 ? err
                   : asyncio_raise(-EPROTO, "no sense in %s", (char *)arg);
}

static int end_cancelled(void *arg)
{
    (void)arg;
    asyncio_task_cancel(asyncio_current_task());
    return asyncio_sleep(0);
}

static int submit(struct asyncio_loop *loop, int (*fn)(void *arg), void *arg)
{
    struct asyncio_thread_future *future;
    int err = asyncio_run_coroutine_threadsafe(loop, fn, arg, &future);
    if (err < 0) return err;
    err = asyncio_thread_future_wait(future, ASYNCIO_FOREVER);
    int result = 0;
    EXPECT_EQ(asyncio_thread_future_result(future, &result), 0);
    EXPECT_EQ(result, err);
    EXPECT_EQ(asyncio_thread_future_cancelled(future), err == -ECANCELED);
    asyncio_thread_future_release(future);
    return err;
}

static int use_loop_from_a_thread(void *arg)
{
    int number = 21;
    EXPECT_EQ(submit(arg, double_it, &number), 42);
    EXPECT_EQ(asyncio_from_thread_run(arg, double_it, &number), 42);
    EXPECT_EQ(submit(arg, fail_with_words, "this"), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no sense in this");
    EXPECT_EQ(asyncio_from_thread_run(arg, fail_with_words, "that"), -EPROTO);
    EXPECT_STR(asyncio_strerror(-EPROTO), "no sense in that");
    return 0;
}

TEST(thread_gets_what_the_coroutine_ended_with)
{
    CONFORMS("TSAFE-04");
    EXPECT_EQ(
        asyncio_to_thread(use_loop_from_a_thread, asyncio_get_running_loop()),
        0);
}

static int submit_a_cancelled_one(void *arg)
{
    EXPECT_EQ(submit(arg, end_cancelled, NULL), -ECANCELED);
    EXPECT_EQ(asyncio_from_thread_run(arg, end_cancelled, NULL), -ECANCELED);
    return 0;
}

TEST(thread_is_told_that_the_coroutine_was_cancelled)
{
    CONFORMS("TSAFE-05");
    EXPECT_EQ(
        asyncio_to_thread(submit_a_cancelled_one, asyncio_get_running_loop()),
        0);
}

TEST(blocking_form_on_the_loops_own_thread_is_a_deadlock)
{
    CONFORMS("TSAFE-06");
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct asyncio_thread_future *future = NULL;
    EXPECT_EQ(asyncio_from_thread_run(loop, note, "never"), -EDEADLK);
    int err = asyncio_run_coroutine_threadsafe(loop, note, "once", &future);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_thread_future_wait(future, 1), -EDEADLK);
    struct asyncio_wrapped_future mine = {0};
    if (EXPECT_EQ(asyncio_wrap_future(&mine, future), 0))
        EXPECT_EQ(asyncio_await(&mine.future), 0);
    asyncio_wrapped_future_close(&mine);
    asyncio_thread_future_release(future);
    asyncio_ignore(asyncio_sleep(0)); // if it could not be awaited
    asyncio_ignore(asyncio_sleep(0));
    EXPECT_TRACE("once");
}

static int see_name(void *arg)
{
    (void)arg;
    trace("%s", asyncio_task_name(asyncio_current_task()));
    return 0;
}

static int submit_a_named_one(void *arg)
{
    char name[] = "from outside";
    int err = asyncio_from_thread_run(arg, see_name, NULL, .name = name);
    name[0] = '\0';
    return err;
}

TEST(submission_has_the_name_it_was_given)
{
    EXPECT_EQ(asyncio_to_thread(submit_a_named_one, asyncio_get_running_loop()),
              0);
    EXPECT_TRACE("from outside");
}

TEST(failure_that_nobody_asked_for_is_reported)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_OR_RETURN(asyncio_run_coroutine_threadsafe(loop, fail_with_words,
                                                      "it", NULL) == 0);
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_CONTAINS(expect_report(-EPROTO), "no sense in it");
}

// --- cancelled from there ---------------------------------------------------

static struct asyncio_future never_done;
static int met;

static int wait_for_ever(void *arg)
{
    if (arg) sem_post(arg);
    met = asyncio_await(&never_done);
    trace("met %d", met);
    return met;
}

static int cancel_at_once(void *arg)
{
    struct asyncio_thread_future *future;
    int err =
        asyncio_run_coroutine_threadsafe(arg, wait_for_ever, NULL, &future);
    if (err < 0) return err;
    EXPECT(asyncio_thread_future_cancel(future));
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ECANCELED);
    asyncio_thread_future_release(future);
    return 0;
}

TEST(submission_cancelled_at_once_does_not_run_on)
{
    CONFORMS("TSAFE-07");
    struct asyncio_loop *loop = asyncio_get_running_loop();
    for (int i = 0; i < 20; i++) {
        met = 0;
        EXPECT_EQ(asyncio_to_thread(cancel_at_once, loop), 0);
        for (int pass = 0; pass < 5; pass++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT(met == 0 || met == -ECANCELED);
    }
    // The same from here: the loop sees both at one time, so it never begins.
    met = 0;
    struct asyncio_thread_future *future;
    EXPECT_OR_RETURN(asyncio_run_coroutine_threadsafe(loop, wait_for_ever, NULL,
                                                      &future) == 0);
    EXPECT(asyncio_thread_future_cancel(future));
    for (int pass = 0; pass < 5; pass++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(met, 0);
    asyncio_thread_future_release(future);
    struct asyncio_task *tasks[4];
    EXPECT_EQ(asyncio_all_tasks(loop, tasks, 4), 1);
    trace("over");
}

// Waits until the task says that it runs, or could not be made.
static void await_begin(struct asyncio_thread_future *future)
{
    while (sem_trywait(&begun) < 0 && !asyncio_thread_future_done(future))
        sched_yield();
}

static int cancel_one_that_runs(void *arg)
{
    struct asyncio_thread_future *future;
    int err =
        asyncio_run_coroutine_threadsafe(arg, wait_for_ever, &begun, &future);
    if (err < 0) return err;
    await_begin(future);
    EXPECT(asyncio_thread_future_cancel(future));
    EXPECT(asyncio_thread_future_cancel(future));
    asyncio_thread_future_release(future);
    return 0;
}

TEST(cancel_from_the_thread_ends_the_wait_of_the_task)
{
    make_gates();
    struct asyncio_loop *loop = asyncio_get_running_loop();
    EXPECT_EQ(asyncio_to_thread(cancel_one_that_runs, loop), 0);
    for (int pass = 0; pass < 5; pass++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(met, -ECANCELED);
    EXPECT_TRACE("met -125");
}

static int fail_when_cancelled(void *arg)
{
    sem_post(arg);
    asyncio_ignore(asyncio_await(&never_done));
    return asyncio_raise(-EPROTO, "the clean-up failed");
}

static int cancel_one_that_fails(void *arg)
{
    struct asyncio_thread_future *future;
    int err = asyncio_run_coroutine_threadsafe(arg, fail_when_cancelled, &begun,
                                               &future);
    if (err < 0) return err;
    await_begin(future);
    asyncio_thread_future_cancel(future);
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ECANCELED);
    asyncio_thread_future_release(future);
    return 0;
}

TEST(failure_after_a_cancel_from_the_thread_is_reported)
{
    make_gates();
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int err = asyncio_to_thread(cancel_one_that_fails, loop);
    for (int pass = 0; pass < 5; pass++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    if (EXPECT_EQ(err, 0))
        EXPECT_CONTAINS(expect_report(-EPROTO), "the clean-up failed");
}

static void *cancel_racing(void *arg)
{
    asyncio_thread_future_cancel(arg);
    asyncio_thread_future_release(arg);
    return NULL;
}

// The cancel comes before the task begins, while it waits, as it ends, or late.
TEST(cancel_races_the_end_of_the_task)
{
    struct asyncio_loop *loop = asyncio_get_running_loop();
    int number = 1;
    for (int i = 0; i < 100; i++) {
        struct asyncio_thread_future *future;
        pthread_t thread;
        if (asyncio_run_coroutine_threadsafe(loop, double_it, &number,
                                             &future) < 0)
            continue;
        asyncio_thread_future_retain(future);
        bool racing = pthread_create(&thread, NULL, cancel_racing, future) == 0;
        for (int pass = 0; pass < i % 6; pass++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        if (racing) pthread_join(thread, NULL);
        if (!racing) asyncio_thread_future_release(future);
        int result = 0;
        while (!asyncio_thread_future_done(future))
            asyncio_ignore(asyncio_sleep(0));
        asyncio_thread_future_result(future, &result);
        EXPECT(result == 2 || result == -ECANCELED);
        asyncio_thread_future_release(future);
        for (int pass = 0; pass < 5; pass++)
            EXPECT_EQ(asyncio_sleep(0), 0);
    }
}

// --- the loop closes first --------------------------------------------------

TEST_PLAIN(submission_that_its_loop_never_runs_is_cancelled)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio_thread_future *future = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    int err = asyncio_run_coroutine_threadsafe(loop, note, "never", &future);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ECANCELED);
    asyncio_thread_future_release(future);
    EXPECT_TRACE();
}

TEST_PLAIN(submission_under_way_is_cancelled_when_its_loop_closes)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio_thread_future *future = NULL;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    int err =
        asyncio_run_coroutine_threadsafe(loop, wait_for_ever, NULL, &future);
    for (int i = 0; i < 3; i++) {
        asyncio_loop_stop(loop);
        EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
    }
    if (err == 0) EXPECT(!asyncio_thread_future_done(future));
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_thread_future_wait(future, 0), -ECANCELED);
    EXPECT(asyncio_thread_future_cancel(future)); // it was, before
    asyncio_thread_future_release(future);
    expect_report(-ECANCELED); // a task was pending
    EXPECT_TRACE();
}

// A thread of the executor that its loop waits for at the end, and that waits
// for the loop.
static int come_too_late(void *arg)
{
    sem_post(&begun);
    down(&gate);
    int err = asyncio_from_thread_run(arg, note, "perhaps");
    EXPECT(err == -ESHUTDOWN || err == -ECANCELED || err == 0);
    return 0;
}

static int abandon_a_thread(void *arg)
{
    (void)arg;
    struct call call = {.pool = asyncio_default_executor(),
                        .fn = come_too_late,
                        .arg = asyncio_get_running_loop(),
                        .abandon = true};
    struct asyncio_task *task = begin_running(&call);
    if (!task) return 0;
    asyncio_task_cancel(task);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
    sem_post(&gate);
    return 0;
}

TEST_PLAIN(thread_that_waits_for_a_loop_that_waits_for_it_is_let_go)
{
    for (int i = 0; i < 50; i++) {
        make_gates();
        EXPECT_EQ(asyncio_run(abandon_a_thread, NULL), 0);
    }
}
