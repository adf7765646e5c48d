// The protocol of Redis, both ends of it, as far as it takes to store and find.
//
//     *2\r\n  $3\r\nGET\r\n  $1\r\nx\r\n      an array of two strings: a
//     command +OK\r\n  $5\r\nvalue\r\n  $-1\r\n       answers; the last one is
//     nothing

#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8
#define WORD_SIZE 1024
#define ENTRIES   64

struct word {
    char at[WORD_SIZE];
    int len; // -1: nothing
};

// "*2\r\n" is 2, if `kind` is '*'.
static int read_number(struct asyncio_stream *stream, char kind, int max)
{
    char line[64];
    int len = asyncio_stream_readline(stream, line, sizeof line);
    if (len <= 0) return len < 0 ? len : -ENODATA;
    char *end;
    long number = strtol(line + 1, &end, 10);
    bool sound = line[0] == kind && end > line + 1 &&
                 strcmp(end, "\r\n") == 0 && number >= -1 && number <= max;
    return sound ? (int)number : -EPROTO;
}

static int read_word(struct asyncio_stream *stream, struct word *word)
{
    char end[2];
    word->len = read_number(stream, '$', WORD_SIZE);
    if (word->len == -1) return 0;
    if (word->len < 0) return word->len;
    int err = asyncio_stream_readexactly(stream, word->at, (size_t)word->len);
    if (err >= 0) err = asyncio_stream_readexactly(stream, end, 2);
    if (err >= 0 && memcmp(end, "\r\n", 2) != 0) err = -EPROTO;
    return err < 0 ? err : 0;
}

static int write_word(struct asyncio_stream *stream, const struct word *word)
{
    char head[32];
    int len = snprintf(head, sizeof head, "$%d\r\n", word->len);
    const struct iovec parts[] = {
        {head, (size_t)len},
        {(char *)word->at, word->len > 0 ? (size_t)word->len : 0},
        {(char *)"\r\n", word->len < 0 ? 0 : 2},
    };
    return asyncio_stream_writev(stream, parts, 3);
}

// ---- The server -------------------------------------------------------------

static struct entry {
    struct word name, value;
} entries[ENTRIES];

static bool is(const struct word *word, const char *text)
{
    return word->len == (int)strlen(text) &&
           strncasecmp(word->at, text, strlen(text)) == 0;
}

// Where the name is, or may be; NULL if it is nowhere, and there is no room.
static struct entry *entry_of(const struct word *name)
{
    struct entry *room = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *entry = &entries[i];
        if (entry->name.len == name->len &&
            memcmp(entry->name.at, name->at, (size_t)name->len) == 0)
            return entry;
        if (!room && entry->name.len == 0) room = entry;
    }
    return room;
}

static int answer(struct asyncio_stream *stream, const struct word *words,
                  int count)
{
    static const struct word nothing = {.len = -1};
    const char *text = "-ERR what is that?\r\n";
    struct entry *entry = count > 1 ? entry_of(&words[1]) : NULL;
    if (count == 1 && is(&words[0], "ping")) text = "+PONG\r\n";
    if (count == 2 && is(&words[0], "echo"))
        return write_word(stream, &words[1]);
    if (count == 2 && is(&words[0], "get"))
        return write_word(stream,
                          entry && entry->name.len ? &entry->value : &nothing);
    if (count == 3 && is(&words[0], "set") && entry) {
        entry->name = words[1];
        entry->value = words[2];
        text = "+OK\r\n";
    }
    return asyncio_stream_write(stream, text, strlen(text));
}

static int on_client(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    struct word words[WORDS_MAX];
    for (;;) {
        int count = read_number(stream, '*', WORDS_MAX);
        int err = count < 0 ? count : 0;
        for (int i = 0; i < count && err == 0; i++)
            err = read_word(stream, &words[i]);
        if (err == 0 && count > 0) err = answer(stream, words, count);
        if (err < 0) return err == -ENODATA || err == -ECONNRESET ? 0 : err;
    }
}

int peer_redis_server(char **words)
{
    (void)words;
    return peer_serve(on_client);
}

// ---- The client -------------------------------------------------------------

#define PAIRS 1000

// A value with all bytes in it, also those that end lines and texts.
static struct word value_of(int number)
{
    struct word word = {.len = number % WORD_SIZE};
    for (int i = 0; i < word.len; i++)
        word.at[i] = (char)(number + i * 7);
    return word;
}

static struct word text_of(const char *text)
{
    struct word word;
    word.len = snprintf(word.at, sizeof word.at, "%s", text);
    return word;
}

static struct word name_of(int number)
{
    char text[32];
    snprintf(text, sizeof text, "pair:%d", number);
    return text_of(text);
}

static int send_command(struct asyncio_stream *stream, const char *verb,
                        int number, bool with_value)
{
    struct word words[] = {text_of(verb), name_of(number), value_of(number)};
    int count = with_value ? 3 : 2;
    char head[16];
    int len = snprintf(head, sizeof head, "*%d\r\n", count);
    int err = asyncio_stream_write(stream, head, (size_t)len);
    for (int i = 0; i < count && err == 0; i++)
        err = write_word(stream, &words[i]);
    return err;
}

// All of the commands, while the answers are read by the other task.
static int ask(void *arg)
{
    struct asyncio_stream *stream = arg;
    int err = 0;
    for (int i = 0; i < PAIRS && err == 0; i++)
        err = send_command(stream, "SET", i, true);
    for (int i = 0; i < PAIRS && err == 0; i++)
        err = send_command(stream, "GET", i, false);
    return err;
}

static int listen_to(void *arg)
{
    struct asyncio_stream *stream = arg;
    for (int i = 0; i < PAIRS; i++) {
        char line[64];
        int len = asyncio_stream_readline(stream, line, sizeof line);
        if (len < 0) return len;
        if (strcmp(line, "+OK\r\n") != 0) return -EPROTO;
    }
    for (int i = 0; i < PAIRS; i++) {
        struct word word, wanted = value_of(i);
        int err = read_word(stream, &word);
        if (err < 0) return err;
        if (word.len != wanted.len ||
            memcmp(word.at, wanted.at, (size_t)word.len) != 0)
            return -EILSEQ;
    }
    return 0;
}

int peer_redis_client(char **words)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "127.0.0.1", atoi(words[0]));
    if (err < 0) return err;
    {
        ASYNCIO_WITH_TASK_GROUP(group);
        asyncio_task_group_create_task(&group, ask, stream);
        asyncio_task_group_create_task(&group, listen_to, stream);
        err = asyncio_task_group_exit(&group, 0);
    }
    asyncio_stream_free(stream);
    if (err == 0) printf("%d pairs\n", PAIRS);
    return err;
}
