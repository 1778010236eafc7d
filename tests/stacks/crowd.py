"""Opens COUNT WebSockets to URL, says so, and holds them until it is ended. crowd.py COUNT URL"""

import asyncio
import sys

import websockets


async def main():
    count, url = int(sys.argv[1]), sys.argv[2]
    held = [await websockets.connect(url, ping_interval=None) for _ in range(count)]
    while True:  # what is said before the room listens to Redis is lost
        await held[0].send("hello")
        try:
            heard = await asyncio.wait_for(held[-1].recv(), 2)
            break
        except asyncio.TimeoutError:
            continue
    print(f"holding {len(held)}, heard {heard}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
