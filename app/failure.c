// The sentence that explains a failure: one bounded format, and the code back.

#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int failure_set(struct failure *why, int code, const char *format, ...)
{
    if (!why) return code;

    va_list words;
    va_start(words, format);
    (void)vsnprintf(why->text, sizeof why->text, format, words);
    va_end(words);
    return code;
}
