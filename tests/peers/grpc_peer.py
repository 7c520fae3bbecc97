"""A peer of grpcio. Its calls are told one a line, as JSON, as the client saw them: sizes are those of the messages, with
the five bytes before each.

  grpc_peer.py serve PORT
  grpc_peer.py call PORT [CERT]     with a certificate over TLS, to a server that sends back what it gets
"""
import json
import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """Unary and streaming in each direction; messages are bytes as they are."""

    def service(self, details):
        kind = details.method.rsplit("/", 1)[1]
        if kind == "Unary":
            return grpc.unary_unary_rpc_method_handler(lambda message, _: message)
        if kind == "Refuse":
            return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "no"))
        if kind == "Collect":
            return grpc.stream_unary_rpc_method_handler(lambda messages, _: b"".join(messages))
        if kind == "Spread":
            return grpc.unary_stream_rpc_method_handler(lambda message, _: iter([message] * 5))
        if kind == "Both":
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        return None


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def call(port, certificate):
    authority = f"localhost:{port}"
    if certificate:
        with open(certificate, "rb") as file:
            channel = grpc.secure_channel(authority, grpc.ssl_channel_credentials(file.read()))
    else:
        channel = grpc.insecure_channel(authority)
    sent = [bytes(100 * number) for number in range(1, 6)]

    def tell(name, requests, answers, status, details):
        size = lambda messages: {"body_bytes": sum(5 + len(one) for one in messages), "messages": {"count": len(messages)}}
        told = {
            "call": str(details), "protocol": "grpc", "method": "POST", "authority": authority, "path": f"/peers.Echo/{name}",
            "status": 200, "grpc_status": status, "request": size(requests), "response": size(answers),
        }
        print(json.dumps(told), flush=True)

    kinds = {
        "Unary": (channel.unary_unary, sent[:1]), "Refuse": (channel.unary_unary, sent[:1]),
        "Unknown": (channel.unary_unary, sent[:1]), "Collect": (channel.stream_unary, sent),
        "Spread": (channel.unary_stream, sent[:1]), "Both": (channel.stream_stream, sent),
    }
    # The server of the secured one sends everything back as it came.
    names = ["Unary", "Refuse", "Both"] if certificate else kinds
    for number, name in enumerate(names):
        open_method, requests = kinds[name]
        method = open_method(f"/peers.Echo/{name}")
        streams_in, streams_out = open_method in (channel.stream_unary, channel.stream_stream), open_method in (
            channel.unary_stream, channel.stream_stream)
        request = iter(requests) if streams_in else requests[0]
        answers, status = [], 0
        try:
            answer = method(request, metadata=[("x-call", str(number))], wait_for_ready=True)
            answers = list(answer) if streams_out else [answer]
        except grpc.RpcError as error:
            status = error.code().value[0]
        tell(name, requests, answers, status, number)
    channel.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 3:
        serve(int(sys.argv[2]))
    elif sys.argv[1:2] == ["call"] and len(sys.argv) in (3, 4):
        call(int(sys.argv[2]), sys.argv[3] if len(sys.argv) == 4 else None)
    else:
        sys.exit(__doc__)
