#!/bin/sh
# sysexits.h names 75: try again later. 12 and 3 are this script's own.
set -u

[ -d "$SOURCE" ] || { echo "$SOURCE is not there" >&2; exit 75; }
mkdir -p "$TARGET" || exit 1
free=$(df -Pk "$TARGET" | awk 'NR == 2 { print $4 }')
need=$(du -sk "$SOURCE" | awk '{ print $1 }')
[ "$free" -gt "$need" ] || { echo "$need KB do not fit into $free KB" >&2; exit 12; }

count=$(find "$SOURCE" -type f | wc -l | tr -d ' ')
tar -czf "$TARGET/latest.tar.gz.new" "$SOURCE"
status=$? # 1: a file changed while it was read
[ "$status" -le 1 ] || exit "$status"
mv "$TARGET/latest.tar.gz.new" "$TARGET/latest.tar.gz" || exit 1
printf 'summary=%s files\nfiles=%s\n' "$count" "$count" >"$AGENT_RESULT"
echo "packed $count files"
[ "$status" -eq 0 ] || exit 3
