"""Beam's Python worker as a child of a Flink task manager.

It takes the place of the program ``boot`` in Beam's images, which pip does not install: it asks the
task manager where its work comes from, and becomes the worker.
"""

from __future__ import annotations

import argparse
import os

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format


def main() -> None:
    """Ask the job server for the worker's settings, and start it with them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    arguments, _ = parser.parse_known_args()
    with grpc.insecure_channel(arguments.provision_endpoint) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        message = stub.GetProvisionInfo(request, metadata=[("worker_id", arguments.id)]).info
    os.environ |= {
        "WORKER_ID": arguments.id,
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(message.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(message.logging_endpoint),
        "PIPELINE_OPTIONS": json_format.MessageToJson(message.pipeline_options),
    }
    sdk_worker_main.main([])


if __name__ == "__main__":
    main()
