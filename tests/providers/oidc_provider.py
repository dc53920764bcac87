"""`oidc-provider`: JWT and opaque access tokens, introspection, client credentials, rotation by a restart with another key."""
import json, pathlib, shutil, subprocess, tempfile, time
from common import HERE, SECRET, Doorward, ask, basic, check, free_port, keys_file, neither_log_nor_metrics_hold, wait_for


def oidc_provider(binary, modules):
    node = shutil.which("node")
    if not node or not (pathlib.Path(modules) / "node_modules" / "oidc-provider").is_dir():
        print("SKIPPED oidc-provider: it is not installed")
        return
    folder = pathlib.Path(tempfile.mkdtemp())
    shutil.copy(HERE / "oidc.mjs", pathlib.Path(modules) / "oidc.mjs")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"

    def start(keys):
        process = subprocess.Popen([node, "oidc.mjs", str(port), str(keys)], cwd=modules,
                                   stdout=subprocess.DEVNULL, stderr=open(folder / "provider.log", "w"))
        wait_for(port)
        return process

    def token(resource=None, scope="read"):
        form = {"grant_type": "client_credentials", "scope": scope}
        if resource:
            form["resource"] = resource
        status, body = ask(f"{issuer}/token", form, {"Authorization": basic("machine", SECRET)})
        if status != 200:
            raise SystemExit(f"no token: {status} {body}")
        return json.loads(body)["access_token"]

    first, second = keys_file(binary, folder, "first"), keys_file(binary, folder, "second")
    provider = start(first)
    jwt = {"jwks_urls": [f"{issuer}/jwks"], "jwks_ttl": "1s", "trusted_issuers": [issuer]}
    introspection = {
        "introspection_url": f"{issuer}/token/introspection",
        "introspection_request_headers": {"Authorization": basic("gateway", SECRET)},
    }
    doorward = Doorward(binary, folder, {
        "jwt": {"enabled": True, "config": jwt},
        "oauth2_introspection": {"enabled": True, "config": introspection},
        "oauth2_client_credentials": {"enabled": True, "config": {"token_url": f"{issuer}/token"}},
    }, {
        "jwt": {"handler": "jwt"},
        "audience": {"handler": "jwt", "config": {"target_audience": ["urn:elsewhere"]}},
        "scope": {"handler": "jwt", "config": {"required_scope": ["write"], "scope_strategy": "exact"}},
        "strict": {"handler": "jwt", "config": {"require_exp": True, "profile": "rfc9068"}},
        "introspect": {"handler": "oauth2_introspection"},
        "cached": {"handler": "oauth2_introspection", "config": {"cache": {"enabled": True}}},
        "client": {"handler": "oauth2_client_credentials"},
    })
    try:
        signed, opaque = token("urn:api"), token("urn:api/opaque")
        check("oidc-provider: a JWT access token", doorward.get("jwt", signed) == (200, "machine"), doorward.get("jwt", signed))
        check("oidc-provider: follows RFC 9068", doorward.get("strict", signed)[0] == 200)
        check("oidc-provider: for another audience", doorward.get("audience", signed)[0] == 401)
        check("oidc-provider: without the scope", doorward.get("scope", signed)[0] == 401)
        check("oidc-provider: with the scope", doorward.get("scope", token("urn:api", "read write"))[0] == 200)
        check("oidc-provider: an opaque token is no JWT", doorward.get("jwt", opaque)[0] == 401)
        head, claims, signature = signed.split(".")
        check("oidc-provider: a changed JWT", doorward.get("jwt", f"{head}.{claims[:-2]}AA.{signature}")[0] == 401)
        for rule in ["introspect", "cached", "cached"]:
            check(f"oidc-provider: introspection ({rule})", doorward.get(rule, opaque)[0] == 200)
            check(f"oidc-provider: introspection of nonsense ({rule})", doorward.get(rule, "nonsense")[0] == 401)
        good = basic("machine", SECRET)
        check("oidc-provider: client credentials", doorward.get("client", authorization=good) == (200, "machine"))
        check("oidc-provider: a wrong secret", doorward.get("client", authorization=basic("machine", "no"))[0] == 401)

        provider.terminate()
        provider.wait()
        check("oidc-provider: down, a known key still verifies", doorward.get("jwt", signed)[0] == 200)
        check("oidc-provider: down, introspection refuses", doorward.get("introspect", opaque)[0] == 500)
        check("oidc-provider: down, client credentials are refused", doorward.get("client", authorization=good)[0] == 503)
        provider = start(second)
        rotated = token("urn:api")
        check("oidc-provider: a token of the new key at once", doorward.get("jwt", rotated)[0] == 200)
        time.sleep(3)
        doorward.get("jwt", signed)
        time.sleep(1)
        check("oidc-provider: a token of the old key no more", doorward.get("jwt", signed)[0] == 401)
        neither_log_nor_metrics_hold("oidc-provider", doorward, [signed, opaque, rotated, claims])
    finally:
        provider.terminate()
        doorward.stop()
