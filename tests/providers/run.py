#!/usr/bin/env python3
"""Authenticates with tokens of real providers, and asks a real policy engine, through a running Doorward. Login-less flows only.

run.py --binary target/debug/doorward [--modules FOLDER] [--hydra FILE] [--keycloak FOLDER] [--opa FILE] [--only NAME]
(the modules' folder has oidc-provider in its node_modules). What isn't installed is skipped out loud. Exit code 1 where a check fails."""
import argparse, pathlib, signal, sys, tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import servers
from hydra import hydra
from keycloak import keycloak
from oidc_provider import oidc_provider
from opa import opa


def main():
    # So that what was started is stopped where this is told to end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    for counterpart in ["modules", "hydra", "keycloak", "opa"]:
        parser.add_argument(f"--{counterpart}", default="")
    parser.add_argument("--only", choices=["oidc-provider", "hydra", "keycloak", "opa"])
    options = parser.parse_args()
    binary = str(pathlib.Path(options.binary).resolve())
    tests = {
        "oidc-provider": (oidc_provider, options.modules),
        "hydra": (hydra, options.hydra),
        "keycloak": (keycloak, options.keycloak),
        "opa": (opa, options.opa),
    }
    for name, (test, counterpart) in tests.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="doorward-providers-", ignore_cleanup_errors=True) as folder:
                test(binary, pathlib.Path(folder), counterpart)
    sys.exit(1 if servers.failures else 0)


main()
