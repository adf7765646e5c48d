// What every other header stands on: keyword arguments, marks on functions, and
// the link by which objects in your memory hang in lists of ours.
//
// A call with keywords is a macro over a function of the same name that takes a
// pointer to the options, or NULL:
//
//     asyncio_create_task(fn, arg, .name = "reader");
//     (asyncio_create_task)(fn, arg, &(struct asyncio_task_options){0});
//
// Write the name in parentheses, take its address or load the symbol to have
// the function. 0 is the same as leaving an option out, so nothing whose 0
// means something is an option. C++20 wants the options in the order of
// declaration. No set of options is larger than 80 bytes: gcc clears more with
// a slow `rep stos`. The empty last argument that each macro adds keeps `...`
// from being absent, which C17 forbids.
//
// A handle that is NULL (a task, future, loop, stream, child) stands for
// nothing. Calls about it do nothing: they return -EINVAL, or -EBADF for a
// stream, or false, NULL or 0; what undoes something accepts any NULL. Structs
// that lie in your memory, and places for results, have to be there.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ASYNCIO__UNSET = {} // lets C++ leave it out, without a warning
#define ASYNCIO__ZERO                                                          \
    {                                                                          \
    }
#define ASYNCIO__BEGIN extern "C" {
#define ASYNCIO__END   }
#else
#include <stdbool.h>
#define ASYNCIO__UNSET
#define ASYNCIO__ZERO                                                          \
    {                                                                          \
        0                                                                      \
    }
#define ASYNCIO__BEGIN
#define ASYNCIO__END
#endif

// Everything that the shared library shows to the outside.
#define ASYNCIO_API __attribute__((visibility("default")))

// A call that may let other tasks run. Its result has to be looked at: an
// ignored -ECANCELED is a cancellation swallowed.
#define ASYNCIO_SUSPENDS __attribute__((warn_unused_result))

// Says that the outcome of a call does not matter here. (A cast to void does
// not: gcc warns all the same.)
#define asyncio_ignore(call) ((void)((call) < 0))

// "file:line" of the place where it is written.
#define ASYNCIO_SITE        __FILE__ ":" ASYNCIO__STRING(__LINE__)
#define ASYNCIO__STRING(x)  ASYNCIO__STRING_(x)
#define ASYNCIO__STRING_(x) #x

struct asyncio__write_options_by_name; // never defined: stops f(a, b, "x")

#define ASYNCIO__OPTIONS_HEAD                                                  \
    const char *site ASYNCIO__UNSET; /* "file:line" of the call */             \
    struct asyncio__write_options_by_name *by_name ASYNCIO__UNSET;

#ifdef __cplusplus
extern "C++" {
template <class Options>
const Options *asyncio__options_at(Options &&options, const char *site)
{
    options.site = site;
    return &options;
}
}
#define ASYNCIO__OPTIONS_AT(place, type, ...)                                  \
    asyncio__options_at(type{__VA_ARGS__}, place)
#else
#define ASYNCIO__OPTIONS_AT(place, type, ...)                                  \
    (&(const struct type){.site = place, __VA_ARGS__})
#endif
#define ASYNCIO__OPTIONS(...) ASYNCIO__OPTIONS_AT(ASYNCIO_SITE, __VA_ARGS__)

// A place in a list, or the head of one. All zero is in no list, and an empty
// list. Never written by users.
struct asyncio_link {
    struct asyncio_link *next ASYNCIO__UNSET;
    struct asyncio_link *prev ASYNCIO__UNSET;
};
