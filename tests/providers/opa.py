"""Open Policy Agent, asked through `remote_json`: a policy allows by subject, method, path and a header, and refuses the rest."""
from common import HERE, Doorward, installed, told
from servers import check, free_port, start, stop

PAYLOAD = """{"subject": {{ .Subject | toJson }}, "method": {{ .MatchContext.Method | toJson }},
    "path": {{ .MatchContext.URL.Path | toJson }}, "team": {{ .MatchContext.Header.Get "X-Team" | toJson }}}"""


def opa(binary, folder, program):
    program = installed(program, "opa")
    if not program:
        print("SKIPPED OPA: it is not installed")
        return
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    process = start([program, "run", "--server", "--disable-telemetry", "--addr", f"127.0.0.1:{port}"], port, folder / "opa.log")
    try:
        publish(base, (HERE / "policy.rego").read_text())
        authorizer = {"handler": "remote_json", "config": {"remote": f"{base}/", "payload": PAYLOAD}}
        missing = {"handler": "remote_json", "config": {"remote": f"{base}/v0/data/missing", "payload": PAYLOAD}}
        named = lambda name: {"handler": "anonymous", "config": {"subject": name}}
        doorward = Doorward(binary, folder, {"anonymous": {"enabled": True, "config": {}}}, {
            "reports": named("visitor"), "elsewhere": named("visitor"), "boss": named('the "boss"'), "missing": named('the "boss"'),
        }, {"reports": authorizer, "elsewhere": authorizer, "boss": authorizer, "missing": missing})
        try:
            decisions(base, doorward)
            stop(process)
            check("OPA: down is no permission", doorward.get("boss")[0] == 500, doorward.get("boss"))
        finally:
            doorward.stop()
    finally:
        stop(process)


def publish(base, policy):
    told(f"{base}/v1/policies/door", method="PUT", text=policy)


def decisions(base, doorward):
    team = lambda rule, name: doorward.get(rule, headers={"X-Team": name})[0]
    check("OPA: allowed", team("reports", "finance") == 200, team("reports", "finance"))
    # OPA can't answer 403: an undefined decision is its 404.
    for name in ["sales", 'finance", "team": "finance', ""]:
        check(f"OPA: refused ({name})", team("reports", name) == 500, team("reports", name))
    check("OPA: refused for another path", team("elsewhere", "finance") == 500)
    check("OPA: a subject with quotes is data", doorward.get("boss") == (200, 'the "boss"'), doorward.get("boss"))
    check("OPA: a document that isn't there is no permission", doorward.get("missing")[0] == 500)
    for _ in range(50):
        doorward.get("elsewhere")
    check("OPA: many refusals are no outage", team("reports", "finance") == 200)
    publish(base, (HERE / "policy.rego").read_text().replace("finance", "sales"))
    check("OPA: a changed policy at once", (team("reports", "sales"), team("reports", "finance")) == (200, 500))
