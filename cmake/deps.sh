#!/usr/bin/env bash
# Builds every library of vitals once, statically, into a cache outside the checkout.
#
#   cmake/deps.sh           build what is missing, print the prefix
#   cmake/deps.sh --path    print the prefix, build nothing
#   cmake/deps.sh --tsan    the same libraries with ThreadSanitizer inside (may follow --path)
#
# Sources are Debian's, fetched by apt and checked against the Debian archive keyring, under an apt
# configuration of our own: the machine's sources, lists and packages stay as they are. The mirror
# is the one this machine already uses. One prefix belongs to one recipe (this file), one Debian
# release and one compiler; a change of any of them makes a new one beside it.
set -euo pipefail

# Library versions are those of the suites named here, on every Debian release we build on.
sources=(openssl/trixie curl/trixie postgresql-17/trixie hiredis/trixie pcre2/trixie
         c-ares/bookworm prometheus-cpp/bookworm)
headers=(libtomlplusplus-dev/trixie libspdlog-dev/trixie libfmt-dev/trixie doctest-dev/trixie
         nlohmann-json3-dev/trixie)
# The header in libcpp-httplib-dev needs its shared library; the whole one is in the source archive.
httplib=cpp-httplib/trixie-backports

cc=gcc
cxx=g++
cache=${VITALS_CACHE:-${XDG_CACHE_HOME:-~/.cache}/vitals}

# For executables only, so -fPIE rather than -fPIC: the same code without the detours of a library
# that others may interpose.
cflags="-Os -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -fno-strict-aliasing"
hardening="-D_FORTIFY_SOURCE=2"
# Nothing is ever thrown through C: its tables for unwinding would be 0.4 MB of the binary.
c_only="-fno-asynchronous-unwind-tables"
flavour=plain

say() { printf '%s\n' "$*" >&2; }
die() { say "deps: $1"; shift; for line in "$@"; do say "  $line"; done; exit 1; }

path_only=no
for arg in "$@"; do
  case $arg in
    --path) path_only=yes ;;
    --tsan) flavour=tsan ;;
    *) die "unknown argument '$arg'" "Known: --path, --tsan." ;;
  esac
done
if [ $flavour = tsan ]; then
  cflags="-O1 -g1 -fPIE -fsanitize=thread -fno-omit-frame-pointer -fno-strict-aliasing"
  hardening=""
  c_only=""
fi

command -v $cxx >/dev/null || die "there is no $cxx" "Install it: apt-get install g++ (./dev deps does)."
# shellcheck disable=SC1091
. /etc/os-release
if [ "${ID:-}" != debian ] || [ -z "${VERSION_CODENAME:-}" ]; then
  die "this is ${PRETTY_NAME:-an unknown system}, not Debian" "Build in a container of debian:12 or debian:13."
fi
key=$({ cat "${BASH_SOURCE[0]}"; echo "$VERSION_CODENAME $($cxx -dumpfullversion -dumpmachine) $flavour"; } | sha256sum)
prefix=$cache/deps-${key:0:16}
if [ $path_only = yes ] || [ -e "$prefix/versions.txt" ]; then
  echo "$prefix"
  exit 0
fi

# ---- fetch ----------------------------------------------------------------------------------

# The Debian mirror of this machine: apt itself reads its .list and .sources files for us.
find_mirror() {
  if [ -n "${VITALS_DEBIAN_MIRROR:-}" ]; then
    echo "$VITALS_DEBIAN_MIRROR"
    return
  fi
  local targets
  targets=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)/$(LABEL)' \
            2>/dev/null | awk -v code="$VERSION_CODENAME" \
            '$3 == "main" && ($2 == code || $2 == "stable" || $2 == "oldstable")' | sort -u)
  { awk '$4 == "Debian/Debian"' <<<"$targets"; grep -E '^[^ ]*/debian/? ' <<<"$targets"; } |
    awk 'NR == 1 { print $1 }'
}

