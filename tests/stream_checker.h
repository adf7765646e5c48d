// What every stream has to do, whatever it stands on: one set of checks.
//
// Somebody makes two connected streams of a kind and says how; the checks are
// the same for all kinds. A suite has them all by one line:
//
//     static int make_unix(struct stream_pair *pair) { ... }
//     STREAM_CHECKS(local, make_unix)
//
// What the checks need to be sent goes from `writer` to `reader`; the other
// direction is used where there is one.
#pragma once

#include "runner/runner.h"

struct stream_pair {
    struct asyncio_stream *reader, *writer;
    bool both_ways;
    void *more; // the maker's own
};

// Makes a pair: 0 or a negative errno. The streams are closed and freed by the
// checks; `unmake`, if not NULL, undoes the rest.
struct stream_maker {
    int (*make)(struct stream_pair *pair);
    void (*unmake)(struct stream_pair *pair);
};

// Those that look at what a single call moves.
#define STREAM_CALL_CHECK_LIST(X, kind)                                        \
    X(kind, read_returns_what_is_there)                                        \
    X(kind, too_long_for_readline_is_dropped)

#define STREAM_CHECK_LIST(X, kind)                                             \
    X(kind, read_of_nothing_takes_nothing)                                     \
    X(kind, last_line_may_lack_its_newline)                                    \
    X(kind, separator_may_come_in_pieces)                                      \
    X(kind, separator_stands_behind_many_that_begin_like_it)                   \
    X(kind, empty_separator_is_refused)                                        \
    X(kind, end_before_the_separator_hands_over_the_rest)                      \
    X(kind, too_long_for_readuntil_stays)                                      \
    X(kind, limits_are_strict)                                                 \
    X(kind, of_several_separators_the_first_end_counts)                        \
    X(kind, readexactly_of_nothing_or_too_much)                                \
    X(kind, readexactly_waits_for_all)                                         \
    X(kind, readexactly_hands_over_what_there_was)                             \
    X(kind, cancelled_readexactly_loses_nothing)                               \
    X(kind, end_of_file_waits_for_the_buffer)                                  \
    X(kind, failure_reaches_the_blocked_reader_and_later_ones)                 \
    X(kind, cancelled_reader_is_not_touched_by_a_later_end)                    \
    X(kind, limit_has_to_be_positive)                                          \
    X(kind, drain_waits_between_the_marks)                                     \
    X(kind, ten_drains_return_together)                                        \
    X(kind, writer_learns_that_the_peer_is_gone)                               \
    X(kind, writing_to_a_closed_stream_fails)                                  \
    X(kind, wait_closed_waits_for_no_reader)                                   \
    X(kind, close_sends_what_is_unsent)                                        \
    X(kind, abort_drops_what_is_unsent)                                        \
    X(kind, lower_mark_pauses_at_once)                                         \
    X(kind, second_reader_is_refused)                                          \
    X(kind, cancelled_read_loses_no_byte)                                      \
    X(kind, cancel_races_the_arrival)                                          \
    X(kind, cancelled_write_takes_nothing)                                     \
    X(kind, close_ends_those_who_wait)                                         \
    X(kind, nothing_is_read_ahead)                                             \
    X(kind, megabytes_arrive_in_order)                                         \
    X(kind, many_writers_keep_their_pieces_whole)                              \
    X(kind, what_is_written_may_change_at_once)                                \
    X(kind, file_goes_between_what_is_written)                                 \
    X(kind, part_of_a_file_moves_its_position)                                 \
    X(kind, cancelled_file_says_how_much_went)                                 \
    X(kind, abort_ends_a_file)                                                 \
    X(kind, file_that_cannot_be_sent_is_refused)                               \
    X(kind, vectors_are_one_piece)                                             \
    X(kind, half_close_leaves_the_other_half)                                  \
    X(kind, watchers_are_refused)                                              \
    X(kind, dropped_stream_is_reported)                                        \
    X(kind, protocol_is_told_in_order)                                         \
    X(kind, protocol_lends_its_buffer)                                         \
    X(kind, protocol_lends_its_buffer_to_one_at_a_time)                        \
    X(kind, protocol_pauses)                                                   \
    X(kind, protocol_hears_of_the_marks)                                       \
    X(kind, closing_twice_and_freeing_nothing_is_fine)

#define STREAM_CHECK__DECLARE(kind, name)                                      \
    void stream_check_##name(const struct stream_maker *maker);
STREAM_CALL_CHECK_LIST(STREAM_CHECK__DECLARE, )
STREAM_CHECK_LIST(STREAM_CHECK__DECLARE, )

// The tests of one kind: their names begin with `kind`.
#define STREAM_CHECK__TEST(kind, name)                                         \
    TEST(kind##_##name)                                                        \
    {                                                                          \
        stream_check_##name(&kind##_maker);                                    \
    }
#define STREAM_CALL_CHECK__TEST(kind, name)                                    \
    TEST(kind##_##name, .short_counts = true)                                  \
    {                                                                          \
        stream_check_##name(&kind##_maker);                                    \
    }
#define STREAM_CHECKS(kind, ...)                                               \
    static const struct stream_maker kind##_maker = {__VA_ARGS__};             \
    STREAM_CALL_CHECK_LIST(STREAM_CALL_CHECK__TEST, kind)                      \
    STREAM_CHECK_LIST(STREAM_CHECK__TEST, kind)
