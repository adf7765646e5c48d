// A doubly linked list through links that live inside the listed objects.
//
// The head is a link too, and the list is a ring through it; but an empty list,
// and a link in no list, is all zero. So static storage is ready for use, an
// idle object may be copied, and a link leaves its list without knowing which
// one that is:
//
//     head -> a -> b -> head      after both have left:  head = {NULL, NULL}
#pragma once

#include <asyncio/base.h>

#define list_entry(link, type, member)                                         \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

#define list_for_each(link, head)                                              \
    for (struct asyncio_link *link = (head)->next; link && link != (head);     \
         link = link->next)

// The same, where the body may remove `link` (but no other).
#define list_for_each_safe(link, after, head)                                  \
    for (struct asyncio_link *link = (head)->next,                             \
                             *after = link ? link->next : NULL;                \
         link && link != (head); link = after, after = after->next)

static inline bool list_empty(const struct asyncio_link *head)
{
    return !head->next;
}

static inline bool list_linked(const struct asyncio_link *link)
{
    return link->next;
}

static inline struct asyncio_link *list_first(const struct asyncio_link *head)
{
    return head->next;
}

static inline struct asyncio_link *list_last(const struct asyncio_link *head)
{
    return head->prev;
}

// Walks through all of it.
static inline size_t list_count(const struct asyncio_link *head)
{
    size_t count = 0;
    list_for_each (link, head)
        count++;
    return count;
}

static inline void list_add_tail(struct asyncio_link *head,
                                 struct asyncio_link *link)
{
    struct asyncio_link *last = head->prev ? head->prev : head;
    link->prev = last;
    link->next = head;
    last->next = link;
    head->prev = link;
}

static inline void list_add_head(struct asyncio_link *head,
                                 struct asyncio_link *link)
{
    struct asyncio_link *first = head->next ? head->next : head;
    link->next = first;
    link->prev = head;
    first->prev = link;
    head->next = link;
}

static inline void list_insert_before(struct asyncio_link *place,
                                      struct asyncio_link *link)
{
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}

static inline void list_remove(struct asyncio_link *link)
{
    struct asyncio_link *prev = link->prev, *next = link->next;
    prev->next = next;
    next->prev = prev;
    // Only the head has the same neighbour on both sides: the list is empty.
    if (prev == next) prev->next = prev->prev = NULL;
    link->next = link->prev = NULL;
}

static inline struct asyncio_link *list_pop(struct asyncio_link *head)
{
    struct asyncio_link *first = head->next;
    if (!first) return NULL;
    struct asyncio_link *next = first->next;
    if (next == head) {
        head->next = head->prev = NULL;
    } else {
        head->next = next;
        next->prev = head;
    }
    first->next = first->prev = NULL;
    return first;
}

// Takes the first link, `first`, out of the list, for whoever puts it into
// another one right away: it is left as it is.
static inline void list_leave_first(struct asyncio_link *head,
                                    const struct asyncio_link *first)
{
    struct asyncio_link *next = first->next;
    if (next == head) {
        head->next = head->prev = NULL;
    } else {
        head->next = next;
        next->prev = head;
    }
}

// Moves all of `from` to the tail of `to`.
static inline void list_splice(struct asyncio_link *to,
                               struct asyncio_link *from)
{
    if (list_empty(from)) return;
    struct asyncio_link *last = to->prev ? to->prev : to;
    last->next = from->next;
    from->next->prev = last;
    from->prev->next = to;
    to->prev = from->prev;
    from->next = from->prev = NULL;
}
