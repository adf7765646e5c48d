// Barriers: all of a round go on together, and whoever breaks that is heard by
// all.

#include <asyncio/barrier.h>
#include <asyncio/group.h>
#include <asyncio/timeout.h>

#include "tasks.h"

struct actor {
    struct asyncio_barrier *barrier;
    const char *name;
    int rounds;                  // how often it waits, 0 for once
    struct asyncio_task *victim; // cancelled when it goes on
    bool resets;                 // the barrier, when it goes on
    bool aborts;
    int place; // what the last wait returned
};

static int act(void *arg)
{
    struct actor *actor = arg;
    int round = 0;
    do {
        actor->place = asyncio_barrier_wait(actor->barrier);
        trace("%s %s", actor->name,
              actor->place == -ESTALE ? "stale"
              : actor->place < 0      ? "not"
                                      : "goes on");
        if (actor->place < 0) return actor->place;
        if (actor->victim) asyncio_task_cancel(actor->victim);
        if (actor->resets) asyncio_barrier_reset(actor->barrier);
        if (actor->aborts) asyncio_barrier_abort(actor->barrier);
    } while (++round < actor->rounds);
    return actor->place;
}

// --- rounds -----------------------------------------------------------------

TEST(barrier_has_at_least_one_party)
{
    CONFORMS("BARR-01");
    struct asyncio_barrier barrier;
    EXPECT_EQ(asyncio_barrier_init(&barrier, 0), -EINVAL);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -EINVAL);
    EXPECT_EQ(asyncio_barrier_init(&barrier, -5), -EINVAL);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -EINVAL);
    EXPECT_EQ(asyncio_barrier_init(&barrier, 3), 0);
    EXPECT_EQ(asyncio_barrier_parties(&barrier), 3);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
}

TEST_PLAIN(waiting_at_a_barrier_wants_a_task)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(1);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -EPERM);
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TEST(barrier_of_one_lets_it_pass_at_once_and_again)
{
    CONFORMS("BARR-02");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(1);
    bool ran = false;
    if (asyncio_call_soon(set_flag, &ran) < 0) return;
    EXPECT_EQ(asyncio_barrier_wait(&barrier), 0);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), 0);
    EXPECT(!ran);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    for (int i = 0; i < 1000 && !ran; i++)
        if (asyncio_barrier_wait(&barrier) < 0) break;
    EXPECT(ran); // but it lets others run now and then
}

TEST(barrier_is_passed_twice_by_the_same_tasks, .ordered = true)
{
    CONFORMS("BARR-03");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a", .rounds = 2},
                             {.barrier = &barrier, .name = "b", .rounds = 2},
                             {.barrier = &barrier, .name = "c", .rounds = 2}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 3);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("c goes on", "a goes on", "b goes on", "b goes on",
                 "c goes on", "a goes on");
    for (int i = 0; i < 3; i++)
        EXPECT(asyncio_task_done(tasks[i]));
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    end_all(tasks, 3);
}

TEST(rounds_can_go_on_for_long)
{
    CONFORMS("BARR-03");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(4);
    struct actor actors[8];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 8; i++) {
        actors[i] =
            (struct actor){.barrier = &barrier, .name = "x", .rounds = 100};
        asyncio_task_group_create_task(&group, act, &actors[i]);
    }
    // Who runs in which round is up to chance, so the last few may be left.
    int err = asyncio_sleep(1);
    asyncio_barrier_abort(&barrier);
    err = asyncio_task_group_exit(&group, err);
    EXPECT(err == 0 || err == -ESTALE || err == -ENOMEM);
}

TEST(count_grows_with_each_arrival_and_is_0_when_it_opens, .ordered = true)
{
    CONFORMS("BARR-04");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(4);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"}};
    struct asyncio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        start_all(&tasks[i], act, &actors[i], 1);
        EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), i);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), i + 1);
    }
    EXPECT_TRACE();
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 3);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_TRACE(); // they have been let go and have not run
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a goes on", "b goes on", "c goes on");
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(actors[i].place, i);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    end_all(tasks, 3);
}

TEST(who_comes_while_others_leave_is_of_the_next_round, .ordered = true)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(2);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "d"},
                             {.barrier = &barrier, .name = "e"}};
    struct asyncio_task *tasks[5];
    start_all(tasks, act, actors, 5);
    EXPECT_EQ(asyncio_sleep(0), 0);
    // b opened it; c, d and e came before a could leave.
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_TRACE("b goes on");
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a goes on", "c goes on", "d goes on");
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 1);
    EXPECT(!asyncio_task_done(tasks[4]));
    end_all(tasks, 5);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
}

// --- reset ------------------------------------------------------------------

