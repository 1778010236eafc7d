#!/usr/bin/env bash
# Runs a link command and leaves out what is known of the libraries: in a static program, glibc's
# name services would be loaded from the image it runs in. Libraries get addresses from us, so
# theirs are never called; a warning about our own code is shown and is a bug.
set -uo pipefail
if output=$("$@" 2>&1); then code=0; else code=$?; fi
awk '
  /lib(crypto|curl|cares|pq|pgport_shlib|pgcommon_shlib)\.a\(.*: in function / { held = $0; next }
  /lib(crypto|curl|cares|pq|pgport_shlib|pgcommon_shlib)\.a\(.*: note: the message above does not/ { next }
  /warning: Using .* in statically linked applications/ && held != "" { held = ""; next }
  held != "" { print held; held = "" }
  { print }
  END { if (held != "") print held }' <<<"$output" | sed '/^$/d' >&2
exit $code
