"""An app for the stack tests: HTTP, a pool to its database, calls to third parties, a clean end.

Routes: /healthz (asks nobody), /healthz/db (through the pool), /slow?seconds=N, /running (how many of
those there are), /answer?host=H (a call to a third party), /metrics, and two that break things:
/pool/exhaust and /pool/release.
"""

import http.client
import http.server
import os
import signal
import socket
import ssl
import threading
import time
from urllib.parse import parse_qs, urlparse

import psycopg2
import psycopg2.pool

POOL_SIZE = 3


class Pool:
    """What apps have: a few kept connections, thrown away when they fail."""

    def __init__(self, url):
        self.url = url
        self.lock = threading.Lock()
        self.pool = None
        self.held = []

    def _get(self):
        with self.lock:
            if self.pool is None:
                self.pool = psycopg2.pool.ThreadedConnectionPool(
                    1, POOL_SIZE, self.url, connect_timeout=2
                )
        return self.pool

    def ask(self):
        pool = self._get()
        connection = pool.getconn()  # raises when all are taken
        broken = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
            connection.rollback()
            broken = False
        finally:
            pool.putconn(connection, close=broken)

    def exhaust(self):
        while len(self.held) < POOL_SIZE:
            self.held.append(self._get().getconn())

    def release(self):
        while self.held:
            self._get().putconn(self.held.pop())


POOL = Pool(os.environ["DATABASE_URL"])
RUNNING = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body):
        data = (body + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urlparse(self.path)
        query = parse_qs(url.query)
        try:
            if url.path == "/healthz":
                self.answer(200, "alive")
            elif url.path == "/healthz/db":
                POOL.ask()
                self.answer(200, "the pool works")
            elif url.path == "/pool/exhaust":
                POOL.exhaust()
                self.answer(200, "all taken")
            elif url.path == "/pool/release":
                POOL.release()
                self.answer(200, "given back")
            elif url.path == "/slow":
                RUNNING.append(self)
                time.sleep(float(query["seconds"][0]))
                self.answer(200, "done")
                RUNNING.remove(self)
            elif url.path == "/running":
                self.answer(200, str(len(RUNNING)))
            elif url.path == "/answer":
                connection = http.client.HTTPSConnection(query["host"][0], timeout=3)
                connection.request("GET", "/")
                self.answer(200, str(connection.getresponse().status))
            elif url.path == "/metrics":
                self.answer(200, "# TYPE app_jobs_total counter\napp_jobs_total 7")
            else:
                self.answer(404, "no such route")
        except (psycopg2.Error, psycopg2.pool.PoolError, OSError, ssl.SSLError) as error:
            self.answer(503, f"{type(error).__name__}: {error}".strip())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for requests that run
    allow_reuse_address = True
    request_queue_size = 128

    def get_request(self):
        client, address = super().get_request()
        client.settimeout(5)  # an idle keep-alive client must not keep us from ending
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, address


def main():
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)

    def stop(*_):
        if log := os.environ.get("APP_LOG"):
            with open(log, "a", encoding="ascii") as file:
                file.write(f"TERM {time.time()}\n")
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


main()
