#!/usr/bin/env python3
"""Plays real clients and upstreams, good and odd ones, through a running Doorward.

    tests/edge/run.py --binary target/debug/doorward [--python PYTHON_WITH_WEBSOCKETS] [--only h2load]

Programs: curl, h2load, node, and Python's `websockets`. What isn't installed is skipped, by name.
"""
import argparse, http.client, json, os, pathlib, re, shutil, socket, struct, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
from servers import accept, free_port, start

TLS = HERE.parent / "tls"


def upstream(answer):
    """The port of an upstream that gives each request to a function, with the request's number on its connection."""
    def serve(connection):
        with connection, connection.makefile("rb") as f:
            number = 0
            try:
                while True:
                    length, line = 0, f.readline()
                    if not line:
                        return
                    while (line := f.readline().strip()):
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    f.read(length)
                    number += 1
                    if not answer(connection, number):
                        return
            except OSError:
                pass

    return accept(serve)


def reset(connection, *_):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def says(text, then=lambda *_: False):
    def answer(connection, number):
        connection.sendall(text)
        return then(connection, number)
    return answer


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ODD = {
    "resets": reset,
    "resets-inside": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", reset),
    "stalls": lambda *_: time.sleep(30),
    "stalls-inside": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", lambda *_: time.sleep(30)),
    "short": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"),
    "long": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", lambda *_: True),
    "bad-chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    # Keeps a connection for some requests, says nothing, and closes it: half of the time while it looks idle, half when the next has come.
    "fickle": lambda connection, number: number < 4 and (connection.sendall(OK), True)[1],
    "fleeting": lambda connection, number: (connection.sendall(OK), number < 3)[1],
}


class Doorward:
    def __init__(self, binary, folder, upstreams):
        self.ports = dict(zip(("proxy", "api", "prometheus"), (free_port() for _ in range(3))))
        self.tls = free_port()
        rules = []
        for name, port in upstreams.items():
            rules.append({
                "id": name,
                "match": {"url": f"<https?>://<[^/]+>/{name}<(/.*)?>", "methods": ["GET", "HEAD", "POST", "PUT"]},
                "authenticators": [{"handler": "anonymous"}],
                "authorizer": {"handler": "deny" if name == "refused" else "allow"},
                "mutators": [{"handler": "noop"}],
                "upstream": {"url": f"http://127.0.0.1:{port}", "strip_path": name},
            })
            if name in ODD:
                rules[-1]["upstream"]["timeout"] = {"read_idle": "1s"}
        (folder / "rules.json").write_text(json.dumps(rules))
        config = {
            "serve": {name: {"host": "127.0.0.1", "port": port} for name, port in self.ports.items()},
            "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
            "authenticators": {"anonymous": {"enabled": True}},
            "authorizers": {"allow": {"enabled": True}, "deny": {"enabled": True}},
            "mutators": {"noop": {"enabled": True}},
        }
        # Shorter than the silences of streams that must live.
        config["serve"]["proxy"]["timeout"] = {"read": "1s", "write": "1s", "idle": "1s"}
        self.processes = [self.start(binary, folder, "plain", config, self.ports["proxy"])]
        config["serve"] = {name: {"host": "127.0.0.1", "port": free_port()} for name in self.ports}
        config["serve"]["proxy"].update(port=self.tls, tls={
            "cert": {"path": str(TLS / "door.test.crt")}, "key": {"path": str(TLS / "door.test.key")},
        })
        self.processes.append(self.start(binary, folder, "tls", config, self.tls))
        self.base = f"http://127.0.0.1:{self.ports['proxy']}"

    def start(self, binary, folder, name, config, port):
        (folder / f"{name}.json").write_text(json.dumps(config))
        return start([binary, "serve", "--config", folder / f"{name}.json"], port, folder / f"{name}.log")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, **more)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def must(*command, **more):
    code, out, error = run(*command, **more)
    assert code == 0, f"{command[0]} ended with {code}: {error[-1500:]} {out[-500:]}"
    return out


