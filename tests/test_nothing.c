// Handles that are NULL: nothing is done, and nobody crashes.

#include <string.h>

#include "runner/runner.h"

TEST(no_task_is_refused)
{
    struct asyncio_task *none = NULL;
    char line[16] = "x";
    int code = 7;
    EXPECT_EQ(asyncio_await(none), -EINVAL);
    EXPECT_EQ(asyncio_shield(none), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(none, 1), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(none, 0), -EINVAL);
    EXPECT(!asyncio_task_cancel(none));
    EXPECT_EQ(asyncio_task_uncancel(none), -EINVAL);
    EXPECT_EQ(asyncio_task_cancelling(none), -EINVAL);
    EXPECT(!asyncio_task_done(none) && !asyncio_task_cancelled(none));
    EXPECT_EQ(asyncio_task_result(none, &code), -EINVAL);
    EXPECT_EQ(asyncio_task_exception(none, &code), -EINVAL);
    EXPECT_EQ(code, 7);
    EXPECT_SAME(asyncio_task_future(none), NULL);
    EXPECT_SAME(asyncio_task_name(none), NULL);
    EXPECT_EQ(asyncio_task_set_name(none, "name"), -EINVAL);
    EXPECT_EQ(asyncio_task_set_name(asyncio_current_task(), NULL), -EINVAL);
    EXPECT_STR(asyncio_task_describe(none, line, sizeof line), "no task");
    EXPECT_SAME(asyncio_task_retain(none), NULL);
    EXPECT_SAME(asyncio_task_parent(none), NULL);
    EXPECT_EQ(asyncio_task_get_stack(none, NULL, 0), 0);
    asyncio_task_print_stack(none, 0, stderr);
    asyncio_task_release(none);
}

static int on_done(struct asyncio_future *future, void *arg)
{
    (void)future, (void)arg;
    return 0;
}

TEST(no_future_is_refused)
{
    struct asyncio_future *none = NULL;
    char line[16] = "x";
    int code = 7;
    EXPECT_EQ(asyncio_await(none), -EINVAL);
    EXPECT_EQ(asyncio_shield(none), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(none, 1), -EINVAL);
    EXPECT_EQ(asyncio_future_set_result(none, 1), -EINVAL);
    EXPECT_EQ(asyncio_future_set_exception(none, -EIO), -EINVAL);
    EXPECT_EQ(asyncio_future_set_result_unless_cancelled(none, 1), -EINVAL);
    EXPECT(!asyncio_future_cancel(none));
    EXPECT(!asyncio_future_done(none) && !asyncio_future_cancelled(none));
    EXPECT_EQ(asyncio_future_result(none, &code), -EINVAL);
    EXPECT_EQ(asyncio_future_exception(none, &code), -EINVAL);
    EXPECT_EQ(code, 7);
    EXPECT_SAME(asyncio_future_error(none), NULL);
    EXPECT_EQ(asyncio_future_add_done_callback(none, on_done, NULL), -EINVAL);
    EXPECT_EQ(asyncio_future_remove_done_callback(none, on_done, NULL),
              -EINVAL);
    EXPECT_SAME(asyncio_future_get_loop(none), NULL);
    EXPECT_STR(asyncio_future_describe(none, line, sizeof line), "nothing");
    asyncio_future_reset(none);

    struct asyncio_coroutine *idea = NULL;
    EXPECT_EQ(asyncio_await(idea), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(idea, 1), -EINVAL);
    EXPECT_EQ(asyncio_wait_for(idea, 0), -EINVAL);
    asyncio_coroutine_close(idea);
}

