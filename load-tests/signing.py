"""A key set that Doorward makes, and a token signed with it by openssl: Python's library has no RSA."""
import base64, json, pathlib, subprocess, time


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def der(tag, content):
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8) if size > 127 else b""
    return bytes([tag, 0x80 | len(octets) if octets else size]) + octets + content


def private_pem(jwk):
    """RSAPrivateKey of RFC 8017, A.1.2."""
    numbers = [0, *(number(jwk[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"))]
    body = der(0x30, b"".join(der(0x02, n.to_bytes(n.bit_length() // 8 + 1)) for n in numbers))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{base64.encodebytes(body).decode()}-----END RSA PRIVATE KEY-----\n"


def key_set(doorward, folder):
    file = pathlib.Path(folder) / "keys.json"
    file.write_bytes(subprocess.run([doorward, "credentials", "generate", "--alg", "RS256"], capture_output=True, check=True).stdout)
    return file


def signed(key_file, claims):
    """A token with RS256, good for a day."""
    jwk = json.loads(key_file.read_text())["keys"][0]
    pem = key_file.with_suffix(".pem")
    pem.write_text(private_pem(jwk))
    coded = lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=")
    parts = {"alg": "RS256", "kid": jwk["kid"], "typ": "JWT"}, {"iat": int(time.time()), "exp": int(time.time()) + 86_400, **claims}
    text = b".".join(coded(json.dumps(part).encode()) for part in parts)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", pem], input=text, capture_output=True, check=True).stdout
    return (text + b"." + coded(signature)).decode()
