"""How a store loses its data, while eight processes send through it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import redis

from benchmarks.limit_shared.runs import Place, Seen, Worker
from tests.support.limiter_stores import without_info
from tests.support.redis_server import RedisServer

__all__ = ["LOSSES"]

#: Seconds by which an old copy lags.
_LAG = 3.0


def restart(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Kill the server, as a power cut does, and start it again a second later."""
    here.server.kill()
    time.sleep(1)
    here.server.start()
    seen.back_at = time.monotonic()


def restart_without_info(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Do the same if the user may not call INFO."""
    here.server.kill()
    time.sleep(1)
    here.server.start()
    without_info(here.server.url)
    seen.back_at = time.monotonic()


def restore_redis(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Start the server with its data of three seconds before it was killed."""
    with redis.Redis.from_url(here.address) as client:
        client.save()
    time.sleep(_LAG)
    restart(seen, here, _)


def promote_replica(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Let a replica that lags by three seconds take over the address of a killed server."""
    port = int(here.address.rpartition(":")[2].split("/")[0])
    replica = RedisServer()
    replica.start()
    with redis.Redis.from_url(replica.url) as client:
        client.replicaof("127.0.0.1", port)
        while client.info("replication").get("master_link_status") != "up":
            time.sleep(0.01)
        client.replicaof("NO", "ONE")
        time.sleep(_LAG)
        here.server.kill()
        client.config_set("port", port)
    here.server = replica
    seen.back_at = time.monotonic()


def delete_key(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Delete the key of the limiter."""
    with redis.Redis.from_url(here.address) as client:
        client.delete("customersms:limit")
    seen.back_at = time.monotonic()


def restore_postgres(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Replace all data by an old copy, and let the server continue with it."""
    with tempfile.TemporaryDirectory() as folder:
        here.server.stop()
        here.server.copy_to(Path(folder) / "data")
        here.server.start()
        time.sleep(2 * _LAG)
        here.server.kill()
        here.server.restore(Path(folder) / "data")
        here.server.start()
    seen.back_at = time.monotonic()


def delete_file(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Delete the file and the files beside it."""
    for path in Path(here.address).parent.iterdir():
        path.unlink()
    seen.back_at = time.monotonic()


def restore_file(seen: Seen, here: Place, _: list[Worker]) -> None:
    """Replace the file by a copy that is three seconds old."""
    copy = f"{here.address}.copy"
    with closing(sqlite3.connect(here.address)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)
    time.sleep(_LAG)
    delete_file_but(here.address, copy)
    shutil.move(copy, here.address)
    seen.back_at = time.monotonic()


def delete_file_but(address: str, copy: str) -> None:
    """Delete the files beside the copy."""
    for path in Path(address).parent.iterdir():
        if str(path) != copy:
            path.unlink()


#: By kind of place, and event.
LOSSES = {
    ("redis", "restarted empty"): restart,
    ("redis-plain", "restarted empty, no INFO"): restart_without_info,
    ("redis", "restored from an old copy"): restore_redis,
    ("redis", "a lagging replica promoted"): promote_replica,
    ("redis", "the key deleted"): delete_key,
    ("postgres", "killed and started"): restart,
    ("postgres", "restored from an old copy"): restore_postgres,
    ("file", "deleted"): delete_file,
    ("file", "an old copy put in place"): restore_file,
}
