#!/usr/bin/env python3
"""What many rules cost: time to load and to reload them, and memory.

    load-tests/rules.py [--doorward target/release/doorward] [--rules 100000] [--few 100] [--cores 0,1] [--no-limits]

Starts Doorward with a few rules and with many, and lets it rest before memory is read. Then `wrk -c16` asks for decisions while the
rules are replaced by others, twice. The binary is that of DOORWARD_BIN where the option is absent. Ends with 1 where a limit of
LIMITS is missed, unless told not to. Needs wrk, taskset, Linux and Python's standard library.
"""
import argparse, json, os, pathlib, re, shutil, sys, tempfile, threading, time, urllib.request

import contenders, measure
from measure import milliseconds

LIMITS = {"load s": 2.0, "reload s": 2.0, "slowest decision ms": 20.0, "failed requests": 0, "idle MiB with few rules": 30.0, "bytes a rule": 1024.0}
SHAPES = ["http://{host}/service-{n}/<.*>", "http://{host}/service-{n}/items/<[0-9]+>", "http://{host}/service-{n}/status", "<https|http>://{host}/service-{n}/<(list|show)>"]


def rules(count, tag):
    """Usual shapes of URLs and a handful of settings that rules share; the last rule's id and path tell which set is served."""
    made = contenders.rules(count, 8080)[:-1]
    for n, rule in enumerate(made):
        rule["match"]["url"] = SHAPES[n % len(SHAPES)].format(host=f"host-{n // 12}.test", n=n)
        rule["upstream"]["url"] = f"http://service-{n // 12 % 50}.internal:8080"
        rule["mutators"][0]["config"]["headers"]["X-Team"] = f"team-{n // 12 % 20}"
        if n % 3 == 0:
            rule["errors"] = [{"handler": "json", "config": {"verbose": True}}]
    made[-1]["id"] = f"last-{tag}"
    made[-1]["match"]["url"] = f"http://last.test/{tag}"
    return made


def write(file, content):
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content))
    new.rename(file)


class Doorward:
    def __init__(self, binary, folder, count, cores):
        self.folder, self.ports = folder, [measure.free_port() for _ in range(3)]
        config = contenders.config(folder, self.ports, 1, 8080, threads=len(cores.split(",")))
        write(folder / "rules.json", rules(count, "0"))
        self.began = time.time()
        self.server = measure.Server([binary, "serve", "--config", config], self.ports[1], cores)

    def decision(self, host, path):
        asked = urllib.request.Request(f"http://127.0.0.1:{self.ports[1]}/decisions{path}", headers={"Host": host})
        try:
            return urllib.request.urlopen(asked, timeout=5).status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0

    def until_last(self, tag, since):
        """Seconds until the last rule of that set answers."""
        while self.decision("last.test", f"/{tag}") != 200:
            if time.time() - since > 120:
                sys.exit(f"the rules of set {tag} are never served")
            time.sleep(0.005)
        return time.time() - since

    def memory(self):
        """Resident bytes: all, and those that are no file's."""
        return [measure.resident(self.server.process.pid, kind) for kind in ("VmRSS", "RssAnon")]


def under_load(url, seconds, host, cores, during):
    """Runs wrk, and something else meanwhile."""
    seen = {}
    load = threading.Thread(target=lambda: seen.update(measure.wrk(url, seconds, cores, host, connections=16)))
    load.start()
    time.sleep(1)
    done = during()
    load.join()
    return seen, done


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--doorward", default=os.environ.get("DOORWARD_BIN", measure.TARGET / "release/doorward"))
    ap.add_argument("--rules", type=int, default=100_000)
    ap.add_argument("--few", type=int, default=100)
    ap.add_argument("--cores", default="0,1")
    ap.add_argument("--rest", type=float, default=measure.REST, help="seconds before memory is read")
    ap.add_argument("--no-limits", action="store_true", help="report only")
    a = ap.parse_args()
    measure.need("wrk", "taskset")

    found, extra = {}, {}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-rules-"))
    few = Doorward(a.doorward, folder, a.few, a.cores)
    few.until_last("0", few.began)
    time.sleep(a.rest)
    base = few.memory()
    few.server.stop()
    found["idle MiB with few rules"], extra["of it anonymous MiB"] = (m / 2**20 for m in base)

    many = Doorward(a.doorward, folder, a.rules, a.cores)
    try:
        found["load s"] = many.until_last("0", many.began)
        time.sleep(a.rest)
        per_rule = lambda: (many.memory()[1] - base[1]) / (a.rules - a.few)
        found["bytes a rule"] = per_rule()
        extra["document bytes a rule"] = (folder / "rules.json").stat().st_size / a.rules
        worst = {"reload s": 0.0, "slowest decision ms": 0.0, "failed requests": 0}
        for tag in ("1", "2"):
            content = rules(a.rules, tag)

            def replace():
                write(folder / "rules.json", content)
                return many.until_last(tag, time.time())

            url = f"http://127.0.0.1:{many.ports[1]}/decisions/service-8/x"
            seen, took = under_load(url, 8, "host-0.test", a.cores, replace)
            failed = seen["not_2xx"] + sum(int(n) for n in re.findall(r"\d+", seen["errors"]))
            slowest = milliseconds(seen["max"])
            print(f"set {tag}: reloaded in {took:.2f} s under {seen['rps']:.0f} requests/s, slowest {slowest:.1f} ms, {failed} failed", file=sys.stderr)
            for name, value in (("reload s", took), ("slowest decision ms", slowest), ("failed requests", failed)):
                worst[name] = max(worst[name], value)
        found.update(worst)
        time.sleep(a.rest)
        extra["bytes a rule after reloads"] = per_rule()
    finally:
        many.server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    print(f"{a.rules} rules, {a.few} for the base, cores {a.cores}\n\n| | found | limit |\n| --- | --: | --: |")
    missed = [name for name, limit in LIMITS.items() if found[name] > limit]
    for name, limit in LIMITS.items():
        print(f"| {name} | {found[name]:,.2f} | {limit:,g}{' **missed**' if name in missed else ''} |")
    for name, value in extra.items():
        print(f"| {name} | {value:,.2f} | |")
    if missed and not a.no_limits:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
