"""HTTPS servers that answer as third-party APIs do when nobody shows a key.

providers.py CERTIFICATE KEY FAULTS HOST=ADDRESS...: each host listens on port 443 of its own loopback
address. FAULTS is a file with lines "HOST FAULT", read again at HUP: refused, silent, 503.
"""

import signal
import socket
import ssl
import sys
import threading

ANSWER = (
    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    "Connection: close\r\n\r\n{{}}"
)


class Provider:
    def __init__(self, host, address, context):
        self.host = host
        self.address = address
        self.context = context
        self.fault = ""
        self.socket = None
        self.open()

    def open(self):
        self.socket = socket.create_server((self.address, 443), backlog=64)
        threading.Thread(target=self.serve, args=(self.socket,), daemon=True).start()

    def set(self, fault):
        if (fault == "refused") != (self.socket is None):
            if fault == "refused":
                listening, self.socket = self.socket, None
                listening.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
                listening.close()
            else:
                self.open()
        self.fault = fault

    def serve(self, listening):
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        client.settimeout(10)
        try:
            if self.fault == "silent":
                client.recv(65536)
                client.recv(65536)  # until the client gives up
                return
            with self.context.wrap_socket(client, server_side=True) as stream:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = stream.recv(4096)
                    if not data:
                        return
                    head += data
                # Who are you: the answer of nearly all of them.
                status = "503 Unavailable" if self.fault == "503" else "401 Unauthorized"
                stream.sendall(ANSWER.format(status=status).encode())
        except OSError:
            pass
        finally:
            client.close()


def main():
    # Before there are threads: one that does not block it would end the program.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    certificate, key, faults, *hosts = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    providers = [Provider(*host.split("="), context) for host in hosts]
    while True:
        signal.sigwait([signal.SIGHUP])
        with open(faults, encoding="ascii") as file:
            told = dict(line.split() for line in file)
        for provider in providers:
            provider.set(told.get(provider.host, ""))


main()
