#!/usr/bin/env python3
"""What an edge costs in memory (idle connections, bodies that stream) and what it loses under load while certificates change, while
it stops and while a new process takes over. Needs Linux and Python's standard library.

    load-tests/edge.py --doorward target/release/doorward [--bare target/release/bare-proxy]
        [--idle 10000] [--mib 1024] [--streams 64] [--each 100] [--seconds 10] [--only idle,streams,certificates,stop,upgrade]

Prints what it measured beside what is allowed, and ends with 1 where that is exceeded. Needs `ulimit -n` above twice the number of
idle connections. `bare-proxy` is built from load-tests/bare with the feature `jemalloc`, so that both have one allocator.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from measure import Peak, ROOT, free_port, resident
from servers import accept, start, stop

KIB, MIB = 1 << 10, 1 << 20
TLS = ROOT / "tests" / "tls"
exceeded = []


def judge(what, value, most, unit=""):
    fits = value <= most
    print(f"{what}: {value:.1f}{unit} (at most {most}{unit}) {'ok' if fits else 'TOO MUCH'}", flush=True)
    if not fits:
        exceeded.append(what)


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


def settled(pid):
    """Resident memory when it has stopped to change."""
    last = 0
    while abs((now := resident(pid)) - last) > 256 * KIB:
        last = now
        time.sleep(0.3)
    return now


def doorward(binary, folder, to, tls=None):
    ports = [free_port() for _ in range(3)]
    rules = [{
        "id": "all",
        "match": {"url": "<https?>://<[^/]+>/<.*>", "methods": ["GET", "POST"]},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
        "upstream": {"url": f"http://127.0.0.1:{to}"},
    }]
    listeners = ("proxy", "api", "prometheus")
    config = {
        "serve": {name: {"host": "127.0.0.1", "port": port} for name, port in zip(listeners, ports)},
        "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
        "authenticators": {"anonymous": {"enabled": True}},
        "authorizers": {"allow": {"enabled": True}},
        "mutators": {"noop": {"enabled": True}},
        "log": {"level": "error"},
    }
    with open(f"{folder}/rules.json", "w") as file:
        json.dump(rules, file)
    config["serve"]["proxy"]["timeout"] = {"keepalive": "600s"}
    config["serve"]["upgrade_sock"] = f"{folder}/run/upgrade.sock"
    if tls:
        config["serve"]["proxy"]["tls"] = {name: {"path": path} for name, path in zip(("cert", "key"), tls)}
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file)
    return start([binary, "serve", "--config", f"{folder}/config.json"], ports[0]), ports[0]


def bare_proxy(binary, to):
    port = free_port()
    return start([binary, port, to, 4096], port), port


def ask(port, method, target, length=0):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: edge.test\r\nContent-Length: {length}\r\n\r\n".encode())
    return connection


def idle(process, port, count):
    """Bytes that each connection costs which was used once and is kept."""
    # What the first requests cost is not the connections' part.
    for _ in range(200):
        connection = ask(port, "GET", "/idle")
        read_head(connection)
        connection.close()
    before = settled(process.pid)
    held = []
    for _ in range(count):
        connection = ask(port, "GET", "/idle")
        head, _ = read_head(connection)
        assert head.startswith("HTTP/1.1 200"), head
        held.append(connection)
    grown = settled(process.pid) - before
    for connection in held:
        connection.close()
    return grown / count


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
    before, begin = resident(process.pid), time.monotonic()
    with Peak(process.pid) as peak, concurrent.futures.ThreadPoolExecutor(streams) as workers:
        # Raises what a worker raised.
        list(workers.map(lambda _: each(port, size), range(streams)))
    took = time.monotonic() - begin
    grown = max(0, peak.most - before)
    judge(f"{streams} x {size // MIB} MiB {name} ({streams * size / MIB / took:.0f} MiB/s), memory", grown / MIB, 16 + streams, " MiB")


class Load:
    """Clients that ask again and again over kept connections, a new one now and then."""

    def __init__(self, port, context=None, clients=16):
        self.port, self.context = port, context
        self.served, self.lost, self.not_taken, self.over = 0, [], 0, False
        self.leaving = False
        self.lock = threading.Lock()
        self.workers = [threading.Thread(target=self.work) for _ in range(clients)]
        for worker in self.workers:
            worker.start()

    def connect(self):
        if self.context:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.connect()
        return connection

    def work(self):
        while not self.over:
            asked = 0
            try:
                connection = self.connect()
                while not self.over and asked < 50:
                    connection.request("GET", "/load", headers={"Host": "door.test"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        raise http.client.HTTPException(f"status {answer.status}")
                    asked += 1
                    with self.lock:
                        self.served += 1
                    if answer.will_close:
                        break
                connection.close()
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    # Nobody listens any more: such a connection was never taken, and its request not lost.
                    if self.leaving and asked == 0 and isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                        self.not_taken += 1
                        return
                    self.lost.append(repr(error))

    def wait_for(self, more):
        goal = self.served + more
        while self.served < goal and any(worker.is_alive() for worker in self.workers):
            time.sleep(0.01)

    def end(self, what):
        self.over = True
        for worker in self.workers:
            worker.join()
        judge(f"{what}: of {self.served} requests, lost", len(self.lost), 0)
        for error in self.lost[:5]:
            print(f"  {error}")


def certificates(binary, folder, to, seconds):
    files = [f"{folder}/door.crt", f"{folder}/door.key"]

    def show(name):
        for kind, path in zip(("crt", "key"), files):
            shutil.copy(TLS / f"{name}.{kind}", path + ".new")
            os.replace(path + ".new", path)

    show("door.test")
    process, port = doorward(binary, folder, to, files)
    # Both certificates are for a name, and the clients connect to an address.
    context = ssl.create_default_context(cafile=TLS / "ca.crt")
    context.check_hostname = False
    load = Load(port, context)
    finish, turn, seen = time.monotonic() + seconds, 0, set()
    while time.monotonic() < finish:
        turn += 1
        show(("door2.test", "door.test")[turn % 2])
        time.sleep(0.5)
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="door.test") as shown:
            seen.add(shown.getpeercert(binary_form=True))
    load.end(f"certificates that changed {turn} times")
    judge("certificates that were not seen", 2 - len(seen), 0)
    stop(process)


def orderly_stop(binary, folder, to):
    process, port = doorward(binary, folder, to)
    load = Load(port)
    load.wait_for(2000)
    load.leaving = True
    process.send_signal(signal.SIGTERM)
    judge("stop: exit code", process.wait(timeout=60), 0)
    load.end("stop")


def upgrade(binary, folder, to):
    old, port = doorward(binary, folder, to)
    load = Load(port)
    load.wait_for(1000)
    new = subprocess.Popen([binary, "serve", "--upgrade", "--config", f"{folder}/config.json"])
    old.send_signal(signal.SIGQUIT)
    judge("upgrade: exit code of the old process", old.wait(timeout=60), 0)
    load.wait_for(1000)
    load.end("upgrade")
    judge("upgrade: new processes that ended", int(new.poll() is not None), 0)
    stop(new)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--doorward", default="target/release/doorward")
    arguments.add_argument("--bare")
    arguments.add_argument("--idle", type=int, default=10_000)
    arguments.add_argument("--mib", type=int, default=1024)
    arguments.add_argument("--streams", type=int, default=64)
    arguments.add_argument("--each", type=int, default=100, help="MiB of each of the streams")
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--only", default="idle,streams,certificates,stop,upgrade")
    chosen = arguments.parse_args()
    binary, to, only = os.path.abspath(chosen.doorward), accept(serve), chosen.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        if "idle" in only:
            process, port = doorward(binary, folder, to)
            each = idle(process, port, chosen.idle) / KIB
            stop(process)
            judge(f"{chosen.idle} idle connections, each", each, 45, " KiB")
            if chosen.bare:
                process, port = bare_proxy(os.path.abspath(chosen.bare), to)
                bare = idle(process, port, chosen.idle) / KIB
                # Told to end, it would sleep for five minutes.
                process.kill()
                process.wait()
                judge(f"beyond bare Pingora's {bare:.1f} KiB, each", each - bare, 3, " KiB")
        if "streams" in only:
            process, port = doorward(binary, folder, to)
            for name, each in (("up", up), ("down", down)):
                stream(process, port, name, each, chosen.mib * MIB, 1)
                stream(process, port, name, each, chosen.each * MIB, chosen.streams)
            stop(process)
        if "certificates" in only:
            certificates(binary, folder, to, chosen.seconds)
        if "stop" in only:
            orderly_stop(binary, folder, to)
        if "upgrade" in only:
            upgrade(binary, folder, to)
    if exceeded:
        sys.exit(f"exceeded: {', '.join(exceeded)}")


if __name__ == "__main__":
    main()
