#!/bin/sh
# ./dev docs: builds the guide, the other documents and the reference as a site
# with a search, the reference as manual pages too, and says where they are.

. tools/dev/lib.sh

no_more "$@"
# shellcheck disable=SC2086 # One word is one package.
need $SITE_PACKAGES
/usr/bin/python3 tools/reference/reference.py build build/reference
/usr/bin/python3 tools/site/site.py build/site
say "web pages:     build/site/index.html"
say "manual pages:  man -M build/reference/man asyncio"
