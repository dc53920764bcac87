"""`oidc-provider`: JWT and opaque access tokens, introspection, client credentials, rotation by a restart with another key."""
import pathlib, shutil
from common import (HERE, SECRET, Doorward, basic, changed_tokens_are_refused, client_token, keys_file, keys_follow_a_rotation,
                    neither_log_nor_metrics_hold, only_known_keys_survive_an_outage, only_the_secret_lets_a_client_in)
from servers import check, free_port, start, stop


def oidc_provider(binary, folder, modules):
    node = shutil.which("node")
    if not node or not (pathlib.Path(modules) / "node_modules" / "oidc-provider").is_dir():
        print("SKIPPED oidc-provider: it is not installed")
        return
    shutil.copy(HERE / "oidc.mjs", pathlib.Path(modules) / "oidc.mjs")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"

    def started(keys):
        return start([node, "oidc.mjs", port, keys], port, folder / "provider.log", cwd=modules)

    def token(resource, scope="read"):
        return client_token(f"{issuer}/token", scope=scope, resource=resource)

    first, second = keys_file(binary, folder, "first"), keys_file(binary, folder, "second")
    provider = started(first)
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
        changed_tokens_are_refused("oidc-provider", doorward, signed, ["jwt"])
        for rule in ["introspect", "cached", "cached"]:
            check(f"oidc-provider: introspection ({rule})", doorward.get(rule, opaque)[0] == 200)
            check(f"oidc-provider: introspection of nonsense ({rule})", doorward.get(rule, "nonsense")[0] == 401)
        only_the_secret_lets_a_client_in("oidc-provider", doorward)

        stop(provider)
        only_known_keys_survive_an_outage("oidc-provider", doorward, signed, opaque)
        provider = started(second)
        rotated = token("urn:api")
        keys_follow_a_rotation("oidc-provider", doorward, signed, rotated, ["jwt"], ["jwt"])
        neither_log_nor_metrics_hold("oidc-provider", doorward, [signed, opaque, rotated, *signed.split(".")[1:]])
    finally:
        stop(provider)
        doorward.stop()
