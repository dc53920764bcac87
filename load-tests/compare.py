#!/usr/bin/env python3
"""Measures Doorward beside a bare Pingora, and any other server, in one run.

    load-tests/compare.py [--rounds 5] [--seconds 5] [--rules 100] [--peer NAME=URL ...] [--profile bench]

Each contender runs on one core, the load generator (wrk -c64) and the upstream on another; rounds alternate between
contenders, so that drift of the machine hits all alike. Printed are medians, spread, memory, and ratios to the bare
Pingora of the same kind. With `--profile bench` (the default) everything is built close to release. Python's standard
library and wrk are all that is needed; results go to load-tests/results/ as JSON and as the table the README shows.
"""
import argparse, json, os, pathlib, platform, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


class Server:
    def __init__(self, argv, port, core):
        self.port = port
        self.process = subprocess.Popen(["taskset", "-c", str(core), *map(str, argv)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port)

    def rss_mb(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def rules(count, upstream):
    """The usual shape: one host a dozen rules, a path prefix each; the last one is asked."""
    return [{
        "id": f"rule-{n}",
        "match": {"url": f"http://host-{n // 12}.test/service-{n}/<.*>", "methods": ["GET", "POST"]},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "header", "config": {"headers": {"X-User": "{{ print .Subject }}"}}}],
        "errors": [{"handler": "json"}],
        "upstream": {"url": f"http://127.0.0.1:{upstream}"},
    } for n in range(count)] + [{
        "id": "closed",
        "match": {"url": "http://closed.test/<.*>", "methods": ["GET"]},
        "authenticators": [{"handler": "unauthorized"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    }]


def config(folder, ports, rule_count, upstream, threads=1, level="warn"):
    (folder / "rules.json").write_text(json.dumps(rules(rule_count, upstream)))
    proxy, api, metrics = ports
    (folder / "config.json").write_text(json.dumps({
        "log": {"level": level},
        "serve": {
            "proxy": {"host": "127.0.0.1", "port": proxy, "threads": threads},
            "api": {"host": "127.0.0.1", "port": api, "threads": threads},
            "prometheus": {"host": "127.0.0.1", "port": metrics},
        },
        "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
        "authenticators": {"anonymous": {"enabled": True}, "unauthorized": {"enabled": True}},
        "authorizers": {"allow": {"enabled": True}},
        "mutators": {"noop": {"enabled": True}, "header": {"enabled": True, "config": {"headers": {}}}},
    }))
    return folder / "config.json"


def wrk(url, seconds, core, host=None, connections=64):
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if host:
        argv += ["-H", f"Host: {host}"]
    out = subprocess.run(argv + [url], capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Socket errors: (.*)", out)
    latency = {p: v for p, v in re.findall(r"(50|99)%\s+([\d.]+\w+)", out)}
    slowest = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+\w+)", out).group(1)
    return {"max": slowest, "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "errors": errors.group(1) if errors else "", "latency": latency,
            "not_2xx": int((re.search(r"Non-2xx or 3xx responses: (\d+)", out) or [0, 0])[1])}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=5)
    ap.add_argument("--rules", type=int, default=100)
    ap.add_argument("--profile", default="bench")
    ap.add_argument("--peer", action="append", default=[], metavar="NAME=URL", help="a running server to measure beside the others")
    ap.add_argument("--only", default="", help="regular expression over contenders' names")
    a = ap.parse_args()
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install -y wrk util-linux")
    subprocess.run(["cargo", "build", "--locked", "--profile", a.profile, "-p", "doorward", "-p", "bare", "--bins"], cwd=ROOT, check=True)
    built = TARGET / {"bench": "release", "dev": "debug"}.get(a.profile, a.profile)

    folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-load-"))
    upstream = free_port()
    servers = [Server([built / "bare-serve", upstream], upstream, 1)]
    contenders = {}

    def add(name, argv, port, url, host=None):
        if re.search(a.only, name):
            server = Server(argv, port, 0)
            servers.append(server)
            contenders[name] = (server, url.format(port=port), host)

    ports = [free_port() for _ in range(3)]
    host, path = f"host-{(a.rules - 1) // 12}.test", f"/service-{a.rules - 1}/a"
    serve = free_port()
    add("bare ServeHttp", [built / "bare-serve", serve], serve, "http://127.0.0.1:{port}/")
    bare = free_port()
    add("bare proxy", [built / "bare-proxy", bare, upstream], bare, "http://127.0.0.1:{port}" + path)
    doorward = [built / "doorward", "serve", "--config", config(folder, ports, a.rules, upstream)]
    server = Server(doorward, ports[1], 0)
    servers.append(server)
    for name, port, target, asked in [("decision", ports[1], "/decisions" + path, host), ("denial", ports[1], "/decisions/x", "closed.test"),
                                      ("proxy", ports[0], path, host)]:
        if re.search(a.only, name):
            contenders[f"Doorward {name}"] = (server, f"http://127.0.0.1:{port}{target}", asked)
    for peer in a.peer:
        name, url = peer.split("=", 1)
        contenders[name] = (None, url, host)

    seen = {name: [] for name in contenders}
    try:
        for round_ in range(a.rounds):
            for name, (server, url, host) in contenders.items():
                before = server.cpu_seconds() if server else 0.0
                result = wrk(url, a.seconds, 1, host)
                result["cpu_us"] = (server.cpu_seconds() - before) / max(1, result["rps"] * a.seconds) * 1e6 if server else 0.0
                result["rss_mb"] = server.rss_mb() if server else 0.0
                seen[name].append(result)
                print(f"round {round_ + 1} {name}: {result['rps']:.0f}/s", file=sys.stderr)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    def median(name, key="rps"):
        return statistics.median(r[key] for r in seen[name]) if name in seen else 0.0

    base = {"Doorward decision": "bare ServeHttp", "Doorward denial": "Doorward decision", "Doorward proxy": "bare proxy"}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"{platform.machine()}, {a.rounds} rounds of {a.seconds} s, wrk -c64, one core a server, {a.rules} rules, profile {a.profile}, commit {commit}\n")
    print("| contender | requests/s (median) | min–max | CPU µs/request | p99 | RSS MB | ratio |\n| --- | --: | --- | --: | --- | --: | --- |")
    for name, results in seen.items():
        rates = [r["rps"] for r in results]
        ratio = f"{median(name) / median(base[name]):.2f} of {base[name]}" if median(base.get(name, "")) else ""
        p99 = sorted(r["latency"].get("99", "?") for r in results)[len(results) // 2]
        print(f"| {name} | {median(name):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {median(name, 'cpu_us'):.1f} | {p99} | {median(name, 'rss_mb'):.0f} | {ratio} |")
    broken = {name: [r["errors"] for r in results if r["errors"]] for name, results in seen.items()}
    if any(broken.values()):
        sys.exit(f"socket errors: { {n: e for n, e in broken.items() if e} }")


if __name__ == "__main__":
    main()
