#!/bin/sh
# Exits with 0 while there is room, 3 where it gets tight, 1 where it is nearly full.
set -eu

used=$(df -P "$DISK" | awk 'NR == 2 { sub("%", "", $5); print $5 }')
echo "used=$used" >"$AGENT_RESULT"
echo "$DISK is $used % full"
[ "$used" -lt "$FAIL" ] || exit 1
[ "$used" -lt "$WARN" ] || exit 3
