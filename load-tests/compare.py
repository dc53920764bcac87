#!/usr/bin/env python3
"""Measures Doorward beside a bare Pingora, nginx, Envoy, and any other server, in one run.

    load-tests/compare.py                   # the main table, about five minutes
    load-tests/compare.py --logs            # the same Doorward with and without its lines in the log
    load-tests/compare.py --charts          # throughput against the number of rules, latency against load
    load-tests/compare.py --only 'decision|threads' --rounds 3 --peer heimdall=http://127.0.0.1:4456/service-99/a

Each contender runs on one core, the load generator (wrk -c64) and the upstream on another; rounds alternate between
contenders, so that drift of the machine hits all alike. Printed are medians, spread, memory, CPU time, and ratios to
the contender that each is held against. What isn't installed is left out by name. `--no-build` takes the binaries
that are there; otherwise all are built with `--profile`. Results go to load-tests/results/ as Markdown, JSON and SVG.
Needs wrk and taskset; openssl for the case with a JWT, oha for latency at a fixed rate.
"""
import argparse, datetime, json, os, pathlib, platform, re, shutil, statistics, subprocess, sys, tempfile, time

import chart, contenders, measure
from measure import ROOT, Server, free_port

# A second core for two worker threads: one of their own where there is one.
TWO_CORES = f"{measure.SERVER_CORE},{2 if (os.cpu_count() or 1) > 2 else measure.LOAD_CORE}"
RULE_COUNTS = (1, 10, 100, 1_000, 10_000, 100_000)
CONNECTIONS = (1, 4, 16, 64, 256)


class Contender:
    """`base` names the one it is held against, by `key`; `all_pass` is false where every answer is a denial."""

    def __init__(self, servers, url, host=None, base="", key="rps", headers=(), all_pass=True):
        self.servers, self.url, self.host, self.base, self.key, self.headers, self.all_pass = servers, url, host, base, key, headers, all_pass
        self.warmed = 0

    def measured(self, seconds, connections=64):
        cpu = sum(server.cpu_seconds() for server in self.servers)
        result = measure.wrk(self.url, seconds, host=self.host, connections=connections, headers=self.headers)
        result["cpu_us"] = (sum(server.cpu_seconds() for server in self.servers) - cpu) / max(1, result["requests"]) * 1e6
        result["rss_mb"] = sum(server.rss_mb() for server in self.servers)
        result["p99_ms"] = measure.milliseconds(result["latency"]["99"])
        return result

    def wrong(self, result):
        passed = result["not_2xx"] == (0 if self.all_pass else result["requests"])
        return result["errors"] or ("" if passed else f"{result['not_2xx']} of {result['requests']} answers were not 2xx")


