"""What all modules of this tier need before any of them is imported."""

import sys

# One pytest process imports both Google's client of its catalogue and Pulumi's providers, which no program of ours
# does. Each brings a `google.rpc.Status` of its own, and protobuf takes only one. Google's comes with `grpc_status`,
# for errors over gRPC; its client does without where that is missing, and ours asks over REST.
sys.modules["grpc_status"] = None
