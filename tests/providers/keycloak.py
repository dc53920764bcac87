"""Keycloak: JWT access tokens by key set and by discovery, introspection, client credentials, rotation by its admin API."""
import os, pathlib, shutil, signal, subprocess
from common import (SECRET, Doorward, basic, changed_tokens_are_refused, client_token, keys_follow_a_rotation, neither_log_nor_metrics_hold,
                    only_known_keys_survive_an_outage, only_the_secret_lets_a_client_in, told)
from servers import check, free_port, wait_for

REALM = "door"
KEYS = "org.keycloak.keys.KeyProvider"


def client(name):
    """May ask for tokens of its own and for nothing else; its tokens are for `gateway`."""
    audience = {"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
                "config": {"included.client.audience": "gateway", "access.token.claim": "true", "introspection.token.claim": "true"}}
    return {"clientId": name, "secret": SECRET, "protocol": "openid-connect", "publicClient": False, "serviceAccountsEnabled": True,
            "standardFlowEnabled": False, "directAccessGrantsEnabled": False, "protocolMappers": [audience]}


class Keycloak:
    def __init__(self, home, folder):
        port = free_port()
        self.base, self.log = f"http://127.0.0.1:{port}", folder / "keycloak.log"
        self.issuer = f"{self.base}/realms/{REALM}"
        self.endpoints = f"{self.issuer}/protocol/openid-connect"
        settings = {"KC_BOOTSTRAP_ADMIN_CLIENT_ID": "door-tests", "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": SECRET,
                    "JAVA_OPTS_KC_HEAP": "-Xms128m -Xmx512m"}
        command = [str(pathlib.Path(home) / "bin" / "kc.sh"), "start-dev", "--db=dev-mem", "--http-host=127.0.0.1", f"--http-port={port}"]
        self.process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=open(self.log, "w"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        try:
            wait_for(port, self.process, self.log, 180)
            self.api("POST", "", {"realm": REALM, "enabled": True, "clients": [client("machine"), client("gateway")]})
            self.realm = self.api("GET", f"/{REALM}")["id"]
        except BaseException:
            self.stop()
            raise

    def token(self, realm=REALM, name="machine"):
        return client_token(f"{self.base}/realms/{realm}/protocol/openid-connect/token", name)

    def api(self, method, path, data=None):
        """The admin API, below `/admin/realms`."""
        headers = {"Authorization": f"Bearer {self.token('master', 'door-tests')}"}
        return told(f"{self.base}/admin/realms{path}", headers=headers, method=method, document=data)

    def rotate(self):
        """A new key signs from now on, and the old one is withdrawn."""
        old = [key for key in self.api("GET", f"/{REALM}/components?type={KEYS}") if key["providerId"] == "rsa-generated"]
        self.api("POST", f"/{REALM}/components", {
            "name": "rotated", "providerId": "rsa-generated", "providerType": KEYS, "parentId": self.realm,
            "config": {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"], "keySize": ["2048"]}})
        for key in old:
            self.api("DELETE", f"/{REALM}/components/{key['id']}")

    def stop(self):
        # The script may have left Java as a child of its own.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def keycloak(binary, folder, home):
    if not home or not (pathlib.Path(home) / "bin" / "kc.sh").is_file():
        print("SKIPPED Keycloak: it is not installed")
        return
    if not shutil.which("java"):
        print("SKIPPED Keycloak: there is no Java")
        return
    provider = Keycloak(home, folder)
    try:
        doorward = Doorward(binary, folder, {
            "jwt": {"enabled": True, "config": {"jwks_urls": [f"{provider.endpoints}/certs"], "jwks_ttl": "1s"}},
            "oauth2_introspection": {"enabled": True, "config": {
                "introspection_url": f"{provider.endpoints}/token/introspect",
                "introspection_request_headers": {"Authorization": basic("gateway", SECRET)}}},
            "oauth2_client_credentials": {"enabled": True, "config": {"token_url": f"{provider.endpoints}/token"}},
        }, {
            "jwt": {"handler": "jwt", "config": {"trusted_issuers": [provider.issuer]}},
            "issuer": {"handler": "jwt", "config": {"jwks_urls": [], "issuer_url": provider.issuer}},
            "audience": {"handler": "jwt", "config": {"target_audience": ["gateway"]}},
            "elsewhere": {"handler": "jwt", "config": {"target_audience": ["elsewhere"]}},
            "stranger": {"handler": "jwt", "config": {"trusted_issuers": [provider.base]}},
            "introspect": {"handler": "oauth2_introspection"},
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
    token = provider.token()
    status, subject = doorward.get("jwt", token)
    check("Keycloak: a JWT access token", status == 200 and bool(subject), (status, subject))
    for rule in ["issuer", "audience", "introspect", "cached", "cached"]:
        check(f"Keycloak: the same subject ({rule})", doorward.get(rule, token) == (200, subject), doorward.get(rule, token))
    for rule in ["elsewhere", "stranger"]:
        check(f"Keycloak: not for this rule ({rule})", doorward.get(rule, token)[0] == 401)
    changed_tokens_are_refused("Keycloak", doorward, token, ["jwt", "issuer", "introspect", "cached"])
    only_the_secret_lets_a_client_in("Keycloak", doorward)

    provider.rotate()
    rotated = provider.token()
    keys_follow_a_rotation("Keycloak", doorward, token, rotated, ["jwt", "issuer", "introspect"], ["jwt", "issuer", "introspect"])

    provider.stop()
    only_known_keys_survive_an_outage("Keycloak", doorward, rotated, rotated)
    neither_log_nor_metrics_hold("Keycloak", doorward, [token, rotated, *token.split(".")[1:]])
