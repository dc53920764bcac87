"""What the tests of all providers need: free ports, HTTP, an upstream, and a Doorward in front of it."""
import base64, http.server, json, pathlib, shutil, socket, subprocess, tempfile, threading, time
import urllib.error, urllib.parse, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "a-secret: with & signs"
failures = []


def check(what, ok, more=""):
    print(("ok    " if ok else "FAIL  ") + what + (f"  {more}" if not ok else ""))
    if not ok:
        failures.append(what)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def ask(url, data=None, headers=None, method=None, document=None, text=None):
    """Status and body. `data` is sent as a form, `document` as JSON, `text` as it is."""
    body = urllib.parse.urlencode(data).encode() if data is not None else None
    headers = dict(headers or {})
    if document is not None:
        body = json.dumps(document).encode()
        headers["Content-Type"] = "application/json"
    if text is not None:
        body = text.encode()
        headers["Content-Type"] = "text/plain"
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def basic(client, secret):
    pair = f"{urllib.parse.quote_plus(client)}:{urllib.parse.quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


class Upstream(http.server.BaseHTTPRequestHandler):
    """Says what Doorward told it."""

    def do_GET(self):
        body = json.dumps({"subject": self.headers.get("X-Subject")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def keys_file(binary, folder, name):
    made = subprocess.run([binary, "credentials", "generate", "--alg", "RS256", "--kid", name], capture_output=True, text=True)
    if made.returncode != 0:
        raise SystemExit(f"no key: {made.stderr}")
    path = folder / f"{name}.json"
    path.write_text(made.stdout)
    return path


class Doorward:
    """In front of an upstream, with a rule for each of `rules`: its name is its path, its value the authenticator.
    `authorizers` has the authorizers of rules that don't let everyone in."""

    def __init__(self, binary, folder, authenticators, rules, authorizers=None):
        self.port, api, self.metrics = free_port(), free_port(), free_port()
        upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        listen = lambda port: {"host": "127.0.0.1", "port": port}
        rules = [{
            "id": name, "match": {"url": f"http://127.0.0.1:{self.port}/{name}", "methods": ["GET"]},
            "upstream": {"url": f"http://127.0.0.1:{upstream.server_port}"},
            "authenticators": [handler], "authorizer": (authorizers or {}).get(name, {"handler": "allow"}),
            "mutators": [{"handler": "header", "config": {"headers": {"X-Subject": "{{ print .Subject }}"}}}],
        } for name, handler in rules.items()]
        (folder / "rules.json").write_text(json.dumps(rules))
        config = {
            "serve": {"proxy": listen(self.port), "api": listen(api), "prometheus": listen(self.metrics)},
            "access_rules": {"repositories": [f"file://{folder}/rules.json"]}, "authenticators": authenticators,
            "authorizers": {"allow": {"enabled": True}, **{handler["handler"]: {"enabled": True, "config": handler["config"]}
                                                           for handler in (authorizers or {}).values()}},
            "mutators": {"header": {"enabled": True, "config": {"headers": {}}}},
        }
        (folder / "doorward.json").write_text(json.dumps(config))
        self.log = folder / "doorward.log"
        self.process = subprocess.Popen([binary, "serve", "--config", str(folder / "doorward.json")],
                                        stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        wait_for(self.port)

    def get(self, rule, token=None, authorization=None, headers=None):
        """Status and, where it is 200, the subject."""
        headers = dict(headers or {})
        if token or authorization:
            headers["Authorization"] = authorization or f"Bearer {token}"
        status, body = ask(f"http://127.0.0.1:{self.port}/{rule}", headers=headers)
        return status, (json.loads(body).get("subject") if status == 200 else None)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def neither_log_nor_metrics_hold(provider, doorward, credentials):
    said = doorward.log.read_text() + ask(f"http://127.0.0.1:{doorward.metrics}/metrics")[1].decode()
    for secret in [*credentials, SECRET, urllib.parse.quote_plus(SECRET)]:
        check(f"{provider}: neither log nor metrics hold a credential", secret not in said)
