#!/usr/bin/env bash
# Builds the image of each example's Dockerfile, with a small app as people would have one, into
# build/examples/NAME: rootfs/ and config.json. tests/e2e/examples_image_test.cpp runs them.
#
#   tests/examples/images.sh [build/image/vitals.tar]
#
# As root, without a Docker engine. Nothing is pulled: `vitals` is the archive of ./dev image, and for
# node:… of a registry stands a Debian of this machine's release with its own nodejs and npm.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
archive=${1:-build/image/vitals.tar}
dir=$PWD/build/examples
context=$dir/tmp/context

die() { printf '%s\n' "images: $*" >&2; exit 1; }
[ -e "$archive" ] || die "there is no $archive: ./dev image makes it"

store() {
  TMPDIR=$dir/tmp buildah --storage-driver vfs --root "$dir/storage" --runroot "$dir/run" "$@"
}

# The user `node` is the one of Node's own images.
node_base() {  # name
  local suite container
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
  # shellcheck disable=SC2016  # $1 is mmdebstrap's
  mmdebstrap --variant=minbase --include=ca-certificates,nodejs,npm \
    --customize-hook='chroot "$1" useradd -m node' "$suite" "$dir/base.tar" >&2
  container=$(store from --signature-policy "$dir/policy.json" scratch)
  store add "$container" "$dir/base.tar" / >/dev/null
  store commit --signature-policy "$dir/policy.json" --rm "$container" "$1" >&2
  rm -f "$dir/base.tar"
}

example() {  # name file
  local container to=$dir/$1
  rm -rf "$context" "$to"
  mkdir -p "$to"
  cp -a "$(dirname "$2")" "$context"
  cp -a tests/examples/app/. "$context"
  store bud --isolation chroot --pull-never --signature-policy "$dir/policy.json" \
    --build-arg VITALS_IMAGE=localhost/vitals:latest -f "$context/${2##*/}" \
    -t "localhost/example-$1" "$context" >&2 || die "the image of $2 could not be built"
  container=$(store from --pull-never --signature-policy "$dir/policy.json" "localhost/example-$1")
  cp -a "$(store mount "$container")" "$to/rootfs"
  store inspect --type image "localhost/example-$1" >"$to/config.json"
  store rm "$container" >/dev/null
  store rmi "localhost/example-$1" >/dev/null
  echo "build/examples/$1: $(du -sm "$to/rootfs" | cut -f1) MB"
}

mkdir -p "$dir/tmp"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$dir/policy.json"
base=$(sed -n 's/^FROM \(node:[^ ]*\).*/localhost\/\1/p' examples/*/*Dockerfile | sort -u)
[ "$(wc -l <<<"$base")" = 1 ] || die "the examples have more than one base: $base"
store inspect --type image "$base" >/dev/null 2>&1 || node_base "$base"
store tag "$(store pull --signature-policy "$dir/policy.json" "oci-archive:$archive")" \
  localhost/vitals:latest
for file in examples/*/*Dockerfile; do
  name=$(basename "$(dirname "$file")")
  case $file in */vitals.Dockerfile) name+=-vitals ;; esac
  example "$name" "$file"
done
rm -rf "$context"
