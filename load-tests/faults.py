#!/usr/bin/env python3
"""Breaks everything that Doorward depends on, one thing after the other, under load, and shows that it never fails open.

    load-tests/faults.py --doorward target/release/doorward                 # each fault once, about four minutes
    load-tests/faults.py --doorward target/release/doorward --minutes 30    # the soak: rules reload each second, faults come in turn

Requests that should pass and such that should not are asked all the time: without credentials, with sessions, opaque tokens and signed
tokens, decided by a remote authorizer, over TLS at the decision API, and malformed ones. While a fault lasts, a request that depends on
what is broken may be refused; every other one that should pass must, and one that should be refused must never pass. Between faults
every answer must be right. Printed are the answers of each phase, the time until all is right again, and the memory and file descriptors
of the process; the run ends with 1 if anything was let through, failed without need, panicked, told a credential, or grew by more than a
tenth. Needs openssl, and root for the fault that fills a disk; otherwise only Python's standard library.
"""
import argparse, collections, contextlib, os, random, shutil, signal, socket, sys, threading, time

from breakable import BROKEN, DEAD, GONE, RUDE, STALLED, TLS, doorward

Request = collections.namedtuple("Request", "name head passes needs tls")


def requests(token):
    def get(name, target, passes, *needs, header="X-None: none", tls=False):
        prefix = "/decisions" if tls else ""
        head = f"GET {prefix}/{target} HTTP/1.1\r\nHost: h.test\r\n{header}\r\nConnection: close\r\n\r\n"
        return Request(name, head, passes, set(needs) if tls else {*needs, "upstream"}, tls)

    bearer = lambda token: f"Authorization: Bearer {token}"
    forged = token[:-8] + ("A" * 8 if not token.endswith("A" * 8) else "B" * 8)
    return [
        get("open", "open/x", True), get("closed", "closed/x", False), get("no rule", "other/x", False),
        get("good session", "session/x", True, "session", header="Cookie: session=good-one"),
        get("bad session", "session/x", False, "session", header="Cookie: session=bad"),
        get("good token", "token/x", True, "introspection", header=bearer("good-token")),
        get("bad token", "token/x", False, "introspection", header=bearer("bad-token")),
        # Keys that are known stay known while their server is unwell.
        get("signed token", "signed/x", True, header=bearer(token)), get("forged token", "signed/x", False, header=bearer(forged)),
        get("remote good", "remote/good", True, "policy"), get("remote bad", "remote/bad", False, "policy"),
        get("open by TLS", "open/x", True, "certificate", tls=True), get("closed by TLS", "closed/x", False, tls=True),
        Request("malformed", "GET /open/x HTTP/1.1\r\nHost: h.test\r\nHost: i.test\r\n\r\n", False, set(), False),
    ]


class Load:
    """Keeps asking; knows what each phase answered."""

    def __init__(self, running, workers):
        self.running, self.requests, self.stopping = running, requests(running.token), False
        # What it is called, and what is broken in it; None where nothing is asked of an answer but that it lets nothing through.
        self.phase, self.broken = ("start", 0), None
        self.answers = collections.defaultdict(collections.Counter)
        self.trouble = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(workers)]
        for thread in self.threads:
            thread.start()

    def enter(self, name, broken):
        with self.lock:
            self.phase, self.broken = (name, self.phase[1] + 1), broken

    def work(self, seed):
        rng = random.Random(seed)
        while not self.stopping:
            with self.lock:
                phase, broken = self.phase, self.broken
            request = rng.choice(self.requests)
            status = self.running.ask(request)
            with self.lock:
                self.answers[phase[0]][status] += 1
                if status == 200 and not request.passes:
                    self.trouble.append(f"let through in `{phase[0]}`: {request.name}")
                # An answer tells of a phase only if that lasted from its beginning to its end.
                due = request.passes and phase == self.phase and broken is not None and not request.needs & broken
                if due and status != 200:
                    self.trouble.append(f"failed without need in `{phase[0]}`: {request.name} ({status})")

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(timeout=15)


@contextlib.contextmanager
def in_mood(dependencies, mood):
    with contextlib.ExitStack() as stack:
        for dependency in dependencies:
            stack.enter_context(dependency.in_mood(mood))
        yield


@contextlib.contextmanager
def rules(running, text):
    running.write_rules(text)
    yield
    running.write_rules()


@contextlib.contextmanager
def rules_gone(running):
    shutil.rmtree(running.folder / "rules")
    yield
    running.write_rules()


@contextlib.contextmanager
def certificate(running, spoil):
    spoil()
    yield
    running.restore_certificate()


@contextlib.contextmanager
def descriptors(running):
    held = []
    with contextlib.suppress(OSError):
        for _ in range(600):
            held.append(socket.create_connection(("127.0.0.1", running.proxy), timeout=2))
    yield
    for s in held:
        s.close()