def curl(doorward, folder):
    door = ["--cacert", TLS / "ca.crt", "--connect-to", f"door.test:443:127.0.0.1:{doorward.tls}"]
    data = folder / "data"
    data.write_bytes(bytes(range(256)) * 12_000)
    forms = {
        "HTTP/1.1": (["--http1.1"], doorward.base, "1.1"),
        "HTTP/2 in the clear": (["--http2-prior-knowledge"], doorward.base, "2"),
        "HTTP/2 by ALPN": (["--http2", *door], "https://door.test", "2"),
        "HTTP/1.1 over TLS": (["--http1.1", *door], "https://door.test", "1.1"),
        # The upgrade is not taken up: the answer is an ordinary one.
        "an upgrade to HTTP/2": (["--http2"], doorward.base, "1.1"),
    }
    for name, (options, base, version) in forms.items():
        got = must("curl", "-sS", *options, "-w", " %{http_code} %{http_version}", f"{base}/node/hello")
        assert got == f"hello 200 {version}".encode(), (name, got)
        echoed = ["curl", "-sS", *options, f"{base}/node/echo"]
        assert must(*echoed, "--data-binary", f"@{data}") == data.read_bytes(), name
        with open(data, "rb") as file:
            # Of unknown length.
            assert must(*echoed, "-X", "POST", "-T", "-", stdin=file) == data.read_bytes(), name
        if version == "1.1":  # Over HTTP/2 there are no interim answers, and clients wait only for so long.
            assert must(*echoed, "-H", "Expect: 100-continue", "--expect100-timeout", "30", "--data-binary", f"@{data}") == data.read_bytes(), name
        head = must("curl", "-sSI", *options, f"{base}/node/hello").decode()
        assert re.match(r"HTTP/[12.]+ 200", head), (name, head)
        assert must("curl", "-sS", *options, "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{data}", f"{base}/refused") == b"403", name


def h2load(doorward, _):
    small = str(HERE / "upstream.mjs")
    for name, options in {
        "HTTP/1.1": ["--h1", "-c", "16"],
        "HTTP/2": ["-c", "8", "-m", "16"],
        "bodies": ["-c", "4", "-m", "8", "-d", small],
    }.items():
        for base in (doorward.base, f"https://127.0.0.1:{doorward.tls}"):
            for path in ("node/hello", "fickle/", "fleeting/"):
                if name == "bodies" and path != "node/hello":
                    continue  # What may have been done is not done twice.
                out = must("h2load", "-n", "1000", *options, f"{base}/{path}").decode()
                counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
                assert counts and counts.groups() == ("1000", "0", "0", "0"), (name, base, path, out[-800:])
                assert "status codes: 1000 2xx" in out, (name, base, path, out[-800:])


def node(doorward, _):
    must("node", HERE / "client.mjs", f"{doorward.base}/node")


def websockets(doorward, _):
    base = doorward.base.replace("http", "ws")
    must(PYTHON, HERE / "sockets.py", "ask", f"{base}/sockets", f"{base}/refused")


def odd(doorward, _):
    """What an upstream does wrong is told apart from what went well, and never becomes somebody else's answer."""
    def ask(method, path):
        connection = http.client.HTTPConnection("127.0.0.1", doorward.ports["proxy"], timeout=20)
        try:
            connection.request(method, f"/{path}/x", body=b"body" if method == "POST" else None)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, OSError) as error:
            return type(error).__name__, b""

    broken = {"IncompleteRead", "ConnectionResetError", "RemoteDisconnected"}
    for path, expected in {
        "resets": {502}, "stalls": {504}, "resets-inside": broken, "stalls-inside": broken, "short": broken, "bad-chunk": broken,
    }.items():
        for method in ("GET", "POST"):
            status, body = ask(method, path)
            assert status in expected and not body, (method, path, status, body)
    for _ in range(20):
        status, body = ask("GET", "long")
        assert (status, body) == (200, b"he"), (status, body)
    assert ask("GET", "fickle") == (200, b"hello")


def main():
    global PYTHON
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--python", default=sys.executable)
    arguments.add_argument("--only")
    chosen = arguments.parse_args()
    PYTHON = chosen.python
    missing = {name: f"{name} is not installed" for name in ("curl", "h2load", "node") if not shutil.which(name)}
    if run(PYTHON, "-c", "import websockets")[0] != 0:
        missing["websockets"] = f"{PYTHON} has no websockets"
    helpers, upstreams = [], {name: upstream(answer) for name, answer in ODD.items()}

    def helper(*command):
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        helpers.append(process)
        return int(process.stdout.readline())

    # Who has no Node still has curl and h2load.
    upstreams["node"] = helper("node", HERE / "upstream.mjs", 20) if "node" not in missing else upstream(says(OK, lambda *_: True))
    upstreams["refused"] = upstreams["node"]
    if "websockets" not in missing:
        upstreams["sockets"] = helper(PYTHON, HERE / "sockets.py", "serve")
    needs_node = "node" in missing and "the Node upstream is missing"
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        doorward = Doorward(os.path.abspath(chosen.binary), folder, upstreams)
        try:
            for test in (curl, h2load, node, websockets, odd):
                name = test.__name__
                if chosen.only not in (None, name):
                    continue
                why = missing.get(name) or (name == "curl" and needs_node)
                if why:
                    print(f"{name}: skipped, {why}")
                    continue
                begin = time.monotonic()
                try:
                    test(doorward, folder)
                    print(f"{name}: ok ({time.monotonic() - begin:.1f} s)")
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"{name}: FAILED: {error}")
            for process in doorward.processes:
                assert process.poll() is None, "Doorward ended"
        finally:
            doorward.stop()
            for process in helpers:
                process.kill()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
