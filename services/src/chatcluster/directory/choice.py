"""Which directory a program has: a fixed list, or Kubernetes.

Owns the choice, made by which of two variables is set. Apart from both, so that a program with a fixed list does not
carry an HTTP client.
"""

from collections.abc import Mapping

from chatcluster.core.environment import PREFIX, Environment, WrongSetting
from chatcluster.directory.directory import Directory
from chatcluster.directory.static import StaticDirectory


def from_env(environ: Mapping[str, str], part: str, *, staying: bool = False) -> Directory:
    """The directory of CHATCLUSTER_DIRECTORY_<part> or of CHATCLUSTER_DIRECTORY_<part>_SERVICE; `part` in capitals.

    With `staying` it is of those endpoints of the Service that should serve, instead of those that do. Raises
    `WrongSetting`, also when both are set, or neither.
    """
    fixed, service = f"DIRECTORY_{part}", f"DIRECTORY_{part}_SERVICE"
    environment = Environment(environ)
    is_fixed, is_service = (bool(environment.text(name, "")) for name in (fixed, service))
    if is_fixed == is_service:
        number = "both are" if is_fixed else "neither is"
        problem = f"or {PREFIX}{service} has to be set, and {number}"
        raise WrongSetting(PREFIX + fixed, problem, "127.0.0.1:6900,127.0.0.1:6901")
    if is_fixed:
        return StaticDirectory.from_env(environ, part)
    from chatcluster.directory.kubernetes import KubernetesDirectory  # noqa: PLC0415 - see above

    return KubernetesDirectory.from_env(environ, part, staying=staying)
