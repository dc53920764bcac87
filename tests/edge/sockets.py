#!/usr/bin/env python3
"""Python's `websockets` on both sides: `sockets.py serve` prints its port, `sockets.py ask URL REFUSED_URL` fails where anything is odd."""
import asyncio, sys
import websockets


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def serve():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def ask(url, refused):
    async with websockets.connect(url, max_size=None, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        await (await socket.ping())
        for message in ("", "grüße", b"\0" * 126, "x" * 65536, b"y" * 3_000_000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "pieces"])
        assert await socket.recv() == "in pieces"
        # The one wait that is the subject: longer than any idle limit of the configuration.
        await asyncio.sleep(1.5)
        await socket.send("still here")
        assert await socket.recv() == "still here"
        await socket.close(4000, "enough")
    assert (socket.close_code, socket.close_reason) == (4000, "enough")

    async def one(number):
        async with websockets.connect(url, subprotocols=["chat"]) as socket:
            for turn in range(20):
                await socket.send(f"{number} {turn}")
                assert await socket.recv() == f"{number} {turn}"

    await asyncio.gather(*(one(number) for number in range(50)))
    try:
        await websockets.connect(refused)
        raise SystemExit("a refused handshake was none")
    except websockets.exceptions.InvalidStatus as error:
        assert error.response.status_code == 403, error


asyncio.run(serve() if sys.argv[1] == "serve" else ask(*sys.argv[2:]))
