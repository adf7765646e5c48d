// Words that come from workers are printed by the parent, often to a terminal,
// which takes some bytes for orders: colours, titles, keys that were pressed.

#include "exec/harmless.h"

#include <stdbool.h>

// In UTF-8, the controls above ASCII begin with C2.
void asyncio__make_harmless(char *text)
{
    unsigned char before = 0;
    for (unsigned char *at = (unsigned char *)text; *at; before = *at++) {
        bool high = *at >= 0x80 && *at < 0xa0 && before == 0xc2;
        bool low = *at < 0x20 && *at != '\t' && *at != '\n';
        if (high) at[-1] = at[0] = '?';
        if (low || *at == 0x7f) *at = '?';
    }
}
