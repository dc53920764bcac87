"""Ory Hydra: JWT access tokens found by discovery, introspection, client credentials, rotation by its admin API."""
import json
from common import (SECRET, Doorward, changed_tokens_are_refused, client_token, installed, keys_follow_a_rotation, neither_log_nor_metrics_hold,
                    only_known_keys_survive_an_outage, only_the_secret_lets_a_client_in, told)
from servers import check, free_port, start, stop, wait_for

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
        log = folder / "hydra.log"
        self.process = start([program, "serve", "all", "--dev", "--sqa-opt-out", "-c", folder / "hydra.json"], public, log)
        wait_for(admin, self.process, log)
        self.api("POST", "/clients", {"client_id": "machine", "client_secret": SECRET, "grant_types": ["client_credentials"],
                                      "scope": "read write", "audience": ["urn:api"]})

    def api(self, method, path, data=None):
        return told(self.admin + path, method=method, document=data)

    def token(self, scope="read", audience="urn:api"):
        return client_token(f"{self.issuer}oauth2/token", scope=scope, audience=audience)

    def rotate(self):
        """A new key signs from now on, and the old ones are withdrawn."""
        old = [key["kid"] for key in self.api("GET", f"/keys/{KEYS}")["keys"]]
        self.api("POST", f"/keys/{KEYS}", {"alg": "RS256", "kid": "rotated", "use": "sig"})
        for kid in old:
            self.api("DELETE", f"/keys/{KEYS}/{kid}")

    def stop(self):
        stop(self.process)


def hydra(binary, folder, program):
    program = installed(program, "hydra")
    if not program:
        print("SKIPPED Ory Hydra: it is not installed")
        return
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
    changed_tokens_are_refused("Hydra", doorward, token, ["jwt", "issuer", "introspect", "cached"])
    only_the_secret_lets_a_client_in("Hydra", doorward)

    provider.rotate()
    rotated = provider.token()
    keys_follow_a_rotation("Hydra", doorward, token, rotated, ["jwt", "issuer", "introspect"], ["jwt", "issuer"])

    provider.stop()
    only_known_keys_survive_an_outage("Hydra", doorward, rotated, rotated)
    neither_log_nor_metrics_hold("Hydra", doorward, [token, writer, rotated, *token.split(".")[1:]])