@contextlib.contextmanager
def flood(running, load):
    closed = next(request for request in load.requests if request.name == "closed")
    over = threading.Event()

    def work():
        while not over.is_set():
            running.ask(closed._replace(head=closed.head.replace("closed/x", "closed/" + "x" * 2000)))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def suspended(running):
    os.kill(running.process.pid, signal.SIGSTOP)
    yield
    os.kill(running.process.pid, signal.SIGCONT)


def faults(running, load):
    """Name, what is broken by it, and the fault itself."""
    needs, all_of_it = running.needs, set().union(*(request.needs for request in load.requests))
    asked = [needs.session, needs.introspection, needs.policy, needs.keys]
    for mood in (STALLED, BROKEN, RUDE, DEAD, GONE):
        yield f"who is asked {mood}", {"session", "introspection", "policy"}, in_mood(asked, mood)
    for mood in (STALLED, BROKEN, RUDE, DEAD, GONE):
        yield f"upstream {mood}", {"upstream"}, in_mood([needs.upstream], mood)
    yield "rules are no JSON", set(), rules(running, "[{")
    # An empty file is a set without rules, as in the reference: everything may be refused.
    yield "rules are empty text", all_of_it, rules(running, "")
    yield "rules are gone", set(), rules_gone(running)
    yield "certificate is garbage", set(), certificate(running, lambda: running.certificate.write_text("garbage"))
    yield "key is gone", set(), certificate(running, running.key.unlink)
    yield "key is another's", set(), certificate(running, lambda: shutil.copy(TLS / "other.key", running.key))
    if running.disk.mounted:
        yield "log's disk is full", set(), running.disk.full()
    yield "descriptors run out", all_of_it, descriptors(running)
    yield "flood of denials", set(), flood(running, load)
    yield "process is suspended", all_of_it, suspended(running)


def recover(load, seconds):
    """Seconds until every kind of request is answered rightly, five times in a row; None where that takes longer than `seconds`."""
    begun, right = time.time(), 0
    while right < 5:
        fine = all((load.running.ask(request) == 200) == request.passes for request in load.requests)
        right = right + 1 if fine else 0
        if time.time() - begun > seconds:
            return None
    return time.time() - begun


def calm(load, seconds):
    """A while without faults; the rules are written anew each second."""
    load.enter("calm", set())
    for _ in range(max(2, int(seconds))):
        load.running.write_rules()
        time.sleep(1)
    load.enter("settling", None)


def tells(running):
    """What the log must not hold."""
    text = running.said()
    secrets = {"a session": "good-one", "an opaque token": "good-token", "a signed token": running.token.split(".")[1]}
    return ["a panic is in the log"] * ("panicked" in text) + [f"the log holds {name}" for name, secret in secrets.items() if secret in text]


def run(load, options):
    running, trouble, first, end = load.running, [], None, time.time() + options.minutes * 60
    if not running.disk.mounted:
        print("skipped: the fault that fills the log's disk (nothing can be mounted here)")
    print(f"{'phase':32} {'answers':>8} {'passed':>8} {'recovered':>10} {'MiB':>7} {'fds':>5}")
    while True:
        for name, broken, fault in faults(running, load):
            calm(load, options.seconds)
            trouble += tells(running)
            with fault:
                load.enter(name, broken)
                time.sleep(options.seconds)
                load.enter("settling", None)
            took = recover(load, 60)
            if took is None:
                return trouble + [f"`{name}` was not recovered from in a minute"]
            answers, memory = load.answers[name], running.memory_mb()
            print(f"{name:32} {answers.total():8} {answers[200]:8} {took:9.2f}s {memory:7.1f} {running.descriptors():5}", flush=True)
        first = first or memory
        if memory > first * 1.1:
            trouble.append(f"memory went from {first:.1f} to {memory:.1f} MiB")
        if time.time() >= end:
            return trouble


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--doorward", default="target/release/doorward")
    parser.add_argument("--minutes", type=float, default=0, help="soak this long; 0: each fault once")
    parser.add_argument("--seconds", type=float, default=5, help="how long a fault lasts")
    parser.add_argument("--workers", type=int, default=12)
    options = parser.parse_args()
    with doorward(options.doorward) as running:
        load = Load(running, 0)
        if recover(load, 30) is None:
            sys.exit("Doorward does not come up:\n" + running.said()[-2000:])
        load = Load(running, options.workers)
        trouble = run(load, options)
        load.stop()
        trouble += tells(running) + load.trouble
        if running.needs.upstream.paths["closed"]:
            trouble.append("refused requests reached the upstream")
        if not running.stop():
            trouble.append("it did not end when told to")
        calm_answers = load.answers["calm"]
        print(f"calm: {calm_answers.total()} answers; all phases: {sum(map(collections.Counter.total, load.answers.values()))}")
    for line, count in collections.Counter(trouble).items():
        print(f"TROUBLE {line}, {count} times")
    sys.exit(1 if trouble else 0)


if __name__ == "__main__":
    main()