class Run:
    """The servers of one run, and the folder of their configurations."""

    def __init__(self, options):
        self.options, self.built, self.contenders, self.servers, self.left_out = options, options.built, {}, [], []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-load-"))
        self.upstream, self.shared = free_port(), None

    def __enter__(self):
        self.serve([self.built / "bare-serve", self.upstream], self.upstream, measure.LOAD_CORE)
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, *argv, **how):
        self.servers.append(Server(*argv, **how))
        return self.servers[-1]

    def place(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def wanted(self, *names):
        return [name for name in names if re.search(self.options.only, name)]

    def add(self, name, *how, **more):
        self.contenders[name] = Contender(*how, **more)

    def doorward(self, count, threads=1, level="warn", keys=None, cores=measure.SERVER_CORE):
        """A Doorward whose rules are loaded, and the ports of its proxy and its decision API."""
        ports = [free_port() for _ in range(3)]
        config = contenders.config(self.place(), ports, count, self.upstream, threads, level, keys)
        server = self.serve([self.built / "doorward", "serve", "--config", config], ports[1], cores, lines_read=level != "warn")
        measure.until_answered(ports[1], "/health/ready")
        return server, ports[0], ports[1]

    def usual(self):
        """The Doorward that several contenders share."""
        self.shared = self.shared or self.doorward(self.options.rules)
        return self.shared

    def decision(self, name, made, count, **more):
        host, path = contenders.asked(count)
        self.add(name, [made[0]], f"http://127.0.0.1:{made[2]}/decisions{path}", host, **more)

    def proxied(self, name, made, count, **more):
        host, path = contenders.asked(count)
        self.add(name, [made[0]], f"http://127.0.0.1:{made[1]}{path}", host, **more)

    def bare(self, serve="decision: bare ServeHttp", proxy="proxy: bare Pingora"):
        for name in self.wanted(serve):
            port = free_port()
            self.add(name, [self.serve([self.built / "bare-serve", port], port)], f"http://127.0.0.1:{port}/")
        for name in self.wanted(proxy):
            port = free_port()
            host, path = contenders.asked(self.options.rules)
            self.add(name, [self.serve([self.built / "bare-proxy", port, self.upstream], port)], f"http://127.0.0.1:{port}{path}", host)

    def with_tokens(self, name):
        if not shutil.which("openssl"):
            return self.left_out.append(f"{name} (no openssl)")
        keys, header = contenders.jwt(self.built / "doorward", self.place())
        self.decision(name, self.doorward(self.options.rules, keys=keys), self.options.rules, base="decision: bare ServeHttp", headers=[header])

    def gateways(self, plain="proxy: nginx", asks="proxy: nginx auth_request, Doorward", envoy="proxy: Envoy, rbac"):
        host, path = contenders.asked(self.options.rules)
        for name in self.wanted(plain, asks, envoy):
            place, port, behind = self.place(), free_port(), []
            if name == envoy:
                binary = contenders.envoy(self.options.envoy)
                argv = binary and [binary, *contenders.envoy_config(place, port, self.upstream)]
            else:
                made = name == asks and contenders.nginx() and self.usual()
                behind = [made[0]] if made else []
                argv = contenders.nginx() and contenders.nginx_config(place, port, self.upstream, made[2] if made else None)
            if argv:
                self.add(name, [self.serve(argv, port), *behind], f"http://127.0.0.1:{port}{path}", host, base="proxy: bare Pingora")
            else:
                self.left_out.append(f"{name} (not installed)")

    def rounds(self, seconds=None, connections=64):
        """Results by contender; what answered wrongly ends the run."""
        seen = {name: [] for name in self.contenders}
        for name, contender in self.contenders.items():
            contender.warmed = measure.wrk(contender.url, 1, host=contender.host, headers=contender.headers)["requests"]
        for n in range(self.options.rounds):
            for name, contender in self.contenders.items():
                result = contender.measured(seconds or self.options.seconds, connections)
                seen[name].append(result)
                print(f"round {n + 1} {name}, {connections} connections: {result['rps']:.0f}/s", file=sys.stderr)
                if contender.wrong(result):
                    sys.exit(f"{name}: {contender.wrong(result)}")
        return seen


def median(results, key):
    return statistics.median(result[key] for result in results)


def throughput_table(run, seen):
    rows = ["| contender | requests/s (median) | min–max | CPU µs/request | p99 ms | RSS MB | ratio |", "| --- | --: | --- | --: | --: | --: | --- |"]
    for name, results in seen.items():
        contender, rates = run.contenders[name], [result["rps"] for result in results]
        ratio = ""
        if contender.base in seen:
            over = median(results, contender.key) / max(1e-9, median(seen[contender.base], contender.key))
            ratio = f"{over:.2f} of {contender.base}" + (" (CPU)" if contender.key == "cpu_us" else "")
        cpu, rss = (f"{median(results, 'cpu_us'):.1f}", f"{median(results, 'rss_mb'):.0f}") if contender.servers else ("", "")
        rows.append(f"| {name} | {median(results, 'rps'):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {cpu} | {median(results, 'p99_ms'):.2f} | {rss} | {ratio} |")
    return rows


def footprint(run):
    """Start and memory with 100 rules, memory under load with 10,000, and the size of the binary."""
    found, starts = {}, []
    for _ in range(run.options.rounds):
        began = time.monotonic()
        server = run.doorward(100)[0]
        starts.append((time.monotonic() - began) * 1000)
        if len(starts) < run.options.rounds:
            server.stop()
            run.servers.remove(server)
    found["start to ready, 100 rules, ms (configuration written meanwhile)"] = statistics.median(starts)
    many, proxy, api = run.doorward(10_000)
    time.sleep(measure.REST)
    found["RSS idle, 100 rules, MB"], found["RSS idle, 10,000 rules, MB"] = server.rss_mb(), many.rss_mb()
    host, path = contenders.asked(10_000)
    with measure.Peak(many.process.pid) as peak:
        for url in (f"http://127.0.0.1:{api}/decisions{path}", f"http://127.0.0.1:{proxy}{path}"):
            measure.wrk(url, run.options.seconds, host=host, connections=256)
    found["RSS at most under 256 connections, 10,000 rules, MB"] = peak.most / 2**20
    if shutil.which("strip"):
        copy = run.folder / "stripped"
        subprocess.run(["strip", "-o", copy, run.built / "doorward"], check=True)
        found["binary, stripped, MB"] = copy.stat().st_size / 2**20
    return found


def added_latency(run, alternations):
    """What Doorward adds to the bare proxy's p99 at half of Doorward's peak."""
    bare, ours = (run.contenders[name] for name in ("proxy: bare Pingora", "proxy: Doorward"))
    rate = ours.measured(3)["rps"] / 2
    pairs = [[measure.oha_p99_us(c.url, 2, rate, c.host) for c in (bare, ours)] for _ in range(alternations)]
    alone, with_us = (statistics.median(column) for column in zip(*pairs))
    return {f"p99 of the bare proxy at {rate:,.0f} requests/s, µs": alone, "p99 that Doorward adds, µs (medians)": with_us - alone}


def main_table(run):
    count = run.options.rules
    run.bare()
    for some in sorted({10, count, 100_000}):
        for name in run.wanted(f"decision: {some:,} rules"):
            base = "decision: 10 rules" if some > max(10, count) else "decision: bare ServeHttp"
            run.decision(name, run.usual() if some == count else run.doorward(some), some, base=base)
    for name in run.wanted("decision: denial"):
        url = f"http://127.0.0.1:{run.usual()[2]}/decisions/x"
        run.add(name, [run.usual()[0]], url, "closed.test", base=f"decision: {count:,} rules", all_pass=False)
    for name in run.wanted("decision: JWT seen before, id_token from memory"):
        run.with_tokens(name)
    for name in run.wanted("proxy: Doorward"):
        run.proxied(name, run.usual(), count, base="proxy: bare Pingora")
    run.gateways()
    for threads, name in ((1, "threads: one"), (2, "threads: two")):
        if run.wanted(name):
            made = run.doorward(count, threads, cores=measure.SERVER_CORE if threads == 1 else TWO_CORES)
            run.decision(name, made, count, base="threads: one" if threads == 2 else "", key="cpu_us")
    for peer in run.options.peer:
        name, url = peer.split("=", 1)
        run.add(name, [], url, contenders.asked(count)[0])
    seen = run.rounds()
    found = {}
    if run.wanted("latency"):
        if not shutil.which("oha"):
            run.left_out.append("latency at half of peak (no oha)")
        elif {"proxy: bare Pingora", "proxy: Doorward"} <= seen.keys():
            found.update(added_latency(run, 10))
    if run.wanted("footprint"):
        found.update(footprint(run))
    table = throughput_table(run, seen) if seen else []
    if found:
        table += ["", "| | |", "| --- | --: |", *(f"| {name} | {value:,.1f} |" for name, value in found.items())]
    return "table", table, {"throughput": seen, "other": found}


def logs_table(run):
    """Metrics are always on; at info each request leaves an access line and a decision line, which a reader counts. Fewer than two a
    request mean that lines were dropped, and that the ratio flatters."""
    for door, add in (("decision", run.decision), ("proxy", run.proxied)):
        made = {level: run.doorward(run.options.rules, level=level) for level in ("warn", "info")}
        for level, server in made.items():
            add(f"logs, {door}: {level}", server, run.options.rules, base=f"logs, {door}: warn" if level == "info" else "")
    seen = run.rounds()
    table, lines = throughput_table(run, seen), {}
    for name, results in seen.items():
        if name.endswith("info"):
            server = run.contenders[name].servers[0]
            run.servers.remove(server)
            warmed = run.contenders[name].warmed
            lines[name] = server.stop() / (warmed + sum(result["requests"] for result in results))
    table += ["", "| lines written for each request | |", "| --- | --: |", *(f"| {name} | {value:.2f} |" for name, value in lines.items())]
    return "logs", table, {"throughput": seen, "lines": lines}


def charts(run):
    """One SVG each for throughput against rules and latency against load."""
    out, kept = run.options.out, {}
    run.bare()
    servers = {count: run.doorward(count) for count in RULE_COUNTS}
    for count, made in servers.items():
        run.decision(f"decision, {count}", made, count)
        run.proxied(f"proxy, {count}", made, count)
    seen = run.rounds()
    kept["rules"] = {name: median(results, "rps") for name, results in seen.items()}
    flat = lambda name: [(count, kept["rules"][name]) for count in RULE_COUNTS]
    ours = lambda kind: [(count, kept["rules"][f"{kind}, {count}"]) for count in RULE_COUNTS]
    series = {"Doorward decides": ours("decision"), "bare Pingora answers": flat("decision: bare ServeHttp"),
              "Doorward proxies": ours("proxy"), "bare Pingora proxies": flat("proxy: bare Pingora")}
    (out / "rules.svg").write_text(chart.lines("Throughput against the number of rules, one core", "rules", "requests/s", series, log_x=True))

    run.contenders = {"bare Pingora": run.contenders["proxy: bare Pingora"], "Doorward": run.contenders[f"proxy, {run.options.rules}"]}
    run.gateways(plain="nginx", asks="nginx auth_request", envoy="Envoy")
    load = {name: [] for name in run.contenders}
    for connections in CONNECTIONS:
        for name, results in run.rounds(connections=connections).items():
            load[name].append((connections, median(results, "p99_ms")))
    kept["latency"] = load
    (out / "latency.svg").write_text(chart.lines("Proxies' latency against load, one core", "connections that ask without pause", "p99, ms", load, log_x=True))
    table = ["| connections | " + " | ".join(f"{name}, p99 ms" for name in load) + " |", "| --: |" + " --: |" * len(load)]
    table += [f"| {c} | " + " | ".join(f"{dict(line)[c]:.2f}" for line in load.values()) + " |" for c in CONNECTIONS]
    table += ["", "| rules | Doorward decides | Doorward proxies |", "| --: | --: | --: |"]
    table += [f"| {n:,} | {kept['rules'][f'decision, {n}']:,.0f} | {kept['rules'][f'proxy, {n}']:,.0f} |" for n in RULE_COUNTS]
    return "charts", table, kept


def said(*argv):
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, cwd=ROOT)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def circumstances(options):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    pingora = re.search(r'name = "pingora-core"\nversion = "(.*)"', (ROOT / "Cargo.lock").read_text())
    envoy = contenders.envoy(options.envoy)
    versions = [f"Pingora {pingora.group(1) if pingora else '?'}", said("wrk", "-v").split(" [")[0]]
    versions += [said(contenders.nginx(), "-v").removeprefix("nginx version: ")] if contenders.nginx() else []
    versions += [f"Envoy {re.search(r'/([0-9.]+)/', said(envoy, '--version') or '/?/').group(1)}"] if envoy else []
    made = "binaries as found" if options.no_build else f"profile {options.profile}"
    return (f"{datetime.date.today()}, {cpu.group(1) if cpu else platform.machine()} with {os.cpu_count()} cores, Linux {platform.release()}; {', '.join(versions)}; "
            f"Doorward at commit {measure.commit(options)}, {made}; {options.rounds} rounds of {options.seconds} s, wrk -c64, one core a server, {options.rules} rules.")


