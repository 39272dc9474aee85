"""A real OpenID Connect provider on loopback: `tests/lab/identity_provider.js` on npm's `oidc-provider`."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import urljoin

import httpx

from tests.lab.places import REPOSITORY
from tests.lab.process import Child, tail, wait_until

SECRET = "a secret between us + the provider"


class IdentityProvider:
    """A context manager. `accounts` are the claims by account; `redirect_uri` is the address it sends browsers back to."""

    def __init__(
        self,
        folder: Path,
        redirect_uri: str,
        accounts: dict[str, dict[str, object]],
        *,
        claims_in_token: bool = False,
    ) -> None:
        self._log = folder / "identity_provider.log"
        self._environment = {
            "CLIENT_SECRET": SECRET,
            "REDIRECT_URI": redirect_uri,
            "ACCOUNTS": json.dumps(accounts),
            "CLAIMS_IN_TOKEN": "1" if claims_in_token else "",
        }
        self.issuer = ""

    def __enter__(self) -> IdentityProvider:
        node = Path(sys.executable).with_name("node")
        environment = {**os.environ, **self._environment}
        self._child = Child(
            [str(node), "tests/lab/identity_provider.js"], log=self._log, cwd=REPOSITORY, env=environment
        )

        def listening() -> bool:
            self._child.require_running()
            return '{"port"' in tail(self._log)

        wait_until(listening, "the identity provider")
        line = next(line for line in tail(self._log).splitlines() if line.startswith('{"port"'))
        self.issuer = f"http://localhost:{json.loads(line)['port']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()


def sign_in_there(browser: httpx.Client, address: str, account: str) -> str:
    """Go to the provider, sign in on its pages and consent, as a person would; returns the address it sends the browser back to."""
    while True:
        answer = browser.get(address)
        if answer.is_redirect:
            address = urljoin(str(answer.url), answer.headers["location"])
            if "/desk/" in address:
                return address
            continue
        answer.raise_for_status()
        action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
        assert action is not None, answer.text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
        if 'name="login"' in answer.text:
            fields |= {"login": account, "password": "any"}
        agreed = browser.post(urljoin(str(answer.url), action[1]), data=fields)
        assert agreed.is_redirect, agreed.text
        address = urljoin(str(agreed.url), agreed.headers["location"])
