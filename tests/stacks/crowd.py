"""Opens COUNT WebSockets to URL, says so, and holds them until it is ended. crowd.py COUNT URL"""

import asyncio
import sys

import websockets


async def main():
    count, url = int(sys.argv[1]), sys.argv[2]
    held = [await websockets.connect(url, ping_interval=None) for _ in range(count)]
    await held[0].send("hello")
    print(f"holding {len(held)}, heard {await asyncio.wait_for(held[-1].recv(), 10)}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
