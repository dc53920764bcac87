#!/usr/bin/env python3
"""What an edge costs in memory: idle connections, and bodies that stream. Needs Linux and Python's standard library.

    load-tests/edge.py --doorward target/release/doorward [--idle 10000] [--mib 1024] [--streams 64]

Prints resident memory before, during and after. Needs `ulimit -n` above twice the number of idle connections.
"""
import argparse
import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def read_head(connection):
    seen = b""
    while b"\r\n\r\n" not in seen:
        part = connection.recv(65536)
        if not part:
            return None, b""
        seen += part
    head, rest = seen.split(b"\r\n\r\n", 1)
    return head.decode("latin-1"), rest


def length_of(head):
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def serve(connection):
    """Takes whatever is sent; `/down/<bytes>` is answered with that many."""
    block = b"x" * 65536
    with connection:
        while True:
            head, rest = read_head(connection)
            if head is None:
                return
            left = length_of(head) - len(rest)
            while left > 0:
                part = connection.recv(min(left, MIB))
                if not part:
                    return
                left -= len(part)
            target = head.split(" ")[1]
            size = int(target.rsplit("/", 1)[1]) if target.startswith("/down/") else 0
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            while size > 0:
                part = block[: min(size, len(block))]
                connection.sendall(part)
                size -= len(part)


def upstream():
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def start(binary, folder, to):
    ports = [free_port() for _ in range(3)]
    rules = [{
        "id": "all",
        "match": {"url": "http://<[^/]+>/<.*>", "methods": ["GET", "POST"]},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
        "upstream": {"url": f"http://127.0.0.1:{to}"},
    }]
    with open(f"{folder}/rules.json", "w") as file:
        json.dump(rules, file)
    listeners = ("proxy", "api", "prometheus")
    config = {
        "serve": {name: {"host": "127.0.0.1", "port": port} for name, port in zip(listeners, ports)},
        "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
        "authenticators": {"anonymous": {"enabled": True}},
        "authorizers": {"allow": {"enabled": True}},
        "mutators": {"noop": {"enabled": True}},
        "log": {"level": "error"},
    }
    config["serve"]["proxy"]["timeout"] = {"keepalive": "600s"}
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file)
    process = subprocess.Popen([binary, "serve", "--config", f"{folder}/config.json"])
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", ports[0])).close()
            return process, ports[0]
        except OSError:
            time.sleep(0.02)
    sys.exit("did not come up")


def ask(port, method, target, length=0):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: edge.test\r\nContent-Length: {length}\r\n\r\n".encode())
    return connection


def idle(process, port, count):
    before = resident(process.pid)
    held = []
    for _ in range(count):
        connection = ask(port, "GET", "/idle")
        head, _ = read_head(connection)
        assert head.startswith("HTTP/1.1 200"), head
        held.append(connection)
    time.sleep(1)
    grown = resident(process.pid) - before
    print(f"{count} idle connections: {grown / count / 1024:.1f} KiB each ({grown / MIB:.0f} MiB)")
    for connection in held:
        connection.close()


def up(port, size):
    block = b"x" * MIB
    connection = ask(port, "POST", "/up", size)
    for _ in range(size // MIB):
        connection.sendall(block)
    head, _ = read_head(connection)
    assert head.startswith("HTTP/1.1 200"), head
    connection.close()


def down(port, size):
    connection = ask(port, "GET", f"/down/{size}")
    _, rest = read_head(connection)
    got = len(rest)
    while got < size:
        part = connection.recv(MIB)
        assert part, f"broke off after {got}"
        got += len(part)
    connection.close()


def stream(process, port, name, each, size, streams):
    before, most, begin = resident(process.pid), [0], time.monotonic()
    done = threading.Event()

    def watch():
        while not done.wait(0.05):
            most[0] = max(most[0], resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with concurrent.futures.ThreadPoolExecutor(streams) as workers:
        # Raises what a worker raised.
        list(workers.map(lambda _: each(port, size), range(streams)))
    done.set()
    watcher.join()
    took = time.monotonic() - begin
    grown = max(0, most[0] - before)
    print(f"{streams} x {size // MIB} MiB {name}: +{grown / MIB:.1f} MiB at most, {streams * size / MIB / took:.0f} MiB/s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--doorward", default="target/release/doorward")
    arguments.add_argument("--idle", type=int, default=10_000)
    arguments.add_argument("--mib", type=int, default=1024)
    arguments.add_argument("--streams", type=int, default=64)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(os.path.abspath(chosen.doorward), folder, upstream())
        try:
            for name, each in (("up", up), ("down", down)):
                stream(process, port, name, each, chosen.mib * MIB, 1)
                stream(process, port, name, each, max(1, chosen.mib // 10) * MIB, chosen.streams)
            idle(process, port, chosen.idle)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
