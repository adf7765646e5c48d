// A child from beginning to end: its pipes served at the same time, and nothing
// of it left, however the call ends.

#include "io/subprocess.h"

#include <asyncio/group.h>

#include <math.h>
#include <signal.h>
#include <string.h>

#include "loop/clock.h"

#define DEFAULT_MAX   ((size_t)64 * 1024 * 1024)
#define FIRST_SIZE    ((size_t)4 * 1024)
#define SLICE         ((size_t)64 * 1024) // of input, copied at a time
#define DEFAULT_GRACE 5

// What is done by a task of its own. If that is cancelled by somebody who knows
// of it, nobody serves the pipe any more: so all of it ends.
struct part {
    struct asyncio_task_group *group;
    bool cut; // it was
};

static int end_part(struct part *part, int err)
{
    if (err != -ECANCELED) return err;
    part->cut = true;
    asyncio_task_group_cancel(part->group);
    return err;
}

// --- its input --------------------------------------------------------------

struct feed {
    struct part part;
    struct asyncio_stream *stream;
    const char *data;
    size_t len;
};

// A child that has read enough closes its end, and that is its business.
static bool is_gone(int err)
{
    return err == -EPIPE || err == -ECONNRESET;
}

static int feed(void *arg)
{
    struct feed *input = arg;
    int err = 0;
    while (err == 0 && input->len > 0) {
        size_t len = input->len < SLICE ? input->len : SLICE;
        err = asyncio_stream_write(input->stream, input->data, len);
        input->data += len;
        input->len -= len;
    }
    if (err < 0 && !is_gone(err)) return end_part(&input->part, err);
    asyncio_stream_close(input->stream);
    return 0;
}

// --- what it writes ---------------------------------------------------------

struct text {
    struct part part;
    struct asyncio_stream *stream;
    char *data;
    size_t len, size; // with room for a zero
    size_t max;       // that `len` may come to
};

// One byte beyond the bound is read, to find out that there is one.
static int grow(struct text *text)
{
    size_t size = text->size ? text->size * 2 : FIRST_SIZE;
    if (size > text->max) size = text->max + 2;
    void *grown = asyncio__realloc_array(text->data, text->size, size, 1);
    if (!grown) return -ENOMEM;
    text->data = grown;
    text->size = size;
    return 0;
}

static int collect(void *arg)
{
    struct text *text = arg;
    for (;;) {
        if (text->len + 1 >= text->size) {
            int err = grow(text);
            if (err < 0) return err;
        }
        int more = asyncio_stream_read(text->stream, text->data + text->len,
                                       text->size - text->len - 1);
        if (more <= 0) return end_part(&text->part, more);
        text->len += (size_t)more;
        if (text->len > text->max) return -EFBIG;
    }
}

// --- all of it --------------------------------------------------------------

static int serve(struct feed *input, struct text texts[2])
{
    ASYNCIO_WITH_TASK_GROUP(group);
    input->part.group = texts[0].part.group = texts[1].part.group = &group;
    if (input->stream && !asyncio_stream_is_closing(input->stream))
        asyncio_task_group_create_task(&group, feed, input);
    for (int i = 0; i < 2; i++)
        if (texts[i].stream)
            asyncio_task_group_create_task(&group, collect, &texts[i]);
    int err = asyncio_task_group_exit(&group, 0);
    // It ends here, and they do not.
    input->part.group = texts[0].part.group = texts[1].part.group = NULL;
    bool cut = input->part.cut || texts[0].part.cut || texts[1].part.cut;
    return err == 0 && cut ? -ECANCELED : err;
}

int(asyncio_subprocess_communicate)(
    struct asyncio_subprocess *process,
    struct asyncio_subprocess_result *result,
    const struct asyncio_communicate_options *options)
{
    if (!process) return -EINVAL;
    static const struct asyncio_communicate_options none;
    if (!options) options = &none;
    size_t max = options->max_size ? options->max_size : DEFAULT_MAX;
    if (max > SIZE_MAX / 4) max = SIZE_MAX / 4; // there is no such text
    struct feed input = {.stream = process->pipe[0],
                         .data = options->input,
                         .len = options->input_len};
    struct text texts[2] = {{.stream = process->pipe[1], .max = max},
                            {.stream = process->pipe[2], .max = max}};
    *result = (struct asyncio_subprocess_result){0};
    if (!options->input && options->input_len > 0) return -EINVAL;

    process->references++;
    int code = 0, err = serve(&input, texts);
    if (err == 0) err = asyncio_subprocess_wait(process, &code);
    asyncio__subprocess_unref(process);
    if (err < 0) {
        asyncio__free(texts[0].data);
        asyncio__free(texts[1].data);
        return err;
    }
    *result = (struct asyncio_subprocess_result){.output = texts[0].data,
                                                 .output_len = texts[0].len,
                                                 .errors = texts[1].data,
                                                 .errors_len = texts[1].len,
                                                 .returncode = code};
    return 0;
}