TEST(no_future_of_a_thread_is_refused)
{
    struct asyncio_thread_future *none = NULL;
    struct asyncio_wrapped_future wrapped = {0};
    int code = 7;
    EXPECT_EQ(asyncio_thread_future_set_result(none, 1), -EINVAL);
    EXPECT_EQ(asyncio_thread_future_set_exception(none, -EIO), -EINVAL);
    EXPECT(!asyncio_thread_future_cancel(none));
    EXPECT(!asyncio_thread_future_done(none));
    EXPECT(!asyncio_thread_future_cancelled(none));
    EXPECT_EQ(asyncio_thread_future_result(none, &code), -EINVAL);
    EXPECT_EQ(code, 7);
    EXPECT_SAME(asyncio_thread_future_retain(none), NULL);
    EXPECT_EQ(asyncio_wrap_future(&wrapped, none), -EINVAL);
    EXPECT_EQ(asyncio_wrap_future(NULL, none), -EINVAL);
    asyncio_thread_future_release(none);
    asyncio_wrapped_future_close(NULL);
}

TEST_PLAIN(nobody_waits_for_no_future_of_a_thread)
{
    EXPECT_EQ(asyncio_thread_future_wait(NULL, 1), -EINVAL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST_PLAIN(no_loop_and_no_runner_are_refused)
{
    struct asyncio_loop *none = NULL;
    struct asyncio_coroutine idea = ASYNCIO_COROUTINE(nothing, NULL);
    EXPECT_EQ(asyncio_loop_run_forever(none), -EINVAL);
    EXPECT_EQ(asyncio_loop_run_until_task(none, NULL), -EINVAL);
    EXPECT_EQ(asyncio_loop_run_until_future(none, NULL), -EINVAL);
    EXPECT_EQ(asyncio_loop_run_until_coroutine(none, &idea), -EINVAL);
    EXPECT_EQ(asyncio_loop_close(none), 0);
    EXPECT_EQ(asyncio_loop_free(none), 0);
    EXPECT(asyncio_loop_is_closed(none) && !asyncio_loop_is_running(none));
    EXPECT_STR(asyncio_loop_backend(none), "closed");
    EXPECT_EQ(asyncio_loop_set_debug(none, true), -EINVAL);
    EXPECT(!asyncio_loop_get_debug(none) && !asyncio_loop_is_eager(none));
    EXPECT_EQ(asyncio_loop_set_slow_callback_duration(none, 1), -EINVAL);
    EXPECT_EQ(asyncio_loop_get_slow_callback_duration(none), 0);
    EXPECT_EQ(asyncio_loop_passes(none), 0);
    EXPECT_EQ(asyncio_loop_timers(none), 0);
    EXPECT_SAME(asyncio_loop_retain(none), NULL);
    asyncio_loop_release(none);
    asyncio_loop_set_eager(none, true);
    asyncio_loop_stop(none);

    EXPECT_EQ(asyncio_runner_run(NULL, nothing, NULL), -EINVAL);
    EXPECT_EQ(asyncio_runner_run_any(NULL, ASYNCIO_ANY(&idea)), -EINVAL);
    EXPECT_EQ(asyncio_runner_get_loop(NULL, &none), -EINVAL);
    EXPECT_EQ(asyncio_runner_close(NULL), 0);
    asyncio_runner_init(NULL);
}

TEST_PLAIN(a_loop_does_not_run_for_nothing)
{
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    EXPECT_EQ(asyncio_loop_run_until_task(loop, NULL), -EINVAL);
    EXPECT_EQ(asyncio_loop_run_until_future(loop, NULL), -EINVAL);
    EXPECT_EQ(asyncio_loop_run_until_coroutine(loop, NULL), -EINVAL);
    EXPECT_EQ(asyncio_loop_passes(loop), 0);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
}

TEST(no_stream_is_a_closed_one)
{
    struct asyncio_stream *none = NULL;
    char byte[2] = "";
    size_t high = 1, low = 1;
    EXPECT_EQ(asyncio_stream_read(none, byte, 1), -EBADF);
    EXPECT_EQ(asyncio_stream_readexactly(none, byte, 1), -EBADF);
    EXPECT_EQ(asyncio_stream_readline(none, byte, 2), -EBADF);
    EXPECT_EQ(asyncio_stream_readuntil(none, byte, 1, ".", 1), -EBADF);
    EXPECT(asyncio_stream_at_eof(none) && asyncio_stream_is_closing(none));
    EXPECT_EQ(asyncio_stream_set_limit(none, 1), -EBADF);
    EXPECT_EQ(asyncio_stream_write(none, byte, 1), -EBADF);
    EXPECT_EQ(asyncio_stream_writev(none, NULL, 0), -EBADF);
    EXPECT_EQ(asyncio_stream_write_nowait(none, byte, 1), -EBADF);
    EXPECT_EQ(asyncio_stream_writev_nowait(none, NULL, 0), -EBADF);
    EXPECT_EQ(asyncio_stream_sendfile(none, 0, 0, 0), -EBADF);
    EXPECT_EQ(asyncio_stream_drain(none), -EBADF);
    EXPECT_EQ(asyncio_stream_set_write_limits(none, 2, 1), -EBADF);
    asyncio_stream_get_write_limits(none, &high, &low);
    EXPECT_EQ(high + low, 0);
    EXPECT_EQ(asyncio_stream_write_buffer_size(none), 0);
    EXPECT_EQ(asyncio_stream_write_eof(none), -EBADF);
    EXPECT(!asyncio_stream_can_write_eof(none));
    EXPECT_EQ(asyncio_stream_wait_closed(none), -EBADF);
    EXPECT_EQ(asyncio_stream_fileno(none), -EBADF);
    EXPECT_EQ(asyncio_stream_getsockname(none, NULL, NULL), -EBADF);
    EXPECT_EQ(asyncio_stream_getpeername(none, NULL, NULL), -EBADF);
    EXPECT_EQ(asyncio_stream_set_protocol(none, NULL, NULL), -EBADF);
    EXPECT_SAME(asyncio_stream_get_protocol(none, NULL), NULL);
    EXPECT_EQ(asyncio_stream_pause_reading(none), -EBADF);
    EXPECT_EQ(asyncio_stream_resume_reading(none), -EBADF);
    EXPECT(!asyncio_stream_is_reading(none));
    EXPECT_SAME(asyncio_stream_get_transport(none, NULL), NULL);
    EXPECT_EQ(asyncio_stream_upgrade(none, NULL, NULL, &none), -EBADF);
    asyncio_stream_close(none);
    asyncio_stream_abort(none);
    asyncio_stream_free(none);
}

TEST(no_child_is_refused)
{
    struct asyncio_subprocess *none = NULL;
    struct asyncio_subprocess_result result;
    int code = 7;
    EXPECT_EQ(asyncio_subprocess_pid(none), -EINVAL);
    EXPECT_SAME(asyncio_subprocess_stdin(none), NULL);
    EXPECT_SAME(asyncio_subprocess_stdout(none), NULL);
    EXPECT_SAME(asyncio_subprocess_stderr(none), NULL);
    EXPECT_EQ(asyncio_subprocess_returncode(none, &code), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_wait(none, &code), -EINVAL);
    EXPECT_EQ(code, 7);
    EXPECT_EQ(asyncio_subprocess_send_signal(none, SIGTERM), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_terminate(none), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_kill(none), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_signal_group(none, SIGTERM), -EINVAL);
    EXPECT_EQ(asyncio_subprocess_communicate(none, &result), -EINVAL);
    asyncio_subprocess_detach(none);
    asyncio_subprocess_free(none);
}

TEST(variables_without_an_address_are_refused)
{
    EXPECT_SAME(asyncio_context_var_get(NULL), NULL);
    EXPECT_EQ(asyncio_context_var_set(NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_context_var_reset(NULL), -EINVAL);
}

TEST(undoing_accepts_nothing)
{
    asyncio_as_completed_close(NULL);
    asyncio_call_graph_free(NULL);
    asyncio_cancel_scope_close(NULL);
    EXPECT_EQ(asyncio_closedir(NULL), 0);
    EXPECT_EQ(asyncio_context_close(NULL), 0);
    asyncio_gather_close(NULL);
    asyncio_handle_cancel(NULL);
    (asyncio_receiver_close)(NULL);
    (asyncio_sender_close)(NULL);
    asyncio_shared_free(NULL);
    asyncio_task_group_close(NULL);
    asyncio_timeout_close(NULL);
}
