#!/usr/bin/env python3
"""Measures Doorward's gRPC ext_authz listener beside a bare tonic service, in one run.

    load-tests/ext_authz.py [--rounds 5] [--seconds 5] [--rules 100] [--connections 4] [--calls 16] [--profile bench] [--no-build [--commit C]]

Each server has one core, the client another; rounds alternate, so that drift of the machine hits both alike. The client may be the
slower side: CPU time per decision, and the decisions a second that one core is good for by it, are printed beside the measured rate.
"""
import argparse, json, pathlib, platform, shutil, statistics, subprocess, sys, tempfile

import contenders, measure
from measure import LOAD_CORE, Server, free_port


def config(folder, rule_count):
    """The configuration that compare.py measures, with an ext_authz listener besides."""
    ports = [free_port() for _ in range(3)]
    file = contenders.config(folder, ports, rule_count, free_port())
    whole = json.loads(file.read_text())
    port = free_port()
    whole["serve"]["ext_authz"] = {"host": "127.0.0.1", "port": port, "threads": 1}
    file.write_text(json.dumps(whole))
    return file, port


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=5)
    ap.add_argument("--rules", type=int, default=100)
    ap.add_argument("--connections", type=int, default=4)
    ap.add_argument("--calls", type=int, default=16, help="in flight on each connection")
    measure.add_build_options(ap)
    a = ap.parse_args()
    measure.need("taskset")
    built = measure.built(a, "doorward", "ext-authz-load")
    for binary in ("doorward", "bare-ext-authz", "ext-authz-load"):
        if not (built / binary).is_file():
            sys.exit(f"{built / binary} is missing: run without --no-build")

    folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-load-"))
    servers = {}
    seen = {"bare tonic": [], "Doorward": [], "Doorward denial": []}
    try:
        bare = free_port()
        servers["bare tonic"] = Server([built / "bare-ext-authz", bare], bare)
        file, port = config(folder, a.rules)
        servers["Doorward"] = servers["Doorward denial"] = Server([built / "doorward", "serve", "--config", file], port)
        for round_ in range(a.rounds):
            for name, results in seen.items():
                server, asked = servers[name], ("closed.test", "/a") if name.endswith("denial") else contenders.asked(a.rules)
                before = server.cpu_seconds()
                argv = ["taskset", "-c", LOAD_CORE, built / "ext-authz-load", server.port, *asked, a.seconds, a.connections, a.calls]
                out = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=True).stdout
                result = json.loads(out)
                calls = max(1, result["rps"] * a.seconds)
                result["cpu_us"] = (server.cpu_seconds() - before) / calls * 1e6
                if result["failed"] or bool(result["denied"]) != name.endswith("denial"):
                    sys.exit(f"{name}: not the answers that were expected: {result}")
                results.append(result)
                print(f"round {round_ + 1} {name}: {result['rps']:.0f}/s", file=sys.stderr)
    finally:
        for server in {id(server): server for server in servers.values()}.values():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    median = lambda name, key: statistics.median(result[key] for result in seen[name])
    print(f"{platform.machine()}, {a.rounds} rounds of {a.seconds} s, {a.connections} connections with {a.calls} calls each, one core a server, {a.rules} rules, profile {a.profile}, commit {measure.commit(a)}\n")
    print("| contender | decisions/s (median) | min–max | CPU µs/decision | by that, a core does | p50 µs | p99 µs | ratio to bare, rate | CPU |\n| --- | --: | --- | --: | --: | --: | --: | --: | --: |")
    for name, results in seen.items():
        rates, cpu = [result["rps"] for result in results], median(name, "cpu_us")
        ratio, dearer = median(name, "rps") / median("bare tonic", "rps"), cpu / max(1e-9, median("bare tonic", "cpu_us"))
        print(f"| {name} | {median(name, 'rps'):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {cpu:.1f} | {1e6 / max(1e-9, cpu):,.0f}/s | {median(name, 'p50_us'):.0f} | {median(name, 'p99_us'):.0f} | {ratio:.2f} | {dearer:.2f} |")


if __name__ == "__main__":
    main()
