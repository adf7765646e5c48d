// Links in a page, and what they mean there.
#pragma once

#include <stdbool.h>

// Finds the next link, the value of an attribute href, from *page on, and moves
// *page behind it. It knows no HTML beyond that: what stands in a comment or a
// script counts as well.
//
// returns   the link, to be freed; NULL if there is no more, or no memory
char *links_next(const char **page);

// The absolute http or https URL that `link` means in the page `base`, without
// its fragment, to be freed; NULL for what is none, or no memory. `base` may be
// NULL for a link that is absolute.
char *links_resolve(const char *base, const char *link);

// The host of an absolute URL, with its port, to be freed; or NULL.
char *links_host(const char *url);
