"""What `faults.py` breaks: the servers that Doorward depends on, its files, and the disk that its log is on."""
import collections, contextlib, errno, http.server, json, pathlib, resource, shutil, socket, ssl, subprocess, sys, tempfile, threading, time

import signing
from measure import ROOT, free_port, resident

HEALTHY, STALLED, BROKEN, RUDE, DEAD, GONE = "healthy", "stalls", "answers 500", "sends without end", "hangs up", "is gone"
TLS = ROOT / "tests" / "tls"


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, *_):
        pass


class Dependency:
    """A server that answers as a function of handler and body says, as long as its mood is healthy."""

    def __init__(self, answer):
        self.answer, self.mood, self.paths = answer, HEALTHY, collections.Counter()
        self.open(0)

    def open(self, port):
        dependency = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version, wbufsize = "HTTP/1.1", -1

            def do_GET(self):
                dependency.serve(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self, handler):
        mood = self.mood
        if mood == STALLED:
            time.sleep(8)
        if mood in (DEAD, GONE):
            handler.close_connection = True
            handler.connection.close()
        elif mood == RUDE:
            handler.close_connection = True
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 500_000)
        else:
            body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
            self.paths[handler.path.split("/")[1]] += 1
            status, document = self.answer(handler, body)
            text = json.dumps(document).encode()
            handler.send_response(500 if mood == BROKEN else status)
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)

    @contextlib.contextmanager
    def in_mood(self, mood):
        self.mood = mood
        if mood == GONE:
            self.server.shutdown()
            self.server.server_close()
        yield
        if mood == GONE:
            self.open(self.port)
        self.mood = HEALTHY


def session(handler, _):
    return (200, {"subject": "cleo"}) if "session=good" in handler.headers.get("Cookie", "") else (401, {})


def introspection(_, body):
    return 200, ({"active": True, "sub": "cleo"} if "token=good" in body else {"active": False})


def policy(_, body):
    return (200 if '"/remote/good"' in body else 403), {}


class Dependencies:
    def __init__(self, key_file):
        public = [{name: key[name] for name in ("kty", "kid", "alg", "use", "n", "e") if name in key} for key in json.loads(key_file.read_text())["keys"]]
        self.session, self.introspection, self.policy = map(Dependency, (session, introspection, policy))
        self.keys = Dependency(lambda *_: (200, {"keys": public}))
        self.upstream = Dependency(lambda *_: (200, {}))


def rule(name, authenticator, authorizer, upstream):
    return {
        "id": name, "match": {"url": f"<https|http>://h.test/{name}/<.*>", "methods": ["GET"]}, "upstream": {"url": f"http://127.0.0.1:{upstream}"},
        "authenticators": [{"handler": authenticator}], "authorizer": {"handler": authorizer}, "mutators": [{"handler": "noop"}],
    }


class Disk:
    """A small disk of its own for the log; None of it where nothing can be mounted."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True).returncode == 0

    @contextlib.contextmanager
    def full(self):
        filler = self.folder / "filler"
        with open(filler, "wb", buffering=0) as f:
            try:
                while f.write(bytes(1 << 16)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        yield
        filler.unlink()

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


class Doorward:
    """A running Doorward: the proxy in the clear, the decision API with TLS."""

    def __init__(self, command, folder):
        self.folder, self.proxy, self.api = folder, free_port(), free_port()
        key_file = signing.key_set(command, folder)
        self.token, self.needs = signing.signed(key_file, {"sub": "cleo"}), Dependencies(key_file)
        to = self.needs.upstream.port
        self.rules = [
            rule("open", "anonymous", "allow", to), rule("closed", "anonymous", "deny", to), rule("session", "cookie_session", "allow", to),
            rule("token", "oauth2_introspection", "allow", to), rule("signed", "jwt", "allow", to), rule("remote", "anonymous", "remote_json", to),
        ]
        self.write_rules()
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.restore_certificate()
        # The clients connect to an address, and the certificate is for a name.
        self.trust = ssl.create_default_context(cafile=TLS / "ca.crt")
        self.trust.check_hostname = False
        (folder / "config.json").write_text(json.dumps(self.config()))
        self.disk = Disk(folder / "log")
        self.log_file = self.disk.folder / "doorward.log"
        self.log = open(self.log_file, "ab")
        # Few enough descriptors that they can be used up.
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        self.process = subprocess.Popen([command, "serve", "--config", folder / "config.json"], stdout=self.log, stderr=self.log, preexec_fn=limit)

    def config(self):
        at = lambda dependency, path: f"http://127.0.0.1:{dependency.port}/{path}"
        enabled = lambda **config: {"enabled": True, "config": config} if config else {"enabled": True}
        door = lambda port, **more: {"host": "127.0.0.1", "port": port, **more}
        files = {"cert": {"path": str(self.certificate)}, "key": {"path": str(self.key)}}
        return {
            "serve": {"proxy": door(self.proxy), "api": door(self.api, tls=files), "prometheus": door(free_port())},
            "access_rules": {"repositories": [f"file://{self.folder}/rules/rules.json"]},
            "authenticators": {
                "anonymous": enabled(),
                "cookie_session": enabled(check_session_url=at(self.needs.session, "whoami"), preserve_path=True),
                "oauth2_introspection": enabled(introspection_url=at(self.needs.introspection, "introspect")),
                "jwt": enabled(jwks_urls=[at(self.needs.keys, "keys")], jwks_ttl="1s"),
            },
            "authorizers": {
                "allow": enabled(), "deny": enabled(),
                "remote_json": enabled(remote=at(self.needs.policy, "policy"), payload='{"path": "{{ .MatchContext.URL.Path }}"}'),
            },
            "mutators": {"noop": enabled()},
        }

    def write_rules(self, text=None):
        (self.folder / "rules").mkdir(exist_ok=True)
        new = self.folder / "rules.new"
        new.write_text(json.dumps(self.rules) if text is None else text)
        new.rename(self.folder / "rules" / "rules.json")

    def restore_certificate(self):
        shutil.copy(TLS / "door.test.crt", self.certificate)
        shutil.copy(TLS / "door.test.key", self.key)

    def ask(self, request):
        """The status of the answer; 0 if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.api if request.tls else self.proxy), timeout=12) as plain:
                with self.trust.wrap_socket(plain) if request.tls else plain as s:
                    s.sendall(request.head.encode())
                    return int((s.recv(64).split(b" ") + [b"0", b"0"])[1])
        except (OSError, ValueError):
            return 0

    def memory_mb(self):
        return resident(self.process.pid) / 2**20

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def said(self):
        """What is in the log, which is emptied."""
        text = self.log_file.read_text(errors="replace")
        self.log.truncate(0)
        return text

    def stop(self):
        """Whether it ends in time."""
        self.process.terminate()
        try:
            self.process.wait(20)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False


@contextlib.contextmanager
def doorward(command):
    with tempfile.TemporaryDirectory() as folder:
        running = Doorward(str(pathlib.Path(command).resolve()), pathlib.Path(folder))
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.stop()
            running.log.close()
            running.disk.close()
