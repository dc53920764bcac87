"""Ory Hydra: JWT access tokens found by discovery, introspection, client credentials, rotation by its admin API."""
import json, pathlib, shutil, subprocess, tempfile, time
from common import SECRET, Doorward, ask, basic, check, free_port, neither_log_nor_metrics_hold, wait_for

KEYS = "hydra.jwt.access-token"


class Hydra:
    def __init__(self, program, folder):
        public, admin = free_port(), free_port()
        self.issuer, self.admin = f"http://127.0.0.1:{public}/", f"http://127.0.0.1:{admin}/admin"
        settings = {
            "dsn": "memory", "urls": {"self": {"issuer": self.issuer}}, "strategies": {"access_token": "jwt"},
            "serve": {"public": {"host": "127.0.0.1", "port": public}, "admin": {"host": "127.0.0.1", "port": admin}},
            "secrets": {"system": ["not-a-secret-but-long-enough"]},
        }
        (folder / "hydra.json").write_text(json.dumps(settings))
        self.process = subprocess.Popen([program, "serve", "all", "--dev", "--sqa-opt-out", "-c", str(folder / "hydra.json")],
                                        stdout=open(folder / "hydra.log", "w"), stderr=subprocess.STDOUT)
        wait_for(public)
        wait_for(admin)
        self.api("POST", "/clients", {"client_id": "machine", "client_secret": SECRET, "grant_types": ["client_credentials"],
                                      "scope": "read write", "audience": ["urn:api"]})

    def api(self, method, path, data=None):
        status, body = ask(self.admin + path, method=method, document=data)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {body}")
        return json.loads(body) if body else None

    def token(self, scope="read", audience="urn:api"):
        form = {"grant_type": "client_credentials", "scope": scope, "audience": audience}
        status, body = ask(f"{self.issuer}oauth2/token", form, {"Authorization": basic("machine", SECRET)})
        if status != 200:
            raise SystemExit(f"no token: {status} {body}")
        return json.loads(body)["access_token"]

    def rotate(self):
        """A new key signs from now on, and the old ones are withdrawn."""
        old = [key["kid"] for key in self.api("GET", f"/keys/{KEYS}")["keys"]]
        self.api("POST", f"/keys/{KEYS}", {"alg": "RS256", "kid": "rotated", "use": "sig"})
        for kid in old:
            self.api("DELETE", f"/keys/{KEYS}/{kid}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def hydra(binary, program):
    program = program if program and pathlib.Path(program).is_file() else shutil.which("hydra")
    if not program:
        print("SKIPPED Ory Hydra: it is not installed")
        return
    folder = pathlib.Path(tempfile.mkdtemp())
    provider = Hydra(program, folder)
    try:
        # Hydra makes a key when its set is first asked for, which can take seconds.
        jwt = {"jwks_urls": [f"{provider.issuer}.well-known/jwks.json"], "jwks_ttl": "1s", "jwks_max_wait": "20s"}
        doorward = Doorward(binary, folder, {
            "jwt": {"enabled": True, "config": jwt},
            "oauth2_introspection": {"enabled": True, "config": {"introspection_url": f"{provider.admin}/oauth2/introspect"}},
            "oauth2_client_credentials": {"enabled": True, "config": {"token_url": f"{provider.issuer}oauth2/token"}},
        }, {
            "jwt": {"handler": "jwt", "config": {"trusted_issuers": [provider.issuer], "target_audience": ["urn:api"]}},
            "issuer": {"handler": "jwt", "config": {"jwks_urls": [], "issuer_url": provider.issuer}},
            "elsewhere": {"handler": "jwt", "config": {"target_audience": ["urn:elsewhere"]}},
            "scope": {"handler": "jwt", "config": {"required_scope": ["write"], "scope_strategy": "exact"}},
            "introspect": {"handler": "oauth2_introspection"},
            "introspected-scope": {"handler": "oauth2_introspection", "config": {"required_scope": ["write"], "scope_strategy": "exact"}},
            "cached": {"handler": "oauth2_introspection", "config": {"cache": {"enabled": True}}},
            "client": {"handler": "oauth2_client_credentials"},
        })
        try:
            flows(provider, doorward)
        finally:
            doorward.stop()
    finally:
        provider.stop()


def flows(provider, doorward):
    token, writer = provider.token(), provider.token("read write")
    for rule in ["jwt", "issuer", "introspect", "cached", "cached"]:
        check(f"Hydra: an access token ({rule})", doorward.get(rule, token) == (200, "machine"), doorward.get(rule, token))
    check("Hydra: for another audience", doorward.get("elsewhere", token)[0] == 401)
    for rule in ["scope", "introspected-scope"]:
        check(f"Hydra: without the scope ({rule})", doorward.get(rule, token)[0] in (401, 403), doorward.get(rule, token))
        check(f"Hydra: with the scope ({rule})", doorward.get(rule, writer)[0] == 200, doorward.get(rule, writer))
    head, claims, signature = token.split(".")
    for rule in ["jwt", "issuer", "introspect", "cached"]:
        check(f"Hydra: a changed token ({rule})", doorward.get(rule, f"{head}.{claims[:-2]}AA.{signature}")[0] == 401)
        check(f"Hydra: nonsense ({rule})", doorward.get(rule, "nonsense")[0] == 401)
    good = basic("machine", SECRET)
    check("Hydra: client credentials", doorward.get("client", authorization=good) == (200, "machine"))
    check("Hydra: a wrong secret", doorward.get("client", authorization=basic("machine", "no"))[0] == 401)

    provider.rotate()
    rotated = provider.token()
    for rule in ["jwt", "issuer", "introspect"]:
        check(f"Hydra: a token of the new key at once ({rule})", doorward.get(rule, rotated)[0] == 200, doorward.get(rule, rotated))
    # The key set's life of one second, then as much of being served while it is renewed.
    time.sleep(3)
    doorward.get("jwt", rotated)
    time.sleep(1)
    for rule in ["jwt", "issuer"]:
        check(f"Hydra: a token of the old key no more ({rule})", doorward.get(rule, token)[0] == 401)

    provider.stop()
    check("Hydra: down, a known key still verifies", doorward.get("jwt", rotated)[0] == 200)
    check("Hydra: down, introspection refuses", doorward.get("introspect", rotated)[0] == 500)
    check("Hydra: down, client credentials are refused", doorward.get("client", authorization=good)[0] == 503)
    neither_log_nor_metrics_hold("Hydra", doorward, [token, writer, rotated, claims, signature])