TEST(reset_while_it_fills_sends_all_away, .ordered = true)
{
    CONFORMS("BARR-05");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "d"}};
    struct asyncio_task *tasks[4];
    asyncio_barrier_reset(&barrier); // nobody is there
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 2);
    asyncio_barrier_reset(&barrier);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a stale", "b stale");
    start_all(tasks + 2, act, actors + 2, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("c goes on", "d goes on");
    end_all(tasks, 4);
}

// asyncio's test_reset_barrier_when_tasks_half_draining.
TEST(reset_while_they_leave_is_for_those_who_have_not, .ordered = true)
{
    CONFORMS("BARR-06");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(4);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b", .resets = true},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "d"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 4);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("d goes on", "a goes on", "b goes on", "c stale");
    EXPECT(!asyncio_barrier_broken(&barrier));
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_EQ(asyncio_task_done(tasks[2]), true);
    end_all(tasks, 4);
}

// asyncio's test_reset_barrier_when_tasks_half_draining_half_blocking.
TEST(reset_does_not_concern_who_waits_for_the_next_round, .ordered = true)
{
    CONFORMS("BARR-06");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a", .resets = true},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "next 1"},
                             {.barrier = &barrier, .name = "next 2"},
                             {.barrier = &barrier, .name = "next 3"}};
    struct asyncio_task *tasks[6];
    start_all(tasks, act, actors, 6);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("c goes on", "a goes on", "b stale", "next 1 goes on",
                 "next 2 goes on", "next 3 goes on");
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    end_all(tasks, 6);
}

// --- abort ------------------------------------------------------------------

TEST(abort_is_for_all_who_wait_and_all_who_come, .ordered = true)
{
    CONFORMS("BARR-07");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"}};
    struct asyncio_task *tasks[2];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_barrier_abort(&barrier);
    EXPECT(asyncio_barrier_broken(&barrier));
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -ESTALE);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a stale", "b stale");
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -ESTALE);
    asyncio_barrier_abort(&barrier);
    EXPECT(asyncio_barrier_broken(&barrier));
    asyncio_barrier_reset(&barrier);
    EXPECT(!asyncio_barrier_broken(&barrier));
    end_all(tasks, 2);
}

TEST(abort_while_they_leave_breaks_the_next_round_too, .ordered = true)
{
    CONFORMS("BARR-07");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a", .aborts = true},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "next"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 4);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("c goes on", "a goes on", "b stale", "next stale");
    EXPECT(asyncio_barrier_broken(&barrier));
    end_all(tasks, 4);
}

TEST(barrier_that_was_aborted_works_again_after_a_reset, .ordered = true)
{
    CONFORMS("BARR-08");
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "d"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_barrier_abort(&barrier);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a stale", "b stale");
    asyncio_barrier_reset(&barrier);
    start_all(tasks + 2, act, actors + 2, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 2);
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("c goes on", "d goes on");
    EXPECT(!asyncio_barrier_broken(&barrier));
    end_all(tasks, 4);
}

// --- cancelling -------------------------------------------------------------

TEST(cancelled_waiter_does_not_count_as_having_come, .ordered = true)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"}};
    struct asyncio_task *tasks[3];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(tasks[0]);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 1);
    start_all(tasks + 2, act, actors + 2, 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_TRACE("a not");
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 2);
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("b goes on", "c goes on");
    EXPECT_EQ(actors[1].place, 0); // each place once
    EXPECT_EQ(actors[2].place, 1);
    end_all(tasks, 3);
}

TEST(cancel_after_it_opened_keeps_nobody_else, .ordered = true)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(3);
    struct actor actors[] = {{.barrier = &barrier, .name = "a"},
                             {.barrier = &barrier, .name = "b"},
                             {.barrier = &barrier, .name = "c"},
                             {.barrier = &barrier, .name = "d"}};
    struct asyncio_task *tasks[4];
    start_all(tasks, act, actors, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 2);
    asyncio_task_cancel(tasks[0]);
    asyncio_task_cancel(tasks[1]);
    start_all(tasks + 2, act, actors + 2, 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("a not", "b not");
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 2); // it fills again
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), 2);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_TRACE("c goes on", "d goes on");
    end_all(tasks, 4);
}

TEST(task_that_brings_a_cancel_along_does_not_wait)
{
    struct asyncio_barrier barrier = ASYNCIO_BARRIER(2);
    struct asyncio_task *self = asyncio_current_task();
    asyncio_task_cancel(self);
    EXPECT_EQ(asyncio_barrier_wait(&barrier), -ECANCELED);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
    asyncio_task_uncancel(self);
    EXPECT_EQ(asyncio_wait_for(asyncio_barrier_wait(&barrier), 1), -ETIMEDOUT);
    EXPECT_EQ(asyncio_barrier_n_waiting(&barrier), 0);
}
