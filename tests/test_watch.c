// Readers and writers: callbacks for as long as a descriptor is ready, and what
// happens to them when they are replaced, removed or outrun by a close.

#include <unistd.h>

#include "runner/runner.h"

struct channel {
    int fds[2]; // of a pipe: to read from, to write to
    int calls;
};

static bool open_channel(struct channel *channel)
{
    *channel = (struct channel){.calls = 0};
    return EXPECT_EQ(pipe(channel->fds), 0);
}

static void close_channel(struct channel *channel)
{
    asyncio_remove_reader(channel->fds[0]);
    asyncio_remove_writer(channel->fds[1]);
    close(channel->fds[0]);
    close(channel->fds[1]);
}

static void fill(struct channel *channel, size_t bytes)
{
    static const char zeros[8];
    EXPECT_EQ(write(channel->fds[1], zeros, bytes), bytes);
}

static int take_byte(void *arg)
{
    struct channel *channel = arg;
    char byte;
    channel->calls++;
    return (int)read(channel->fds[0], &byte, 1);
}

static int look_only(void *arg)
{
    ((struct channel *)arg)->calls++;
    return 0;
}

static int take_byte_and_remove(void *arg)
{
    struct channel *channel = arg;
    EXPECT_EQ(asyncio_remove_reader(channel->fds[0]), 1);
    return take_byte(channel);
}

TEST(reader_is_called_while_there_is_something_to_read)
{
    struct channel channel;
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(asyncio_add_reader(channel.fds[0], take_byte, &channel), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 0);
    fill(&channel, 3);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 3);
    fill(&channel, 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 4);
    EXPECT_EQ(asyncio_remove_reader(channel.fds[0]), 1);
    EXPECT_EQ(asyncio_remove_reader(channel.fds[0]), 0);
    fill(&channel, 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 4);
    close_channel(&channel);
}

static int count_to_ten(void *arg)
{
    struct channel *channel = arg;
    if (++channel->calls == 10) asyncio_remove_reader(channel->fds[0]);
    return 0;
}

TEST(reader_that_reads_nothing_is_called_again_and_again)
{
    struct channel channel;
    EXPECT_OR_RETURN(open_channel(&channel));
    fill(&channel, 1);
    EXPECT_EQ(asyncio_add_reader(channel.fds[0], count_to_ten, &channel), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 10);
    close_channel(&channel);
}

TEST(reader_learns_that_the_other_end_was_closed)
{
    struct channel channel;
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(
        asyncio_add_reader(channel.fds[0], take_byte_and_remove, &channel), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    close(channel.fds[1]);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 1);
    asyncio_remove_reader(channel.fds[0]);
    close(channel.fds[0]);
}

static int remove_writer(void *arg)
{
    struct channel *channel = arg;
    EXPECT_EQ(asyncio_remove_writer(channel->fds[1]), 1);
    return look_only(channel);
}

TEST(writer_is_called_when_there_is_room)
{
    struct channel channel;
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(asyncio_add_writer(channel.fds[1], remove_writer, &channel), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 1);
    EXPECT_EQ(asyncio_remove_writer(channel.fds[1]), 0);
    close_channel(&channel);
}

