// What a resolver's life does to its questions.
#pragma once

#include "io/resolver.h"

// Ends every question; whoever waits gets -ESHUTDOWN.
void asyncio__end_questions(struct asyncio_resolver *resolver);

// Takes back the answers of those who have not run yet, and will not.
void asyncio__take_back_answers(struct asyncio_resolver *resolver);

// Keeps a line that is not in use, or closes it.
void asyncio__spare_line(struct asyncio_resolver *resolver,
                         struct asyncio__name_line *line);
void asyncio__close_spare_lines(struct asyncio_resolver *resolver);
