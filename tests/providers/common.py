"""What the tests of all providers need: HTTP, an upstream, a Doorward in front of it, and the flows that are the same with each."""
import base64, http.server, json, pathlib, shutil, subprocess, threading, time
import urllib.error, urllib.parse, urllib.request
from servers import check, free_port, start, stop

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "a-secret: with & signs"


def installed(given, name):
    """The program that was named, or one of that name in the path."""
    return given if given and pathlib.Path(given).is_file() else shutil.which(name)


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


def told(url, **how):
    """What is in an answer that must be a good one."""
    status, body = ask(url, **how)
    if status >= 300:
        raise SystemExit(f"{how.get('method', 'POST')} {url}: {status} {body}")
    return json.loads(body) if body else None


def client_token(url, client="machine", **form):
    form = {"grant_type": "client_credentials", **form}
    return told(url, data=form, headers={"Authorization": basic(client, SECRET)})["access_token"]


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
        self.process = start([binary, "serve", "--config", folder / "doorward.json"], self.port, self.log)

    def get(self, rule, token=None, authorization=None, headers=None):
        """Status and, where it is 200, the subject."""
        headers = dict(headers or {})
        if token or authorization:
            headers["Authorization"] = authorization or f"Bearer {token}"
        status, body = ask(f"http://127.0.0.1:{self.port}/{rule}", headers=headers)
        return status, (json.loads(body).get("subject") if status == 200 else None)

    def stop(self):
        stop(self.process)


def changed_tokens_are_refused(provider, doorward, token, rules):
    head, claims, signature = token.split(".")
    for rule in rules:
        check(f"{provider}: a changed token ({rule})", doorward.get(rule, f"{head}.{claims[:-2]}AA.{signature}")[0] == 401)
        check(f"{provider}: nonsense ({rule})", doorward.get(rule, "nonsense")[0] == 401)


def only_the_secret_lets_a_client_in(provider, doorward):
    good = doorward.get("client", authorization=basic("machine", SECRET))
    check(f"{provider}: client credentials", good == (200, "machine"), good)
    check(f"{provider}: a wrong secret", doorward.get("client", authorization=basic("machine", "no"))[0] == 401)


def keys_follow_a_rotation(provider, doorward, old, new, good_with, withdrawn_from):
    for rule in good_with:
        check(f"{provider}: a token of the new key at once ({rule})", doorward.get(rule, new)[0] == 200, doorward.get(rule, new))
    # The key set's life of one second, then as much of being served while it is renewed.
    time.sleep(3)
    doorward.get("jwt", new)
    time.sleep(1)
    for rule in withdrawn_from:
        check(f"{provider}: a token of the old key no more ({rule})", doorward.get(rule, old)[0] == 401)


def only_known_keys_survive_an_outage(provider, doorward, signed, introspected):
    check(f"{provider}: down, a known key still verifies", doorward.get("jwt", signed)[0] == 200)
    check(f"{provider}: down, introspection refuses", doorward.get("introspect", introspected)[0] == 500)
    client = doorward.get("client", authorization=basic("machine", SECRET))
    check(f"{provider}: down, client credentials are refused", client[0] == 503, client)


def neither_log_nor_metrics_hold(provider, doorward, credentials):
    said = doorward.log.read_text() + ask(f"http://127.0.0.1:{doorward.metrics}/metrics")[1].decode()
    for secret in [*credentials, SECRET, urllib.parse.quote_plus(SECRET)]:
        check(f"{provider}: neither log nor metrics hold a credential", secret not in said)