TEST(second_reader_of_a_descriptor_replaces_the_first)
{
    struct channel channel, other = {.calls = 0};
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(asyncio_add_reader(channel.fds[0], look_only, &other), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    // The first would be called for ever: it takes nothing.
    if (EXPECT_EQ(asyncio_add_reader(channel.fds[0], take_byte, &channel), 0)) {
        fill(&channel, 2);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(channel.calls, 2);
    }
    EXPECT_EQ(other.calls, 0);
    close_channel(&channel);
}

struct pair {
    struct channel *self, *other;
};

static int take_byte_and_remove_other(void *arg)
{
    struct pair *pair = arg;
    asyncio_remove_reader(pair->other->fds[0]);
    return take_byte(pair->self);
}

TEST(reader_removed_by_another_of_the_same_pass_is_not_called)
{
    struct channel a, b;
    struct pair of_a = {&a, &b}, of_b = {&b, &a};
    EXPECT_OR_RETURN(open_channel(&a));
    if (open_channel(&b)) {
        fill(&a, 1);
        fill(&b, 1);
        EXPECT_EQ(
            asyncio_add_reader(a.fds[0], take_byte_and_remove_other, &of_a), 0);
        EXPECT_EQ(
            asyncio_add_reader(b.fds[0], take_byte_and_remove_other, &of_b), 0);
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_EQ(a.calls + b.calls, 1); // whichever came first
        close_channel(&b);
    }
    close_channel(&a);
}

TEST(reader_removed_and_added_again_before_a_pass_is_called)
{
    struct channel channel, other = {.calls = 0};
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(asyncio_add_reader(channel.fds[0], look_only, &other), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(asyncio_remove_reader(channel.fds[0]), 1);
    EXPECT_EQ(asyncio_add_reader(channel.fds[0], take_byte, &channel), 0);
    fill(&channel, 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(channel.calls, 1);
    EXPECT_EQ(other.calls, 0);
    close_channel(&channel);
}

// The old pipe was ready when its number went to the new one, which is not: the
// news must not reach the wrong reader, who would block.
TEST(readiness_of_a_closed_descriptor_is_not_that_of_its_successor)
{
    struct channel old, new;
    EXPECT_OR_RETURN(open_channel(&old));
    if (!open_channel(&new)) goto close_old;
    EXPECT_EQ(asyncio_add_reader(old.fds[0], take_byte, &old), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    fill(&old, 1);
    EXPECT_EQ(asyncio_remove_reader(old.fds[0]), 1);
    EXPECT_EQ(dup2(new.fds[0], old.fds[0]), old.fds[0]);
    EXPECT_EQ(asyncio_add_reader(old.fds[0], look_only, &new), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(old.calls, 0);
    EXPECT_EQ(new.calls, 0);
    asyncio_remove_reader(old.fds[0]);
    close_channel(&new);
close_old:
    close_channel(&old);
}

TEST(descriptor_may_have_a_reader_and_a_writer)
{
    struct channel channel, writer = {.calls = 0};
    EXPECT_OR_RETURN(open_channel(&channel));
    EXPECT_EQ(asyncio_add_reader(channel.fds[1], look_only, &channel), 0);
    writer.fds[1] = channel.fds[1];
    EXPECT_EQ(asyncio_add_writer(channel.fds[1], remove_writer, &writer), 0);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(writer.calls, 1);
    EXPECT_EQ(channel.calls, 0);
    EXPECT_EQ(asyncio_remove_reader(channel.fds[1]), 1);
    close_channel(&channel);
}

TEST(watch_of_what_is_no_descriptor_is_refused)
{
    struct channel channel = {.calls = 0};
    EXPECT_EQ(asyncio_add_reader(-1, look_only, &channel), -EBADF);
    EXPECT_EQ(asyncio_add_writer(-1, look_only, &channel), -EBADF);
    EXPECT_EQ(asyncio_add_reader(123456, look_only, &channel), -EBADF);
    EXPECT_EQ(asyncio_add_reader(0, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_remove_reader(-1), 0);
    EXPECT_EQ(asyncio_remove_reader(123456), 0);
}

static int fail(void *arg)
{
    struct channel *channel = arg;
    asyncio_remove_reader(channel->fds[0]);
    return -EPROTO;
}

TEST(code_of_a_readers_callback_is_reported)
{
    struct channel channel;
    EXPECT_OR_RETURN(open_channel(&channel));
    fill(&channel, 1);
    if (asyncio_add_reader(channel.fds[0], fail, &channel) == 0) {
        EXPECT_EQ(asyncio_sleep(1), 0);
        EXPECT_CONTAINS(expect_report(-EPROTO), "descriptor");
    }
    close_channel(&channel);
}

TEST_PLAIN(loop_that_closes_lets_go_of_its_watches)
{
    struct channel channel;
    struct asyncio_loop *loop;
    EXPECT_OR_RETURN(open_channel(&channel));
    if (asyncio_new_event_loop(&loop) == 0) {
        EXPECT_EQ(asyncio_add_reader(channel.fds[0], take_byte, &channel), 0);
        EXPECT_EQ(asyncio_add_writer(channel.fds[1], look_only, &channel), 0);
        EXPECT_EQ(asyncio_loop_free(loop), 0);
    }
    EXPECT_EQ(channel.calls, 0);
    close(channel.fds[0]);
    close(channel.fds[1]);
}

TEST_PLAIN(watch_needs_a_loop)
{
    struct channel channel = {.calls = 0};
    EXPECT_EQ(asyncio_add_reader(0, look_only, &channel), -EPERM);
    EXPECT_EQ(asyncio_remove_reader(0), -EPERM);
}
