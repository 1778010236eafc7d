#!/bin/sh
# Starts vitals behind the app and becomes the app. One-off commands of Fly run alone.
if [ -z "$RELEASE_COMMAND" ] && [ -z "$FLY_TEST_COMMAND" ]; then
  (
    # Again after a crash, but not after a bad config (3): the next deploy has to bring a better one.
    while :; do
      vitals serve
      code=$?
      [ $code != 3 ] || exit 3
      sleep 1
    done
  ) &
fi
exec "$@"