write_apt_configuration() {
  local mirror=$1 keyring=/usr/share/keyrings/debian-archive-keyring
  if [ -e $keyring.gpg ]; then keyring=$keyring.gpg; else keyring=$keyring.pgp; fi
  [ -e $keyring ] || die "the keys of the Debian archive are missing" "apt-get install debian-archive-keyring"
  mkdir -p "$work"/apt/{lists,cache/archives}/partial
  : >"$work/apt/status"
  cat >"$work/apt/debian.sources" <<END
Types: deb-src
URIs: $mirror
Suites: bookworm trixie trixie-backports
Components: main
Signed-By: $keyring

Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: $keyring
END
  cat >"$work/apt/apt.conf" <<END
Dir::Etc::sourcelist "$work/apt/debian.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
#clear Acquire::IndexTargets::deb;
Acquire::IndexTargets::deb::Packages { MetaKey "\$(COMPONENT)/binary-\$(ARCHITECTURE)/Packages"; flatMetaKey "Packages"; ShortDescription "Packages"; Description "\$(RELEASE)/\$(COMPONENT) \$(ARCHITECTURE) Packages"; };
#clear APT::Update;
#clear DPkg::Post-Invoke;
END
}

private_apt() { apt-get -q -c "$work/apt/apt.conf" "$@"; }

fetch() {
  local mirror package
  mirror=$(find_mirror)
  [ -n "$mirror" ] || die "no Debian mirror for $VERSION_CODENAME found in this machine's apt sources" \
    "Add one to /etc/apt/sources.list.d, or name it: VITALS_DEBIAN_MIRROR=<url> ./dev deps"
  write_apt_configuration "$mirror"
  say "deps: fetching sources from $mirror"
  # Only the Packages and Sources of the suites; "--error-on=any": a mirror without one is an error.
  private_apt update --error-on=any >"$logs/fetch.log" 2>&1 ||
    fetch_failed "the package lists of bookworm, trixie and trixie-backports" "$mirror"
  cd "$work/src"
  for package in "${sources[@]}"; do
    private_apt source --download-only "$package" >>"$logs/fetch.log" 2>&1 ||
      fetch_failed "the source package $package" "$mirror"
  done
  private_apt source --download-only --tar-only $httplib >>"$logs/fetch.log" 2>&1 ||
    fetch_failed "the source archive of $httplib" "$mirror"
  for package in "${headers[@]}"; do
    private_apt download "$package" >>"$logs/fetch.log" 2>&1 ||
      fetch_failed "the binary package $package" "$mirror"
  done
}

fetch_failed() {
  grep -E '^(E|Err|W|N):? ?' "$logs/fetch.log" | tail -5 >&2 || true
  die "could not fetch $1 from $2" \
    "Is the network up, and does this mirror carry the suite? Everything apt said: $logs/fetch.log" \
    "Another mirror: VITALS_DEBIAN_MIRROR=<url> ./dev deps"
}

