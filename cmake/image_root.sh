#!/usr/bin/env bash
# image_root.sh FOLDER: what the image holds, out of build/release/vitals and the CA certificates of
# this system. Dockerfile.sidecar and the tests of the image make it here.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
root=$1
mkdir -p "$root/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'vitals:x:65532:65532:vitals:/:/vitals' >"$root/etc/passwd"
echo 'vitals:x:65532:' >"$root/etc/group"
cp build/release/vitals "$root/vitals"
