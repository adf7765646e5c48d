#!/bin/sh
# ./dev docs: builds the reference from the public headers, as web pages and as
# manual pages, and says where they are.

. tools/dev/lib.sh

no_more "$@"
need python3
/usr/bin/python3 tools/reference/reference.py build build/reference
say "web pages:     build/reference/html/index.html"
say "manual pages:  man -M build/reference/man asyncio"
