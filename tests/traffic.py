"""Traffic for the tests of live capture: real HTTP over IPv4 and IPv6, and single frames of every odd kind.

  traffic.py serve                       an HTTP/1.1 server on port 80, IPv4 and IPv6; prints "ready"
  traffic.py call CONNECTIONS CALLS      that many connections with that many calls each, to 10.99.0.2 and fd99::2
  traffic.py frames INTERFACE SEED N     frames as they are: VLAN tags, QinQ, fragments, UDP, MPLS, extension headers
"""
import http.client
import http.server
import random
import socket
import socketserver
import struct
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.path.encode() * 500
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128


def serve():
    server = Server(("::", 80), Handler)
    print("ready", flush=True)
    server.serve_forever()


def call(connections, calls):
    def one(number):
        connection = http.client.HTTPConnection(["10.99.0.2", "fd99::2"][number % 2], 80, timeout=20)
        for index in range(calls):
            path = f"/connections/{number}/calls/{index}"
            connection.request("GET", path)
            answer = connection.getresponse().read()
            if answer != path.encode() * 500:
                failed.append(path)
        connection.close()
        done.append(number)

    failed, done = [], []
    threads = [threading.Thread(target=one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(f"{len(done)} of {connections} connections, failed: {failed}" if failed or len(done) != connections else 0)


def frame(rng):
    ports = struct.pack("!HH", rng.randrange(65536), rng.randrange(65536))
    tcp = ports + struct.pack("!IIBBHHH", rng.getrandbits(32), 0, 0x50, 0x10, 512, 0, 0) + rng.randbytes(rng.randrange(40))
    protocol = rng.choice([6, 6, 6, 6, 17, 47])
    if rng.random() < 0.5:
        options = rng.choice([0, 0, 1, 10])
        fragment = rng.choice([0, 0, 0x4000, 0x4000, 0x2000, 0x2005, 5])
        ethertype = 0x0800
        packet = struct.pack("!BBHHHBBH", 0x45 + options, 0, 20 + 4 * options + len(tcp), 1, fragment, 64, protocol, 0)
        packet += rng.randbytes(8) + b"\1" * (4 * options) + tcp
    else:
        ethertype = 0x86DD
        extension = rng.random() < 0.2
        inner = (struct.pack("!BB6x", protocol, 0) if extension else b"") + tcp
        packet = struct.pack("!IHBB", 6 << 28, len(inner), 0 if extension else protocol, 64) + rng.randbytes(32) + inner
    if rng.random() < 0.1:
        ethertype, packet = 0x8847, struct.pack("!I", 0x00010140) + packet
    tags = rng.choice([[], [], [0x8100], [0x8100], [0x88A8, 0x8100], [0x8100, 0x8100, 0x8100]])
    head = b"\2\0\0\0\0\1\2\0\0\0\0\2"
    for tag in tags:
        head += struct.pack("!HH", tag, rng.randrange(1, 4095))
    return head + struct.pack("!H", ethertype) + packet


def frames(interface, seed, count):
    rng = random.Random(seed)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    print("sending", flush=True)
    for _ in range(count):
        out.send(frame(rng))


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["call"] and len(sys.argv) == 4:
        call(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["frames"] and len(sys.argv) == 5:
        frames(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(__doc__)
