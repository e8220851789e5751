#!/bin/sh
# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
#
# sh scripts/run.sh PURPOSE [node arguments …]
#
# Makes ready what PURPOSE needs (scripts/bootstrap.mjs lists the purposes), then becomes Node 24 with the arguments.
# `exec` leaves no process of the set-up behind: signals reach the program and its exit code comes back.

cd "$(dirname "$0")/.." || exit 1
purpose=$1
shift

if ! command -v node >/dev/null 2>&1; then
  echo "nereid: Node 20 or newer was not found in PATH: install it from https://nodejs.org." >&2
  exit 1
fi
case "$(node --version)" in
  v[0-9].* | v1[0-9].*)
    echo "nereid: this is Node $(node --version), and the set-up needs Node 20 or newer: see https://nodejs.org." >&2
    exit 1
    ;;
esac

# One set-up of this clone at a time. The kernel frees the lock when its last holder ends, however it ends.
mkdir -p .nereid || exit 1
exec 9>.nereid/lock || exit 1
if command -v flock >/dev/null 2>&1; then
  flock -n 9 || {
    echo "nereid: waiting for another set-up of this clone to end." >&2
    flock 9
  }
fi

# In the background, so that a signal is passed on at once instead of after the set-up.
node scripts/bootstrap.mjs "--for=$purpose" "$@" &
setup=$!
interrupted=
trap 'interrupted=143; kill -TERM $setup 2>/dev/null' TERM HUP
trap 'interrupted=130; kill -TERM $setup 2>/dev/null' INT
wait $setup
code=$?
if [ -n "$interrupted" ]; then
  wait $setup
  exit "$interrupted"
fi
[ "$code" -eq 0 ] || exit "$code"
trap - TERM HUP INT

# Sets NODE24 and what the program is told through its environment. Read under the lock: the next set-up rewrites it.
. ./.nereid/env || exit 1
exec 9>&-
[ $# -gt 0 ] || exit 0
exec "$NODE24" "$@"
