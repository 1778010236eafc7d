"""A WebSocket chat for the stack tests: what one says, all hear, through Redis."""

import asyncio
import os
import signal

import redis.asyncio as redis
import websockets

CHANNEL = "room"
clients = set()


async def serve_client(socket, *_):
    clients.add(socket)
    publisher = redis.from_url(os.environ["REDIS_URL"])
    try:
        async for message in socket:
            try:
                await publisher.publish(CHANNEL, message)
            except redis.RedisError:
                await socket.send("only here: " + message)
    except websockets.ConnectionClosed:
        pass
    finally:
        clients.discard(socket)
        await publisher.close()


async def relay():
    """From Redis to everybody who is here; again after every failure."""
    while True:
        try:
            subscriber = redis.from_url(os.environ["REDIS_URL"]).pubsub()
            await subscriber.subscribe(CHANNEL)
            async for message in subscriber.listen():
                if message["type"] == "message":
                    for client in list(clients):
                        await client.send(message["data"].decode())
        except (redis.RedisError, OSError, websockets.ConnectionClosed):
            await asyncio.sleep(0.2)


async def main():
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, lambda: stopped.done() or stopped.set_result(None))
    task = asyncio.create_task(relay())
    async with websockets.serve(serve_client, "127.0.0.1", int(os.environ["PORT"])):
        await stopped
    task.cancel()


asyncio.run(main())
