// Text from a process that nobody trusts, before it is shown.
#pragma once

// What a terminal would obey becomes a question mark.
void asyncio__make_harmless(char *text);
