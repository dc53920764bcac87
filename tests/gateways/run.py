#!/usr/bin/env python3
"""Plays one corpus of requests through real gateways that ask Doorward, and directly.

    tests/gateways/run.py --binary target/debug/doorward [--only nginx]

Each gateway is started with the configuration of conf/gateways/ as it is shipped, only the ports replaced, in front of
an upstream that notes what reaches it. A gateway that isn't installed is reported as skipped, by name. The corpus says
what every door must do; where a gateway can't tell the client so (nginx knows no 404 from a decision), it says that too.
"""
import argparse, json, os, pathlib, re, shutil, socket, sys, tempfile, threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
from servers import accept, free_port, start, stop, wait_for

CONF = HERE.parent.parent / "conf" / "gateways"


class Upstream:
    """Notes the head of every request and answers 200."""

    def __init__(self):
        self.seen, self.lock = [], threading.Lock()
        self.port = accept(self.serve)

    def serve(self, connection):
        f = connection.makefile("rwb")
        try:
            while True:
                head = []
                while (line := f.readline().decode("latin-1").rstrip("\r\n")):
                    head.append(line)
                if not head:
                    return
                headers = [tuple(x.strip() for x in line.split(":", 1)) for line in head[1:]]
                named = {k.lower(): v for k, v in headers}
                if "chunked" in named.get("transfer-encoding", ""):
                    while (size := int(f.readline().split(b";")[0], 16)):
                        f.read(size + 2)
                    f.readline()
                f.read(int(named.get("content-length", 0)))
                with self.lock:
                    self.seen.append((head[0], headers))
                f.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                f.flush()
        except (OSError, ValueError):
            pass

    def drain(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen


def doorward(binary, folder, upstream):
    ports = {name: free_port() for name in ("proxy", "api", "prometheus", "ext_authz")}
    serve = {name: {"host": "127.0.0.1", "port": port} for name, port in ports.items()}
    handlers = lambda *ids: {i: {"enabled": True} for i in ids}
    def rule(name, path, authenticator, authorizer):
        return {"id": name, "match": {"url": f"http://h.test{path}<(/.*)?>", "methods": ["GET", "POST"]},
                "authenticators": [{"handler": authenticator, "config": {"subject": "guest"}} if authenticator == "anonymous" else {"handler": authenticator}],
                "authorizer": {"handler": authorizer},
                "mutators": [{"handler": "header", "config": {"headers": {"X-User": "{{ print .Subject }}"}}}],
                "upstream": {"url": f"http://127.0.0.1:{upstream.port}"}}
    (folder / "rules.json").write_text(json.dumps([
        rule("public", "/public", "anonymous", "allow"), rule("admin", "/admin", "unauthorized", "allow"), rule("refused", "/refused", "anonymous", "deny")]))
    (folder / "doorward.json").write_text(json.dumps({
        "serve": serve, "access_rules": {"repositories": [f"file://{folder}/rules.json"]}, "log": {"level": "warn"},
        "authenticators": handlers("anonymous", "unauthorized"), "authorizers": handlers("allow", "deny"),
        "mutators": {"header": {"enabled": True, "config": {"headers": {}}}}}))
    log = folder / "doorward.log"
    process = start([binary, "serve", "--config", folder / "doorward.json"], ports["proxy"], log)
    for name in ("api", "ext_authz"):
        wait_for(ports[name], process, log)
    return process, ports


def placed(text, ports, upstream, gateway):
    """A shipped configuration with the ports of this run."""
    for shipped, port in ((4456, ports["api"]), (4457, ports["ext_authz"]), (8080, upstream.port), (8000, gateway)):
        text = re.sub(rf"(?<![\d.]){shipped}(?!\d)", str(port), text)
    return text


def gateways(folder, ports, upstream):
    """Name, how to start it (or None where it isn't installed), port."""
    envoy = os.environ.get("ENVOY") or shutil.which("envoy")
    def files(subfolder, *names):
        port = free_port()
        place = folder / subfolder.replace("/", "-")
        place.mkdir(exist_ok=True)
        for name in names:
            (place / name).write_text(placed((CONF / subfolder / name).read_text(), ports, upstream, port))
        return place, port
    place, port = files("nginx", "nginx.conf")
    yield "nginx", shutil.which("nginx") and (["nginx", "-p", place, "-c", place / "nginx.conf"], place), port
    place, port = files("caddy", "Caddyfile")
    yield "caddy", shutil.which("caddy") and (["caddy", "run", "--config", place / "Caddyfile", "--adapter", "caddyfile"], place), port
    place, port = files("haproxy", "haproxy.cfg", "doorward.lua")
    yield "haproxy", shutil.which("haproxy") and (["haproxy", "-db", "-f", place / "haproxy.cfg"], place), port
    for name, file in (("envoy-http", "http.yaml"), ("envoy-grpc", "grpc.yaml")):
        place, port = files("envoy", file)
        yield name, envoy and ([envoy, "-c", place / file, "--concurrency", "1", "--disable-hot-restart", "--base-id", "7"], place), port


def text_of(value):
    return value["repeat"][0] * value["repeat"][1] if isinstance(value, dict) else value


def send(port, case, prefix="", extra=()):
    body = case.get("body", "")
    lines = [f"{case.get('method', 'GET')} {prefix}{case['target']} HTTP/1.1", f"Host: {case.get('host', 'h.test')}"]
    lines += [f"{k}: {text_of(v)}" for k, v in case.get("headers", [])] + [f"{k}: {v}" for k, v in extra]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if not any(k.lower() == "connection" for k, _ in case.get("headers", [])):
        lines.append("Connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))
        f = s.makefile("rb")
        status = f.readline().decode("latin-1").split(" ")
        headers = {}
        while (line := f.readline().decode("latin-1").strip()):
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        return (int(status[1]) if len(status) > 1 else 0), headers


def judge(name, case, status, users, reached):
    """What is wrong, or None. `users` are the values of X-User (and its aliases) that the upstream saw."""
    if name in case.get("allowed_by", {}):
        case = {"allowed": {"user": case["allowed_by"][name]}}
    if "allowed" in case:
        if status != 200:
            return f"answered {status}, should be allowed"
        want = [("x-user", case["allowed"]["user"])]
        return None if users == want else f"identity {users}, should be {want}"
    want = case.get("by", {}).get(name, case["denied"])
    if reached:
        return "reached the upstream"
    return None if status in (want if isinstance(want, list) else [want]) else f"answered {status}, should be {want}"


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--binary", required=True)
    ap.add_argument("--only", default="")
    a = ap.parse_args()
    corpus = json.loads((HERE / "corpus.json").read_text())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-gateways-"))
    upstream = Upstream()
    failed = 0
    identity = lambda headers: [(k.lower(), v) for k, v in headers if re.fullmatch(r"x[-_.]user", k.lower())]
    try:
        door, ports = doorward(pathlib.Path(a.binary).resolve(), folder, upstream)

        def play(name, ask):
            nonlocal failed
            wrong = []
            for case in corpus:
                upstream.drain()
                try:
                    status, users, reached = ask(case)
                except (OSError, ValueError, IndexError) as error:
                    status, users, reached = 0, [], False
                problem = judge(name, case, status, users, reached)
                if problem:
                    wrong.append(f"  {case['name']}: {problem}")
            failed += len(wrong)
            print(f"{name}: {len(corpus) - len(wrong)} of {len(corpus)}" + ("" if not wrong else "\n" + "\n".join(wrong)), flush=True)

        def through(port):
            def ask(case):
                status, _ = send(port, case)
                seen = upstream.drain()
                return status, identity(seen[0][1]) if seen else [], bool(seen)
            return ask

        def decision(case):
            # As a careful gateway would ask: the client's own forwarding headers stay behind.
            asked = dict(case, target="", headers=[h for h in case.get("headers", []) if "forwarded" not in h[0].lower() and h[0].lower() != "connection"])
            status, headers = send(ports["api"], asked, "/decisions", [("X-Forwarded-Method", case.get("method", "GET")), ("X-Forwarded-Uri", case["target"])])
            return status, [("x-user", v) for v in headers.get("x-user", [])], False

        def dialect(passed_on):
            """How gateways ask that can't be installed here: `GET` to Doorward's own host, all five X-Forwarded headers, no body."""
            def ask(case):
                named = [("X-Forwarded-Method", case.get("method", "GET")), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", case.get("host", "h.test")),
                         ("X-Forwarded-Uri", case["target"]), ("X-Forwarded-For", "203.0.113.7")]
                asked = {"target": "", "host": f"127.0.0.1:{ports['api']}", "headers": [h for h in case.get("headers", []) if passed_on(h[0].lower())]}
                status, headers = send(ports["api"], asked, "/decisions", named)
                return status, [("x-user", v) for v in headers.get("x-user", [])], False
            return ask

        if re.search(a.only, "direct"):
            play("direct proxy", through(ports["proxy"]))
            play("direct decision", decision)
        hop_by_hop = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization", "proxy-connection")
        for name, passed_on in (("traefik's and kong's dialect", lambda header: "forwarded" not in header and header not in hop_by_hop),
                                ("apisix's dialect", lambda header: header in ("authorization", "cookie"))):
            if re.search(a.only, name):
                play(name, dialect(passed_on))
        for name, command, port in gateways(folder, ports, upstream):
            if not re.search(a.only, name):
                continue
            if not command:
                print(f"{name}: skipped, it is not installed", flush=True)
                continue
            argv, place = command
            process = start(argv, port, place / f"{name}.log", cwd=place)
            play(name, through(port))
            process.terminate()
            process.wait(10)
        stop(door)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