unpack_source() {  # name -> $work/name, with Debian's patches applied
  local dsc
  dsc=$(echo "$work/src/$1"_*.dsc)
  dpkg-source --no-check -x "$dsc" "$work/$1"
  local version=${dsc##*_}
  echo "$1 ${version%.dsc}" >>"$work/versions"
}

# ---- build ----------------------------------------------------------------------------------

build_openssl() {
  unpack_source openssl
  cd "$work/openssl"
  # TLS 1.2 and 1.3 for clients. /etc/ssl is where every image keeps its certificates. What an
  # image's openssl.cnf says (providers to load, FIPS) must not change what the agent sees.
  # Bulk ciphers in AVX-512: 0.8 MB that probes, with a few packets each, would never feel.
  local asm
  for asm in crypto/modes/asm/aes-gcm-avx512.pl crypto/aes/asm/aesni-xts-avx512.pl \
             crypto/bn/asm/rsaz-{2,3,4}k-avx512.pl; do
    grep -q '^if (\$avx512[a-z]*\( *> *0\)\?)' $asm || { echo "no AVX-512 switch in $asm"; return 1; }
    sed -i 's/^if (\$avx512[a-z]*\( *> *0\)\?)/if (0)/' $asm
  done
  local no="shared engine dso module legacy quic dtls srp cms ts cmp ct comp ml-dsa slh-dsa
    apps docs tests ui-console autoload-config ocsp http async thread-pool default-thread-pool
    ssl3 tls1 tls1_1 ssl-trace psk srtp nextprotoneg rfc3779 sctp dsa ec2m gost
    sm2 sm3 sm4 aria bf camellia cast des idea md4 mdc2 rc2 rc4 rc5 rmd160 seed whirlpool
    siphash siv ocb scrypt argon2 blake2 multiblock"
  local disabled=()
  for feature in $no; do disabled+=("no-$feature"); done
  # shellcheck disable=SC2086
  CC=$cc ./Configure linux-"$(openssl_target)" --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
    no-pic "${disabled[@]}" $cflags $c_only $hardening
  make -j"$jobs" build_generated
  make -j"$jobs" libcrypto.a libssl.a
  cp libcrypto.a libssl.a "$out/lib/"
  cp -r include/openssl "$out/include/"
  rm -f "$out"/include/openssl/*.in
}

openssl_target() {
  case $(uname -m) in
    x86_64) echo x86_64 ;;
    aarch64) echo aarch64 ;;
    *) die "no OpenSSL target known for $(uname -m)" "Add one to openssl_target in cmake/deps.sh." ;;
  esac
}

build_c_ares() {
  unpack_source c-ares
  cd "$work/c-ares"
  freeze_autotools
  ./configure --prefix=/usr --sysconfdir=/etc --disable-shared --enable-static --without-pic \
    --disable-tests CC=$cc CFLAGS="$cflags $c_only" CPPFLAGS="$hardening"
  make -j"$jobs" -C src/lib
  cp src/lib/.libs/libcares.a "$out/lib/"
  cp include/ares*.h "$out/include/"
}

build_pcre2() {
  unpack_source pcre2
  cd "$work/pcre2"
  freeze_autotools
  # Bytes only: patterns meet bodies of any encoding, and the property tables are 200 KB.
  ./configure --prefix=/usr --disable-shared --enable-static --without-pic --enable-pcre2-8 \
    --disable-pcre2-16 --disable-pcre2-32 --disable-unicode --disable-jit --disable-pcre2grep-jit \
    CC=$cc CFLAGS="$cflags $c_only" CPPFLAGS="$hardening"
  make -j"$jobs" libpcre2-8.la
  cp .libs/libpcre2-8.a "$out/lib/"
  cp src/pcre2.h "$out/include/"
}

build_prometheus_cpp() {
  unpack_source prometheus-cpp
  cmake -S "$work/prometheus-cpp" -B "$work/prometheus-cpp/build" -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_CXX_COMPILER=$cxx -DCMAKE_CXX_FLAGS="$cflags $hardening -DNDEBUG -std=c++20 -ffile-prefix-map=$work/=" \
    -DBUILD_SHARED_LIBS=OFF -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_PREFIX="$work/prometheus-out" \
    -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DCMAKE_POSITION_INDEPENDENT_CODE=OFF \
    -DENABLE_PUSH=OFF -DENABLE_PULL=OFF -DENABLE_COMPRESSION=OFF -DENABLE_TESTING=OFF \
    -DUSE_THIRDPARTY_LIBRARIES=OFF -DGENERATE_PKGCONFIG=OFF
  cmake --build "$work/prometheus-cpp/build" -j"$jobs"
  cmake --install "$work/prometheus-cpp/build"
  cp "$work"/prometheus-out/lib/libprometheus-cpp-core.a "$out/lib/"
  cp -r "$work"/prometheus-out/include/prometheus "$out/include/"
}

build_curl() {
  unpack_source curl
  cd "$work/curl"
  freeze_autotools
  local off="ftp file ldap ldaps rtsp dict telnet tftp pop3 imap smb smtp gopher mqtt ipfs
    manual docs libcurl-option alt-svc hsts cookies netrc doh mime form-api dateparse aws ntlm
    kerberos-auth negotiate-auth digest-auth tls-srp progress-meter ech ssls-export
    openssl-auto-load-config sspi threaded-resolver get-easy-options symbol-hiding curldebug"
  local without="zlib brotli zstd libpsl libgsasl librtmp libidn2 nghttp2 nghttp3 ngtcp2 quiche
    libssh libssh2 wolfssh gssapi ca-path pic libuv"
  local options=()
  for feature in $off; do options+=("--disable-$feature"); done
  for library in $without; do options+=("--without-$library"); done
  PKG_CONFIG=false ./configure --prefix=/usr --disable-shared --enable-static --with-openssl="$out" \
    --enable-ares="$out" --enable-http --enable-websockets --enable-proxy --enable-unix-sockets \
    --enable-ipv6 --enable-basic-auth --enable-bearer-auth --enable-headers-api \
    --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt "${options[@]}" \
    CC=$cc CFLAGS="$cflags $c_only" CPPFLAGS="$hardening" LIBS="-lpthread"
  make -j"$jobs" -C lib libcurl.la
  cp lib/.libs/libcurl.a "$out/lib/"
  mkdir -p "$out/include/curl"
  cp include/curl/*.h "$out/include/curl/"
}

build_postgresql_17() {
  unpack_source postgresql-17
  cd "$work/postgresql-17"
  ./configure --prefix=/usr --sysconfdir=/etc/postgresql-common --without-gssapi --without-ldap \
    --without-icu --without-readline --without-zlib --without-lz4 --without-zstd --disable-nls \
    --with-ssl=openssl --with-includes="$out/include" --with-libraries="$out/lib" \
    CC=$cc CFLAGS="$cflags $c_only" CPPFLAGS="$hardening" LIBS="-lpthread -ldl"
  make -j"$jobs" -C src/include all  # generated headers first: the three below share them
  make -j"$jobs" -C src/backend generated-headers
  make -j"$jobs" -C src/port libpgport_shlib.a
  make -j"$jobs" -C src/common libpgcommon_shlib.a
  make -j"$jobs" -C src/interfaces/libpq libpq.a
  cp src/port/libpgport_shlib.a src/common/libpgcommon_shlib.a src/interfaces/libpq/libpq.a "$out/lib/"
  cp src/interfaces/libpq/libpq-fe.h src/include/postgres_ext.h src/include/pg_config_ext.h "$out/include/"
}

build_hiredis() {
  unpack_source hiredis
  cd "$work/hiredis"
  make -j"$jobs" static USE_SSL=1 OPENSSL_PREFIX="$out" CC=$cc OPTIMIZATION= DEBUG_FLAGS= \
    CFLAGS="$cflags $c_only $hardening -I$out/include" libhiredis.a libhiredis_ssl.a
  cp libhiredis.a libhiredis_ssl.a "$out/lib/"
  mkdir -p "$out/include/hiredis"
  cp ./*.h "$out/include/hiredis/"
}

unpack_headers() {
  local deb package
  for package in "${headers[@]}"; do
    package=${package%/*}
    deb=$(echo "$work/src/$package"_*.deb)
    dpkg-deb -x "$deb" "$work/headers"
    echo "$package $(dpkg-deb -f "$deb" Version)" >>"$work/versions"
  done
  cp -r "$work"/headers/usr/include/. "$out/include/"
  local archive version
  archive=$(echo "$work"/src/cpp-httplib_*.orig.tar.*)
  tar -xf "$archive" -C "$out/include" --strip-components=1 --wildcards '*/httplib.h'
  version=${archive##*/cpp-httplib_}
  echo "cpp-httplib ${version%.orig.*}" >>"$work/versions"
}

# Debian's patches touch files that configure is made from; the shipped configure is good as it is.
freeze_autotools() {
  find . -name aclocal.m4 -exec touch {} +
  find . \( -name configure -o -name '*config.h.in' \) -exec touch {} +
  find . -name Makefile.in -exec touch {} +
}

jobs=$(nproc)
declare -A running=()  # library -> process group that builds it

start() {  # build one library in the background, everything it says in its own log
  local name=$1
  set -m  # a process group of its own, so that stop_all reaches its compilers
  ( set -e; trap - EXIT INT TERM; "build_${name//-/_}" ) >"$logs/$name.log" 2>&1 </dev/null &
  running[$name]=$!
  set +m
}

stop_all() {
  local name
  for name in "${!running[@]}"; do kill -TERM -- "-${running[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
}

finish() {
  local name
  for name in "$@"; do
    if ! wait "${running[$name]}"; then
      stop_all
      tail -25 "$logs/$name.log" >&2
      die "could not build $name" "The whole log: $logs/$name.log" \
        "A full disk or little memory (under 1 GB) is the usual cause; then run ./dev deps again."
    fi
    unset "running[$name]"
    say "deps: built $name"
  done
}

# ---- main -----------------------------------------------------------------------------------

missing=()
for tool in gcc g++ make cmake perl bison flex dpkg-source dpkg-deb xz bzip2 patch flock; do
  command -v $tool >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} = 0 ] || die "missing: ${missing[*]}" "Run ./dev deps, which installs them."

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "deps: another build is running, waiting for it"; flock 9; }
if [ -e "$prefix/versions.txt" ]; then
  echo "$prefix"
  exit 0
fi

work=$(mktemp -d "$cache/build.XXXXXX")
logs=$cache/logs
mkdir -p "$logs" "$work/src" "$work/out/include" "$work/out/lib"
out=$work/out
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fetch
unpack_headers
start openssl
start c-ares
start pcre2
start prometheus-cpp
finish c-ares pcre2 prometheus-cpp openssl
start curl
start postgresql-17
start hiredis
finish hiredis postgresql-17 curl

sort "$work/versions" >"$out/versions.txt"
rm -rf "$prefix"
mv "$out" "$prefix"
say "deps: done, in $prefix"
echo "$prefix"
