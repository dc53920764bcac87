"""What scripts that start servers share, those of load-tests/ too: free ports, processes that listen, and an account of what was checked."""
import atexit, pathlib, socket, subprocess, sys, threading, time

failures = []


def check(what, ok, more=""):
    print(("ok    " if ok else "FAIL  ") + what + (f"  {more}" if not ok else ""), flush=True)
    if not ok:
        failures.append(what)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def until(holds, seconds=30, pause=0.05):
    """Whether it comes to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(pause)
    return False


def wait_for(port, process, log=None, seconds=60):
    """Ends the run where the process does not listen in time; `log` is the file whose end says why."""
    # A millisecond: some measure how long a start takes.
    if not until(lambda: listens(port) or process.poll() is not None, seconds, 0.001) or process.poll() is not None:
        said = pathlib.Path(log).read_text(errors="replace")[-2000:] if log else ""
        sys.exit(f"{process.args[0]} does not listen on port {port}: {said}")


def start(command, port, log=None, seconds=60, **how):
    """A process that listens, with what it says in a file. What still runs when the script ends is told to end."""
    out = open(log, "ab") if log else None
    process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, **how)
    atexit.register(process.terminate)
    wait_for(port, process, log, seconds)
    return process


def stop(process):
    process.terminate()
    process.wait()


def accept(serve):
    """Gives each connection to a function in a thread of its own; says the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def accept_all():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept_all, daemon=True).start()
    return listener.getsockname()[1]
