"""What every measurement needs: binaries, pinned servers with their memory and CPU time, and the load generators."""
import http.client, json, os, pathlib, re, shutil, signal, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
sys.path.append(str(ROOT / "tests" / "support"))
from servers import free_port, wait_for

SERVER_CORE, LOAD_CORE = "0", "1"
# The allocator gives unused memory back after ten seconds.
REST = 14


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install -y wrk util-linux")


def add_build_options(parser):
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--no-build", action="store_true", help="take the binaries that are in the target folder")
    parser.add_argument("--commit", help="which one the binaries were built from; HEAD where nothing is said")


def built(options, *packages):
    """The folder of the binaries of those options, built unless they say otherwise."""
    if not options.no_build:
        chosen = [word for package in packages for word in ("-p", package)]
        subprocess.run(["cargo", "build", "--locked", "--profile", options.profile, *chosen, "--bins"], cwd=ROOT, check=True)
    return TARGET / {"bench": "release", "dev": "debug"}.get(options.profile, options.profile)


def commit(options):
    return options.commit or subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def resident(pid, kind="VmRSS"):
    """Resident bytes; as `RssAnon` those that are no file's."""
    found = re.search(rf"^{kind}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    if not found:
        raise RuntimeError(f"process {pid} has ended")
    return int(found[1]) * 1024


class Peak:
    """The most bytes that are resident within a `with`, looked at twenty times a second."""

    def __init__(self, pid):
        self.pid, self.most, self.done = pid, 0, threading.Event()
        self.watcher = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, resident(self.pid))

    def __enter__(self):
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()


class Server:
    """A process on given cores. `lines_read` pipes what it writes to a reader on the load generator's core, which counts the lines."""

    def __init__(self, argv, port, core=SERVER_CORE, lines_read=False):
        self.port, self.reader, sink = port, None, subprocess.DEVNULL
        if lines_read:
            self.reader = subprocess.Popen(["taskset", "-c", LOAD_CORE, "wc", "-l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            sink = self.reader.stdin
        self.process = subprocess.Popen(["taskset", "-c", str(core), *map(str, argv)], stdout=sink, stderr=sink)
        if self.reader:
            self.reader.stdin.close()
        try:
            wait_for(port, self.process)
        except SystemExit:
            self.stop()
            raise

    def rss_mb(self):
        return resident(self.process.pid) / 2**20

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it; says how many lines were read from it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.reader:
            counted = int(self.reader.stdout.read())
            self.reader.wait()
            return counted
        return 0


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def wrk(url, seconds, core=LOAD_CORE, host=None, connections=64, headers=()):
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in [*([f"Host: {host}"] if host else []), *headers]:
        argv += ["-H", header]
    out = subprocess.run(argv + [url], capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Socket errors: (.*)", out)
    latency = {p: v for p, v in re.findall(r"(50|99)%\s+([\d.]+\w+)", out)}
    slowest = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+\w+)", out).group(1)
    return {"max": slowest, "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "errors": errors.group(1) if errors else "", "latency": latency,
            "requests": int(re.search(r"(\d+) requests in", out).group(1)),
            "not_2xx": int((re.search(r"Non-2xx or 3xx responses: (\d+)", out) or [0, 0])[1])}


def oha_p99_us(url, seconds, rate, host, core=LOAD_CORE):
    """The 99th percentile in microseconds at a rate that is kept whatever the answers take: waiting for a late answer counts."""
    argv = ["taskset", "-c", core, "oha", "--no-tui", "--output-format", "json", "--latency-correction", "-c", "64", "-q", str(int(rate)), "-z", f"{seconds}s"]
    out = subprocess.run([*argv, "-H", f"Host: {host}", url], capture_output=True, text=True, check=True).stdout
    return json.loads(out)["latencyPercentiles"]["p99"] * 1e6


def until_answered(port, path, host="localhost", seconds=120):
    """Waits for a 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": host})
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.001)
    sys.exit(f"{path} on port {port} does not become ready")
