"""A hub with a proxy of its own. What belongs to a test comes as JSON by the variable HUB."""

import json
import os

c = get_config()  # noqa: F821
given = json.loads(os.environ["HUB"])
hub, api, proxy = given["ports"]

c.JupyterHub.bind_url = f"http://127.0.0.1:{hub}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = given["proxy"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "batchspawner.MultiSlurmSpawner"
c.Spawner.http_timeout = 120
# What Debian's sudo does by `sudo -E -u`, which is batchspawner's default.
c.BatchSpawnerBase.exec_prefix = "runuser -u {username} --"
# The tests' Slurm calls its node by another name than the machine's.
c.MultiSlurmSpawner.daemon_resolver = {"node": "127.0.0.1"}


def settings_of_user(spawner):
    for name, value in given["users"][spawner.user.name].items():
        setattr(spawner, name, value)


c.Spawner.pre_spawn_hook = settings_of_user
