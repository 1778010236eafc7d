#!/usr/bin/env bash
# `./dev run`: a demo app, a private Postgres and a private Redis on free loopback ports, and vitals
# watching them, until Ctrl-C. Everything lives in one temporary folder and goes with it.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
binary=$PWD/build/release/vitals

say() { printf '%s\n' "$*"; }
die() { printf 'demo: %s\n' "$@" >&2; exit 1; }
[ -x "$binary" ] || die "build/release/vitals is not there; run ./dev build"

# Debian keeps server programs where a user's PATH does not look.
PATH=$PATH:/usr/sbin:$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
for program in initdb pg_ctl redis-server nginx curl pgrep; do
  command -v $program >/dev/null || die "$program is not installed; ./dev run installs it"
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/vitals-demo.XXXXXX")
children=()
cleanup() {
  trap - EXIT INT TERM
  [ ! -e "$dir/db" ] || { "$dir/db" thaw; "$dir/db" stop; } >/dev/null 2>&1 || true
  [ ${#children[@]} = 0 ] || kill "${children[@]}" 2>/dev/null || true
  wait
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {  # [first choice]; below the range that the kernel gives to clients
  local port=${1:-$((20000 + RANDOM % 10000))}
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 10000)); done
  echo "$port"
}

# ---- the database ---------------------------------------------------------------------------

# Postgres refuses to run as root; Debian's package brings a user for it.
as_postgres=()
if [ "$(id -u)" = 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups); fi
db_port=$(free_port)
chmod 755 "$dir"
mkdir "$dir/postgres"
if [ "$(id -u)" = 0 ]; then chown postgres: "$dir/postgres"; fi
echo secret >"$dir/password"
(cd "$dir/postgres" && "${as_postgres[@]}" initdb --pgdata=data --username=demo --pwfile=../password \
  --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync) >"$dir/initdb.log" 2>&1 ||
  die "initdb failed:" "$(tail -5 "$dir/initdb.log")"

cat >"$dir/db" <<END
#!/usr/bin/env bash
# The demo's Postgres: stop, start, freeze (it accepts connections and stays silent), thaw.
set -euo pipefail
cd "$dir/postgres"
postgres() { ${as_postgres[*]} "$(command -v pg_ctl)" --pgdata=data --silent "\$@"; }
processes() { local pid; pid=\$(head -1 data/postmaster.pid); echo "\$pid" \$(pgrep -P "\$pid"); }
case \${1:-} in
  start) postgres start --log=log -o "-p $db_port -h 127.0.0.1 -k '$dir/postgres' -F" ;;
  stop) postgres stop --mode=immediate ;;
  freeze) kill -STOP \$(processes) ;;
  thaw) kill -CONT \$(processes) ;;
  *) echo "usage: $dir/db start|stop|freeze|thaw" >&2; exit 3 ;;
esac
END
chmod +x "$dir/db"
"$dir/db" start || die "Postgres did not start:" "$(tail -5 "$dir/postgres/log")"

# ---- the cache ------------------------------------------------------------------------------

redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" \
  >"$dir/redis.log" 2>&1 &
children+=($!)

# ---- the app --------------------------------------------------------------------------------

app_port=$(free_port)
mkdir "$dir/nginx"
cat >"$dir/nginx/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $dir/nginx/pid;
error_log $dir/nginx/error.log;
events {}
http {
  access_log off;
  client_body_temp_path $dir/nginx/body;
  proxy_temp_path $dir/nginx/proxy;
  fastcgi_temp_path $dir/nginx/fastcgi;
  uwsgi_temp_path $dir/nginx/uwsgi;
  scgi_temp_path $dir/nginx/scgi;
  server {
    listen 127.0.0.1:$app_port;
    location = /healthz { default_type text/plain; return 200 "ok\n"; }
    location / { default_type text/plain; return 200 "the demo app\n"; }
  }
}
END
nginx -p "$dir/nginx" -c "$dir/nginx/nginx.conf" -e "$dir/nginx/error.log" >"$dir/nginx/log" 2>&1 &
children+=($!)

# ---- the agent ------------------------------------------------------------------------------

port=$(free_port "${VITALS_DEMO_PORT:-9100}")
cat >"$dir/vitals.toml" <<END
# The config of the demo: an app, its database, its cache.
[server]
listen = "127.0.0.1:$port"

[defaults]
interval = "5s"
retry_interval = "1s"
timeout = "2s"

[checks.app]
kind = "http"
url = "http://127.0.0.1:$app_port/healthz"
live = true

[checks.db]
kind = "postgres"
url = "postgres://demo:secret@127.0.0.1:$db_port/postgres"

[checks.cache]
kind = "redis"
url = "redis://127.0.0.1:$redis_port"
END

"$binary" serve --config "$dir/vitals.toml" &
agent=$!
children+=("$agent")

url=http://127.0.0.1:$port
for _ in {1..100}; do  # until every check has its first result, or for 10 s
  kill -0 $agent 2>/dev/null || die "vitals ended at once; its reason is above"
  answer=$(curl -s --max-time 1 "$url/health?format=text" || true)
  case $answer in "" | *unknown*) sleep 0.1 ;; *) break ;; esac
done

say "" "$answer" ""
say "health      $url/health"
say "ready       $url/health/ready"
say "metrics     $url/metrics"
say "config      $dir/vitals.toml"
say "agent       pid $agent (kill -HUP $agent reads the config again)"
say "app         http://127.0.0.1:$app_port/healthz"
say "database    $dir/db stop     and /health says why it is 503; then: $dir/db start"
say "            $dir/db freeze   accepts connections, answers nothing; then: $dir/db thaw"
say "cache       redis-cli -p $redis_port shutdown nosave"
say "end         Ctrl-C"

code=0
wait $agent || code=$?
exit $code
