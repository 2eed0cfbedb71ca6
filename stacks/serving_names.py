"""What the server is called inside its namespace: names, ports and labels that several components agree on."""

NAME = "tf-serving"
REST_SERVICE = f"{NAME}-rest"
GRPC_SERVICE = f"{NAME}-grpc"
SERVICE_ACCOUNT = NAME

REST_PORT = 8501
GRPC_PORT = 8500

# Selectors: once a Deployment is made its selector cannot change, so nothing that varies belongs here.
SERVER_LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "model-server"}
GENERATOR_LABELS = {"app.kubernetes.io/component": "load-generator"}