void asyncio_subprocess_result_free(struct asyncio_subprocess_result *result)
{
    if (!result) return;
    asyncio__free(result->output);
    asyncio__free(result->errors);
    *result = (struct asyncio_subprocess_result){0};
}

// --- and its end ------------------------------------------------------------

static void grace_is_over(struct asyncio__timer *timer)
{
    asyncio__subprocess_kill(
        list_entry(timer, struct asyncio_subprocess, grace));
}

static int ask_to_end(struct asyncio_subprocess *process)
{
    return process->owns_group
               ? asyncio_subprocess_signal_group(process, SIGTERM)
               : asyncio_subprocess_terminate(process);
}

// No cancel ends this: what is asked meanwhile is for the next await.
static void end(struct asyncio_subprocess *process, double grace)
{
    struct asyncio_loop *loop = process->loop;
    int64_t when_ns;
    double when;
    if (grace == 0) grace = DEFAULT_GRACE;
    if (process->state != ASYNCIO__SUBPROCESS_RUNNING) return;
    // One that cannot be asked is not waited for.
    if (grace > 0 && ask_to_end(process) < 0) grace = -1;
    if (grace < 0 || asyncio__deadline_in(asyncio__loop_now(loop), grace, &when,
                                          &when_ns) < 0) {
        asyncio__subprocess_kill(process);
    } else if (when_ns != ASYNCIO__NEVER) {
        process->grace.fire = grace_is_over;
        asyncio__timer_arm(&loop->timers, &process->grace, when_ns);
    }
    asyncio__subprocess_join(process);
}

// Made once the child is there; or why it is not.
static int finish(struct asyncio_subprocess *process,
                  struct asyncio_subprocess_result *result,
                  const struct asyncio_subprocess_run_options *options)
{
    int err =
        (asyncio_subprocess_communicate)(process, result,
                                         &(struct asyncio_communicate_options){
                                             .input = options->input,
                                             .input_len = options->input_len,
                                             .max_size = options->max_size});
    if (err < 0) end(process, options->grace);
    asyncio_subprocess_free(process);
    return err;
}

static struct asyncio_subprocess_options
creation(const struct asyncio_subprocess_run_options *options)
{
    bool fed = options->input && options->stdin == 0;
    return (struct asyncio_subprocess_options){
        .site = options->site,
        .stdin = fed ? ASYNCIO_PIPE : options->stdin,
        .stdout = options->stdout,
        .stderr = options->stderr,
        .process_group = options->process_group,
        .cwd = options->cwd,
        .env = options->env};
}

static const struct asyncio_subprocess_run_options no_options;

int(asyncio_subprocess_run)(
    struct asyncio_subprocess_result *result, const char *const *argv,
    const struct asyncio_subprocess_run_options *options)
{
    if (!options) options = &no_options;
    struct asyncio_subprocess_options own = creation(options);
    struct asyncio_subprocess *process;
    *result = (struct asyncio_subprocess_result){0};
    if (isnan(options->grace)) return -EINVAL;
    int err = (asyncio_create_subprocess_exec)(&process, argv, &own);
    return err < 0 ? err : finish(process, result, options);
}

int(asyncio_subprocess_run_shell)(
    struct asyncio_subprocess_result *result, const char *command,
    const struct asyncio_subprocess_run_options *options)
{
    if (!options) options = &no_options;
    struct asyncio_subprocess_options own = creation(options);
    struct asyncio_subprocess *process;
    *result = (struct asyncio_subprocess_result){0};
    if (isnan(options->grace)) return -EINVAL;
    int err = (asyncio_create_subprocess_shell)(&process, command, &own);
    return err < 0 ? err : finish(process, result, options);
}
