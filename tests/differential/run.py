#!/usr/bin/env python3
"""Sends odd requests through Doorward to several back ends and checks that none serves what its rule does not allow.

Only Python's standard library is used. See README.md beside this file.
"""
import argparse, http.server, json, os, pathlib, posixpath, random, re, shutil, socket, subprocess, sys, tempfile, threading, time, urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
HOST = "h.test"

# What each rule allows: the beginning of any path that is served behind it.
RULES = {
    "public": ("http://h.test/public/<.*>", re.compile(r"/public(/|$)", re.S)),
    "admin": ("http://h.test/admin<(/.*)?>", re.compile(r"/admin(/|$)", re.S)),
    "rest": ("http://h.test/<(?!(admin|public|api)(/|$)).*>", re.compile(r"/(?!(admin|public|api)(/|$))", re.S)),
    "strip": ("http://h.test/api<(/.*)?>", re.compile(r"/", re.S)),
}

PIECES = [
    "/", "/", "/", "/", ".", "..", "public", "admin", "api", "x", "%2e", "%2E", "%2e%2e", "%2f", "%2F", "\\", "%5c", "%5C", ";", ";x=1", "%3b", "?", "a=b",
    "&", "%25", "%252e", "%252f", "%", "%zz", "%00", "%0a", "%0d%0a", "#", "%23", "%3f", "\u00e9", "%C3%A9", "%ff", "%c0%ae", "%c0%af", "+", "%20", "*", ":",
    "@", "//", "/./", "/../", "..;/", "/..%5c", "%61dmin", "ADMIN", "admin.", ".admin", "(x)", "[", "]", "~", "|", "\"", "<", "^", "`", "{",
]
HEADERS = [
    "X-Forwarded-Uri: /public/x", "X-Forwarded-Host: other.test", "X-Forwarded-Proto: https", "X-Original-URL: /admin/x", "X-Rewrite-Url: /admin/x",
    "X_Forwarded_Uri: /admin/x", "Connection: close, Host", "Connection: keep-alive, X-Forwarded-Uri", "Content-Length: 0", "Expect: 100-continue",
    "Forwarded: host=other.test;proto=https", "X-HTTP-Method-Override: DELETE", "TE: trailers",
]


def eager(target):
    """The path as the most obliging server would see it."""
    path = urllib.parse.unquote(target.split("?")[0].split("#")[0]).replace("\\", "/")
    path = "/".join(segment.split(";")[0] for segment in path.split("/"))
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean


