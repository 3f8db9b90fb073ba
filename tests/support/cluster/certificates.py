"""Keys and certificates of one cluster, by openssl: an authority, who it vouches for, and the service accounts' key.

Owns the files below one folder. Does not own who needs which. Elliptic keys: they are drawn in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.cluster.commands import run

_DAYS = "30"
_CURVE = "ec_paramgen_curve:prime256v1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and the certificate of its public half."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pair = Pair(folder / "ca.crt", folder / "ca.key")

    def create(self) -> None:
        """Draw its key, anew if there was one."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        constraints = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self._request(self.pair, "/CN=chatcluster-test-ca", *constraints)

    def issue(self, name: str, subject: str, *, addresses: Sequence[str] = ()) -> Pair:
        """Vouch for a subject, such as /O=system:masters/CN=admin.

        With addresses ("DNS:localhost", "IP:127.0.0.1") it can serve there, and be a client in any case.
        """
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        usage = "extendedKeyUsage=clientAuth" + (",serverAuth" if addresses else "")
        names = ("-addext", f"subjectAltName={','.join(addresses)}") if addresses else ()
        signer = ("-CA", self.pair.certificate, "-CAkey", self.pair.key)
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE", "-addext", usage)
        self._request(pair, subject, *signer, *leaf, *names)
        return pair

    def draw(self, name: str) -> Path:
        """Draw a private key without a certificate; openssl and Kubernetes find its public half in it."""
        key = self.folder / f"{name}.key"
        # In the traditional form: of a PKCS #8 key Kubernetes does not derive the public half.
        run("openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", key)
        return key

    def _request(self, pair: Pair, subject: str, *options: str | Path) -> None:
        new = ("req", "-x509", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", _CURVE, "-days", _DAYS)
        run("openssl", *new, "-subj", subject, "-keyout", pair.key, "-out", pair.certificate, *options)
