#!/usr/bin/env python3
"""Breaks everything that Doorward depends on, one thing after the other, under load, and shows that it never fails open.

    load-tests/faults.py --doorward target/release/doorward                 # each fault once, about two minutes
    load-tests/faults.py --doorward target/release/doorward --minutes 30    # the soak: rules reload each second, faults come in turn

Four kinds of request run all the time: one that is always allowed, one that is always refused, one that a session store decides on
(good and bad sessions), and one that is malformed. While a fault lasts, a request that should pass may be refused; one that should be
refused must never pass. Between faults every answer must be right. Printed are the answers of each phase, the time until all is right
again, and the memory and file descriptors of the process; the run ends with 1 if anything was let through, failed between faults, or
grew by more than it may. Only Python's standard library is used.
"""
import argparse, collections, http.server, json, os, pathlib, random, resource, shutil, signal, socket, subprocess, sys, tempfile, threading, time

from measure import free_port, resident

HEALTHY, STALLED, BROKEN, RUDE, DEAD = "healthy", "stalled", "broken", "rude", "dead"


class Store(http.server.BaseHTTPRequestHandler):
    """A session store whose mood is a fault."""
    protocol_version = "HTTP/1.1"
    mood = HEALTHY

    def do_GET(self):
        mood = Store.mood
        if mood == STALLED:
            time.sleep(8)
        if mood == DEAD:
            self.close_connection = True
            return self.connection.close()
        if mood == RUDE:
            self.close_connection = True
            return self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 500_000)
        good = "session=good" in self.headers.get("Cookie", "")
        status = 500 if mood == BROKEN else 200 if good else 401
        body = json.dumps({"subject": "cleo"} if status == 200 else {}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    paths = collections.Counter()

    def do_GET(self):
        Upstream.paths[self.path.split("/")[1]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(handler):
    server = Quiet(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def rule(name, handlers, upstream):
    authenticator, authorizer = handlers
    return {
        "id": name, "match": {"url": f"http://h.test/{name}/<.*>", "methods": ["GET"]}, "upstream": {"url": f"http://127.0.0.1:{upstream}"},
        "authenticators": [{"handler": authenticator}], "authorizer": {"handler": authorizer}, "mutators": [{"handler": "noop"}],
    }


class Doorward:
    def __init__(self, command, folder, store, upstream):
        self.folder, self.proxy, self.api = folder, free_port(), free_port()
        self.rules = [rule("open", ("anonymous", "allow"), upstream), rule("closed", ("anonymous", "deny"), upstream), rule("session", ("cookie_session", "allow"), upstream)]
        self.write_rules()
        config = {
            "serve": {"proxy": {"host": "127.0.0.1", "port": self.proxy}, "api": {"host": "127.0.0.1", "port": self.api}, "prometheus": {"host": "127.0.0.1", "port": free_port()}},
            "access_rules": {"repositories": [f"file://{folder}/rules/rules.json"]},
            "authenticators": {
                "anonymous": {"enabled": True},
                "cookie_session": {"enabled": True, "config": {"check_session_url": f"http://127.0.0.1:{store}/whoami", "preserve_path": True}},
            },
            "authorizers": {"allow": {"enabled": True}, "deny": {"enabled": True}}, "mutators": {"noop": {"enabled": True}},
        }
        (folder / "config.json").write_text(json.dumps(config))
        # Few enough descriptors that the fault "descriptors" can use them up.
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen([command, "serve", "--config", str(folder / "config.json")], stdout=self.log, stderr=self.log, preexec_fn=limit)
        end = time.time() + 30
        while self.ask("open/x") != 200:
            if time.time() > end or self.process.poll() is not None:
                sys.exit("doorward did not come up:\n" + (folder / "log").read_text())
            time.sleep(0.05)

    def write_rules(self, text=None):
        (self.folder / "rules").mkdir(exist_ok=True)
        new = self.folder / "rules.new"
        new.write_text(json.dumps(self.rules) if text is None else text)
        new.rename(self.folder / "rules" / "rules.json")

    def ask(self, target, cookie=None, raw=None):
        """The status of the answer; 0 if there is none."""
        extra = f"Cookie: session={cookie}\r\n" if cookie else ""
        raw = raw or f"GET /{target} HTTP/1.1\r\nHost: h.test\r\n{extra}Connection: close\r\n\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.proxy), timeout=12) as s:
                s.sendall(raw.encode())
                return int((s.recv(64).split(b" ") + [b"0", b"0"])[1])
        except (OSError, ValueError):
            return 0

    def memory_mb(self):
        return resident(self.process.pid) / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


# Name, target, cookie or raw bytes, whether it should pass.
REQUESTS = [
    ("open", ("open/x",), True), ("closed", ("closed/x",), False), ("good session", ("session/x", "good"), True), ("bad session", ("session/x", "bad"), False),
    ("no rule", ("other/x",), False), ("malformed", ("", None, "GET /open/x HTTP/1.1\r\nHost: h.test\r\nHost: i.test\r\n\r\n"), False),
]


class Load:
    """Keeps asking; knows what each phase answered."""

    def __init__(self, doorward, workers):
        self.doorward, self.stopping, self.phase = doorward, False, "start"
        self.answers = collections.defaultdict(collections.Counter)
        self.passed_wrongly, self.failed_between = [], []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(workers)]
        for thread in self.threads:
            thread.start()

    def work(self, seed):
        rng = random.Random(seed)
        while not self.stopping:
            phase = self.phase
            name, arguments, should_pass = rng.choice(REQUESTS)
            status = self.doorward.ask(*arguments)
            with self.lock:
                self.answers[phase][name, status] += 1
                if status == 200 and not should_pass:
                    self.passed_wrongly.append((phase, name))
                # An answer counts for calm times only if the phase was calm from its beginning to its end.
                if phase == self.phase == "calm" and should_pass and status != 200:
                    self.failed_between.append((name, status))

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(timeout=15)


def store_fault(mood):
    def fault(_doorward, seconds):
        Store.mood = mood
        time.sleep(seconds)
        Store.mood = HEALTHY
    return fault


def rules_fault(text):
    def fault(doorward, seconds):
        doorward.write_rules(text)
        time.sleep(seconds)
        doorward.write_rules()
    return fault


def removed_rules(doorward, seconds):
    shutil.rmtree(doorward.folder / "rules")
    time.sleep(seconds)
    doorward.write_rules()


def descriptors(doorward, seconds):
    held = []
    try:
        for _ in range(600):
            held.append(socket.create_connection(("127.0.0.1", doorward.proxy), timeout=2))
    except OSError:
        pass
    time.sleep(seconds)
    for s in held:
        s.close()


def flood(doorward, seconds):
    end = time.time() + seconds
    def work():
        while time.time() < end:
            doorward.ask("closed/" + "x" * 2000)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stopped(doorward, seconds):
    os.kill(doorward.process.pid, signal.SIGSTOP)
    time.sleep(min(seconds, 2))
    os.kill(doorward.process.pid, signal.SIGCONT)


FAULTS = {
    "store stalls": store_fault(STALLED), "store answers 500": store_fault(BROKEN), "store sends without end": store_fault(RUDE), "store hangs up": store_fault(DEAD),
    "rules are no JSON": rules_fault("[{"), "rules are empty text": rules_fault(""), "rules are gone": removed_rules, "descriptors run out": descriptors,
    "flood of denials": flood, "process is suspended": stopped,
}


def recover(doorward, seconds):
    """Seconds until every kind of request is answered rightly, five times in a row."""
    begun, right = time.time(), 0
    while right < 5:
        fine = all((doorward.ask(*arguments) == 200) == should_pass for _, arguments, should_pass in REQUESTS)
        right = right + 1 if fine else 0
        if time.time() - begun > seconds:
            return None
    return time.time() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--doorward", default="target/release/doorward")
    parser.add_argument("--minutes", type=float, default=0, help="soak this long; 0: each fault once")
    parser.add_argument("--seconds", type=float, default=5, help="how long a fault lasts")
    parser.add_argument("--workers", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        doorward = Doorward(str(pathlib.Path(options.doorward).resolve()), pathlib.Path(folder), serve(Store), serve(Upstream))
        load = Load(doorward, options.workers)
        trouble = run(doorward, load, options)
        load.stop()
        if "panicked" in (doorward.folder / "log").read_text():
            trouble.append("a panic is in the log")
        if Upstream.paths["closed"]:
            trouble.append(f"{Upstream.paths['closed']} refused requests reached the upstream")
        doorward.process.terminate()
        try:
            doorward.process.wait(10)
        except subprocess.TimeoutExpired:
            trouble.append("it did not end when told to")
            doorward.process.kill()
    trouble += [f"let through in `{phase}`: {name}" for phase, name in load.passed_wrongly]
    trouble += [f"failed without a fault: {name} ({status})" for name, status in load.failed_between]
    for line in trouble[:40]:
        print("TROUBLE", line)
    sys.exit(1 if trouble else 0)


def run(doorward, load, options):
    trouble, first, end = [], None, time.time() + options.minutes * 60
    print(f"{'phase':26} {'answers':>8} {'passed':>8} {'recovered':>10} {'MiB':>7} {'fds':>5}")
    while True:
        for name, fault in FAULTS.items():
            calm(doorward, load, options)
            load.phase = name
            fault(doorward, options.seconds)
            took = recover(doorward, 60)
            if took is None:
                return trouble + [f"`{name}` was not recovered from in a minute"]
            memory = doorward.memory_mb()
            answers = load.answers[name]
            passed = sum(count for (_, status), count in answers.items() if status == 200)
            print(f"{name:26} {sum(answers.values()):8} {passed:8} {took:9.2f}s {memory:7.1f} {doorward.descriptors():5}", flush=True)
        memory = doorward.memory_mb()
        if first is None:
            first = memory
        elif memory > first * 1.1:
            trouble.append(f"memory went from {first:.1f} to {memory:.1f} MiB")
        if time.time() >= end:
            return trouble


def calm(doorward, load, options):
    """A while without faults; the rules are written anew each second."""
    load.phase = "settling"
    time.sleep(0.5)
    load.phase = "calm"
    for _ in range(max(2, int(options.seconds))):
        doorward.write_rules()
        time.sleep(1)
    load.phase = "settling"


if __name__ == "__main__":
    main()
