// Events as text: a line each, in the Trace Event Format.
//
//     {"ph":"X","cat":"task","name":"eggs","ts":12.345,"dur":6.789,
//      "pid":1,"tid":2,"args":{"then":"sleep"}}
//
// Times are microseconds since the trace began: small numbers, for the viewers
// keep them as floating point, where those since the machine began would lose
// nanoseconds. Names may have any bytes in them; what the file has is UTF-8.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/symbols.h"
#include "platform/trace.h"

#define NAME_MAX_BYTES 120 // what is longer is cut
#define EVENT_BYTES    3584
#define ROWS_BEGIN     10000000 // there is no thread with such a number

struct text {
    char *at;
    char bytes[EVENT_BYTES]; // more than all parts at their longest
};

static void put(struct text *text, const char *part)
{
    size_t len = strlen(part);
    memcpy(text->at, part, len);
    text->at += len;
}

static void put_number(struct text *text, uint64_t number, int digits)
{
    char reversed[20];
    int count = 0;
    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < digits);
    while (count > 0)
        *text->at++ = reversed[--count];
}

static void put_signed(struct text *text, int64_t number)
{
    uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;
    if (number < 0) *text->at++ = '-';
    put_number(text, size, 1);
}

static void put_us(struct text *text, int64_t ns)
{
    if (ns < 0) ns = 0;
    put_number(text, (uint64_t)ns / 1000, 1);
    *text->at++ = '.';
    put_number(text, (uint64_t)ns % 1000, 3);
}

// How many bytes the character has that begins here; 0: it is none of UTF-8.
static size_t character(const unsigned char *bytes)
{
    static const unsigned char firsts[] = {0, 0x00, 0xc2, 0xe0, 0xf0, 0xf5};
    size_t size = 4;
    if (bytes[0] < 0x80) return 1;
    while (size > 1 && bytes[0] < firsts[size])
        size--;
    if (size == 1 || bytes[0] >= firsts[5]) return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    bool overlong = (bytes[0] == 0xe0 && bytes[1] < 0xa0) ||
                    (bytes[0] == 0xf0 && bytes[1] < 0x90);
    bool surrogate = bytes[0] == 0xed && bytes[1] >= 0xa0;
    bool beyond = bytes[0] == 0xf4 && bytes[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : size;
}

static void put_escaped(struct text *text, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    put(text, "\\u00");
    *text->at++ = digits[byte >> 4];
    *text->at++ = digits[byte & 15];
}

static void put_string(struct text *text, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    const unsigned char *end = at + NAME_MAX_BYTES;
    *text->at++ = '"';
    while (*at && at < end) {
        size_t size = character(at);
        if (size == 0) put(text, "\\ufffd");
        if (size == 1 && (*at < 0x20 || *at == 0x7f)) {
            put_escaped(text, *at);
        } else {
            if (*at == '"' || *at == '\\') *text->at++ = '\\';
            memcpy(text->at, at, size);
            text->at += size;
        }
        at += size > 0 ? size : 1;
    }
    *text->at++ = '"';
}

static void put_words(struct text *text,
                      const struct asyncio__trace_word *words)
{
    put(text, ",\"args\":{");
    for (int i = 0; i < ASYNCIO__TRACE_WORDS && words[i].key; i++) {
        if (i > 0) *text->at++ = ',';
        put_string(text, words[i].key);
        *text->at++ = ':';
        if (words[i].text)
            put_string(text, words[i].text);
        else
            put_signed(text, words[i].number);
    }
    *text->at++ = '}';
}

static void put_field(struct text *text, const char *key, uint64_t number)
{
    put(text, key);
    put_number(text, number, 1);
}

void asyncio__trace_event(const struct asyncio__trace_event *event)
{
    if (!asyncio__tracing()) return;
    struct text text;
    text.at = text.bytes;
    put(&text, "{\"ph\":\"");
    *text.at++ = event->phase;
    put(&text, "\",\"cat\":");
    put_string(&text, event->category);
    put(&text, ",\"name\":");
    put_string(&text, event->name);
    if (event->phase != 'M') {
        put(&text, ",\"ts\":");
        put_us(&text, event->at_ns - asyncio__trace_began_ns());
    }
    if (event->phase == 'X') {
        put(&text, ",\"dur\":");
        put_us(&text, event->took_ns);
    }
    put_field(&text,
              ",\"pid\":", (uint64_t)(event->pid ? event->pid : getpid()));
    put_field(&text,
              ",\"tid\":", (uint64_t)(event->tid ? event->tid : gettid()));
    if (event->id) put_field(&text, ",\"id\":", event->id);
    // An arrow's head is at the slice that is open at that time; an instant is
    // its thread's.
    if (event->phase == 'f') put(&text, ",\"bp\":\"e\"");
    if (event->phase == 'i') put(&text, ",\"s\":\"t\"");
    if (event->words[0].key) put_words(&text, event->words);
    *text.at++ = '}';
    asyncio__trace_put(text.bytes, (size_t)(text.at - text.bytes));
}

void asyncio__trace_name_row(int tid, const char *name)
{
    asyncio__trace_event(&(struct asyncio__trace_event){
        .phase = 'M',
        .category = "__metadata",
        .name = "thread_name",
        .tid = tid,
        .words = {{.key = "name", .text = name}},
    });
}

// The latest of those that share a place.
static struct {
    const void *fn;
    char name[64];
} functions[128];
static pthread_mutex_t functions_lock = PTHREAD_MUTEX_INITIALIZER;

void asyncio__trace_function(const void *fn, char *name, size_t size)
{
    struct asyncio__symbols symbols = {0};
    size_t place = (((uintptr_t)fn * 0x9e3779b97f4a7c15u) >> 32) % 128;
    pthread_mutex_lock(&functions_lock);
    if (functions[place].fn != fn) {
        functions[place].fn = fn;
        asyncio__symbols_name(&symbols, fn, functions[place].name,
                              sizeof functions[place].name);
        asyncio__symbols_close(&symbols);
    }
    snprintf(name, size, "%s", functions[place].name);
    pthread_mutex_unlock(&functions_lock);
}

void asyncio__trace_forget_locks(void)
{
    functions_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

uint32_t asyncio__trace_new_arrow(void)
{
    static _Atomic(uint32_t) latest;
    uint32_t arrow = atomic_fetch_add(&latest, 1) + 1;
    return arrow ? arrow : atomic_fetch_add(&latest, 1) + 1;
}

int asyncio__trace_new_row(void)
{
    static atomic_int next = ROWS_BEGIN;
    return atomic_fetch_add(&next, 1);
}