class Eager(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = json.dumps({"served": self.read(), "host": self.headers.get("Host")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read(self):
        return eager(self.path)

    do_GET = do_POST = do_HEAD = do_PUT = answer

    def log_message(self, *_):
        pass


class Plain(Eager):
    """A Python application that unquotes and normalises."""

    def read(self):
        return posixpath.normpath(urllib.parse.unquote(urllib.parse.urlsplit("http://b" + self.path).path))


def python_server(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def process_server(command, processes):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    return int(process.stdout.readline())


def back_ends(folder, processes):
    """Name to a function that starts one more of its kind and says its port."""
    found = {"eager": lambda: python_server(Eager), "python": lambda: python_server(Plain)}
    node, go = shutil.which("node"), shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if node:
        found["node"] = lambda: process_server([node, str(HERE / "node.js")], processes)
    if go:
        binary = str(folder / "back-end")
        if subprocess.run([go, "build", "-o", binary, str(HERE / "main.go")], env={**os.environ, "GOFLAGS": "", "GO111MODULE": "off"}).returncode == 0:
            found["go"] = lambda: process_server([binary], processes)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def start_doorward(command, folder, ports, processes):
    proxy, api, metrics = free_port(), free_port(), free_port()
    rules = []
    for name, (url, _) in RULES.items():
        upstream = {"url": f"http://127.0.0.1:{ports[name]}"}
        if name == "strip":
            upstream["strip_path"] = "/api"
        rules.append({
            "id": name, "match": {"url": url, "methods": ["GET", "POST", "PUT", "HEAD"]}, "upstream": upstream,
            "authenticators": [{"handler": "anonymous"}], "authorizer": {"handler": "allow"}, "mutators": [{"handler": "noop"}],
        })
    (folder / "rules.json").write_text(json.dumps(rules))
    listen = lambda port: {"host": "127.0.0.1", "port": port}
    config = {
        "serve": {"proxy": listen(proxy), "api": listen(api), "prometheus": listen(metrics)},
        "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
        "authenticators": {"anonymous": {"enabled": True}}, "authorizers": {"allow": {"enabled": True}}, "mutators": {"noop": {"enabled": True}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    log = open(folder / "log", "w")
    process = subprocess.Popen([command, "serve", "--config", str(folder / "config.json")], stdout=log, stderr=log, cwd=folder)
    processes.append(process)
    deadline = time.time() + 20
    while time.time() < deadline and process.poll() is None:
        try:
            if ask(proxy, b"GET /public/ready HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n")[0] == 200:
                return process, proxy
        except OSError:
            pass
        time.sleep(0.05)
    sys.exit("doorward did not come up:\n" + (folder / "log").read_text())


def ask(port, raw):
    """Status and body of the answer to raw bytes; 0 if there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        try:
            s.sendall(raw)
            data = b""
            while True:
                part = s.recv(65536)
                if not part:
                    break
                data += part
                head, found, body = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                if found and length and len(body) >= int(length[1]):
                    break
        except (ConnectionError, socket.timeout):
            pass
    head, _, body = data.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.[01] (\d+)", head)
    return (int(match[1]) if match else 0), body


def target(rng):
    path = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 9)))
    if rng.random() < 0.8:
        path = "/" + rng.choice(["", "public/", "admin/", "api/", "x/"]) + path
    if rng.random() < 0.1:
        path = f"http://{rng.choice([HOST, HOST, 'admin.h.test', 'u@' + HOST])}{path}"
    if rng.random() < 0.05:
        path = "".join(chr(rng.randint(33, 255)) for _ in range(rng.randint(1, 20)))
    return path


def request(rng):
    extra = "".join(f"{rng.choice(HEADERS)}\r\n" for _ in range(rng.choice([0, 0, 0, 1, 2])))
    host = HOST if rng.random() < 0.95 else rng.choice(["H.TEST", "h.test.", "h.test:80", "user@h.test", "h.test, x", ""])
    line = f"GET {target(rng)} HTTP/1.1\r\nHost: {host}\r\n{extra}Connection: close\r\n\r\n"
    return line.encode("utf-8" if rng.random() < 0.9 else "latin-1", "replace")


def check(rule, allowed, body):
    """What is wrong with a served answer; None if nothing is."""
    try:
        served = json.loads(body)["served"]
    except (ValueError, KeyError):
        return f"no answer of a back end: {body[:200]!r}"
    if not allowed.match(served):
        return f"rule {rule} let in what is served as {served!r}"
    return None


def play(kind, start, options, folder, rng, end):
    """Plays one kind of back end until `end`; yields findings, returns how many requests were sent and served."""
    processes, sent, served, findings = [], 0, 0, []
    try:
        ports = {name: start() for name in RULES}
        process, proxy = start_doorward(options.doorward, folder, ports, processes)
        while time.time() < end:
            raw = request(rng)
            sent += 1
            try:
                status, body = ask(proxy, raw)
            except OSError as error:
                findings.append((kind, repr(raw), f"doorward is gone: {error}"))
                break
            if status != 200 or not body:
                continue
            served += 1
            wrong = judge(body)
            if wrong:
                findings.append((kind, repr(raw), wrong))
        if process.poll() is not None:
            findings.append((kind, "", "doorward ended: " + (folder / "log").read_text()[-2000:]))
        if "panicked" in (folder / "log").read_text():
            findings.append((kind, "", "doorward panicked"))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return sent, served, findings


def judge(body):
    """The rule is known by the port in the Host header that reached the back end."""
    try:
        answer = json.loads(body)
    except ValueError:
        return f"no answer of a back end: {body[:200]!r}"
    rule = judge.rules.get(int(answer["host"].rsplit(":", 1)[1]))
    return check(rule, RULES[rule][1], body)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--doorward", default="target/debug/doorward")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", help="one kind of back end")
    options = parser.parse_args()
    options.doorward = str(pathlib.Path(options.doorward).resolve())
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    rng, failed, own = random.Random(seed), False, []
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        kinds = {name: start for name, start in back_ends(folder, own).items() if options.only in (None, name)}
        for name, start in kinds.items():
            judge.rules = {}

            def counted(start=start):
                port = start()
                judge.rules[port] = list(RULES)[len(judge.rules)]
                return port

            sent, served, findings = play(name, counted, options, folder, rng, time.time() + options.seconds / len(kinds))
            own_processes(own)
            print(f"{name}: {sent} requests, {served} served, {len(findings)} findings")
            for finding in findings:
                failed = True
                print("  " + " | ".join(finding))
                with open("findings.jsonl", "a") as out:
                    out.write(json.dumps({"back_end": finding[0], "request": finding[1], "why": finding[2], "seed": seed}) + "\n")
    sys.exit(1 if failed else 0)


def own_processes(processes):
    """Ends the back ends of one round."""
    for process in processes:
        process.kill()
        process.wait()
    processes.clear()


if __name__ == "__main__":
    main()