def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=3)
    ap.add_argument("--rules", type=int, choices=RULE_COUNTS, default=100, help="how many the usual Doorward has")
    measure.add_build_options(ap)
    ap.add_argument("--envoy", default=os.environ.get("ENVOY"), help="Envoy's binary")
    ap.add_argument("--peer", action="append", default=[], metavar="NAME=URL", help="a running server to measure beside the others")
    ap.add_argument("--only", default="", help="regular expression over the names of the main table's contenders, `latency` and `footprint`")
    ap.add_argument("--out", type=pathlib.Path, default=ROOT / "load-tests/results")
    kind = ap.add_mutually_exclusive_group()
    kind.add_argument("--logs", dest="table", action="store_const", const=logs_table, default=main_table, help="levels of the log instead of the main table")
    kind.add_argument("--charts", dest="table", action="store_const", const=charts, help="charts instead of the main table")
    return ap.parse_args()


def main():
    chosen = options()
    measure.need("wrk", "taskset")
    chosen.built = measure.built(chosen, "doorward", "bare")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with Run(chosen) as run:
        name, table, kept = chosen.table(run)
    lines = [circumstances(chosen), "", *table]
    if run.left_out:
        lines += ["", f"Left out: {'; '.join(run.left_out)}."]
    print("\n".join(lines))
    (chosen.out / f"{name}.md").write_text("\n".join(lines) + "\n")
    (chosen.out / f"{name}.json").write_text(json.dumps({"circumstances": lines[0], "left_out": run.left_out, **kept}, indent=1))


if __name__ == "__main__":
    main()
