"""One Dask worker as a job of Slurm. Prints where a task runs. Usage: dask_cluster.py WRAPPER LOCAL"""

import json
import sys

from dask_jobqueue import SLURMCluster
from distributed import Client


def where():
    return sys.prefix, sys.executable


if __name__ == "__main__":
    wrapper, local = sys.argv[1:]
    cluster = SLURMCluster(
        cores=1,
        memory="1GB",
        interface="lo",
        python=wrapper,
        job_script_prologue=[f"export CONDA_STAGE_PATH='{local}' CONDA_STAGE_SKIP_LOCAL=false"],
        # The tests' Slurm manages no memory.
        job_directives_skip=["--mem"],
    )
    with cluster, Client(cluster) as client:
        cluster.scale(jobs=1)
        print(json.dumps(client.submit(where).result(timeout=60)))
