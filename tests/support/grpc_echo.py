"""A gRPC service of raw bytes, and a client that counts every one that comes back.

grpc_echo.py serve PORT   |   grpc_echo.py ask PORT
"""
import hashlib
import random
import sys
import threading
from concurrent import futures

import grpc

PIECE = 64 * 1024
PIECES = 256  # 16 MiB each way


def digest(request, context):
    """Unary: the hash, then the bytes."""
    return hashlib.sha256(request).digest() + request


def mirror(pieces, context):
    """A stream both ways: each piece comes back in reverse."""
    for piece in pieces:
        yield piece[::-1]


def noise(request, context):
    """A stream to the client: as many pieces as it asks for."""
    source = random.Random(request)
    for _ in range(int(request)):
        yield source.randbytes(PIECE)


def gather(pieces, context):
    """A stream to the server: the hash of all."""
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.digest()


def refuse(request, context):
    context.set_trailing_metadata((("reason", "on purpose"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")


def endless(request, context):
    gone.clear()
    context.add_callback(gone.set)
    while context.is_active():
        yield bytes(PIECE)


def is_gone(request, context):
    return b"gone" if gone.wait(10) else b"still there"


gone = threading.Event()


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Echo", {
        "Digest": grpc.unary_unary_rpc_method_handler(digest),
        "Mirror": grpc.stream_stream_rpc_method_handler(mirror),
        "Noise": grpc.unary_stream_rpc_method_handler(noise),
        "Gather": grpc.stream_unary_rpc_method_handler(gather),
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
        "Endless": grpc.unary_stream_rpc_method_handler(endless),
        "IsGone": grpc.unary_unary_rpc_method_handler(is_gone),
    }),))
    server.add_insecure_port("127.0.0.1:%d" % port)
    server.start()
    server.wait_for_termination()


def check(what, value):
    if not value:
        sys.exit("wrong: " + what)
    print("ok:", what)


def ask(port):
    source = random.Random(7)
    pieces = [source.randbytes(PIECE) for _ in range(PIECES)]
    total = hashlib.sha256(b"".join(pieces)).digest()
    with grpc.insecure_channel("127.0.0.1:%d" % port) as channel:
        large = b"".join(pieces[:48])
        answer = channel.unary_unary("/Echo/Digest")(large, timeout=60)
        check("unary", answer == hashlib.sha256(large).digest() + large)
        check("a hundred calls on one connection", all(
            channel.unary_unary("/Echo/Digest")(piece[:100], timeout=60)[32:] == piece[:100]
            for piece in pieces[:100]))

        back = channel.stream_stream("/Echo/Mirror")(iter(pieces), timeout=60)
        check("stream both ways", [piece[::-1] for piece in back] == pieces)
        down = channel.unary_stream("/Echo/Noise")(b"256", timeout=60)
        expected = random.Random(b"256")
        check("stream down", all(piece == expected.randbytes(PIECE) for piece in down))
        check("stream up",
              channel.stream_unary("/Echo/Gather")(iter(pieces), timeout=60) == total)
        try:
            channel.unary_unary("/Echo/Refuse")(b"", timeout=60)
            sys.exit("wrong: no error")
        except grpc.RpcError as error:
            check("error", error.code() == grpc.StatusCode.FAILED_PRECONDITION
                  and error.details() == "not today"
                  and ("reason", "on purpose") in error.trailing_metadata())
        call = channel.unary_stream("/Echo/Endless")(b"", timeout=60)
        check("stream before its end", len(next(call)) == PIECE)
        call.cancel()
        check("cancellation",
              channel.unary_unary("/Echo/IsGone")(b"", timeout=60) == b"gone")


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](int(sys.argv[2]))
