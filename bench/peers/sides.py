"""What the peers' scripts share: the line protocol, photos, and the networks.

A side is a process that prints one JSON line when it is ready, then one for each line it reads: {"value": …, …}.
Between its lines it sleeps, so that only one side works at a time."""
import json
import os
import sys


def serve(round_, **ready):
    print(json.dumps({"ready": True, **ready}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(round_()), flush=True)


def photo_paths(folder):
    paths = [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.lower().endswith((".jpg", ".jpeg", ".png"))]
    return sorted(paths)


def cores():
    return len(os.sched_getaffinity(0))
