// A peer of Node's standard library. Its calls are told one a line, as JSON, as the client saw them.
//
//   node [--tls-keylog=FILE] peer.mjs serve|call PORT 1|2|websocket [VERSION CERT KEY]
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

const [what, port, kind, version, cert, key] = process.argv.slice(2);
const authority = `localhost:${port}`;
const versions = { minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };

// The paths that all servers of these tests have; an answer without a length is sent in parts.
function answer(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const [, folder, size] = request.url.split('/');
    if (folder === 'bytes') {
      response.writeHead(200, { 'Content-Length': size });
      response.end('x'.repeat(Number(size)));
    } else if (folder === 'echo') {
      response.end(Buffer.concat(parts));
    } else if (folder === 'parts') {
      for (let n = 1; n < 6; n++) response.write('p'.repeat(n * 1000));
      response.end();
    } else {
      response.writeHead(404);
      response.end('no');
    }
  });
}

// Messages of WebSocket (RFC 6455 §5.2), of fewer than 65,536 bytes; those of the client are masked.
function frame(opcode, payload, masked) {
  const long = payload.length > 125;
  const head = [0x80 | opcode, (masked ? 0x80 : 0) | (long ? 126 : payload.length)];
  if (long) head.push(payload.length >> 8, payload.length & 255);
  if (!masked) return Buffer.concat([Buffer.from(head), payload]);
  const mask = [1, 2, 3, 4];
  return Buffer.concat([Buffer.from([...head, ...mask]), payload.map((byte, at) => byte ^ mask[at % 4])]);
}

function read(socket, first, each) {
  let buffer = first;
  const take = () => {
    while (buffer.length > 1) {
      const masked = buffer[1] & 0x80;
      let [size, at] = [buffer[1] & 0x7f, 2];
      if (size === 126) {
        if (buffer.length < 4) return;
        [size, at] = [buffer.readUInt16BE(2), 4];
      }
      const mask = masked ? buffer.subarray(at, at + 4) : undefined;
      if (mask) at += 4;
      if (buffer.length < at + size) return;
      const payload = Buffer.from(buffer.subarray(at, at + size));
      if (mask) payload.forEach((byte, n) => { payload[n] = byte ^ mask[n % 4]; });
      const opcode = buffer[0] & 15;
      buffer = buffer.subarray(at + size);
      each(opcode, payload);
    }
  };
  socket.on('data', (more) => { buffer = Buffer.concat([buffer, more]); take(); });
  take();
}

function converse(request, socket, first) {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  read(socket, first, (opcode, payload) => {
    socket.write(frame(opcode, opcode === 8 ? payload : Buffer.concat([payload, payload]), false));
    if (opcode === 8) socket.end();
  });
}

function serve() {
  const secrets = version && { cert: fs.readFileSync(cert), key: fs.readFileSync(key), ...versions };
  let server;
  if (kind === '2') server = version ? http2.createSecureServer(secrets, answer) : http2.createServer(answer);
  else server = version ? https.createServer(secrets, answer) : http.createServer(answer);
  server.on('upgrade', converse);
  server.listen(Number(port), '127.0.0.1');
}

const tell = (seen) => console.log(JSON.stringify(seen));

function session(socket) {
  if (!version) return null;
  return { version: socket.getProtocol().slice(4), cipher: socket.getCipher().standardName, server_name: 'localhost' };
}

const asks = [
  ['GET', '/bytes/1000', 0], ['POST', '/echo', 5000], ['HEAD', '/bytes/17', 0], ['GET', '/parts', 0],
  ['PUT', '/echo', 60000], ['GET', '/missing', 0], ['GET', '/bytes/100000', 0],
];

function told(number, protocol, status, received, tls) {
  const [method, path, size] = asks[number];
  tell({
    call: String(number), protocol, method, authority, path, status, tls,
    request: { body_bytes: size }, response: { body_bytes: received },
  });
}

async function size(stream) {
  let bytes = 0;
  for await (const part of stream) bytes += part.length;
  return bytes;
}

async function calls1() {
  const [library, ca] = version ? [https, fs.readFileSync(cert)] : [http, undefined];
  const agent = new library.Agent({ keepAlive: true, maxSockets: 1, ca, ...(version ? versions : {}) });
  for (const [number, [method, path, length]] of asks.entries()) {
    await new Promise((done, failed) => {
      const headers = { 'X-Call': number };
      const request = library.request({ host: 'localhost', family: 4, port, method, path, headers, agent }, async (response) => {
        const tls = session(response.socket);
        told(number, 'http/1.1', response.statusCode, await size(response), tls);
        done();
      });
      request.on('error', failed);
      request.end('y'.repeat(length));
    });
  }
  agent.destroy();
}

async function calls2() {
  const secrets = version ? { ca: fs.readFileSync(cert), ...versions } : {};
  const client = http2.connect(`${version ? 'https' : 'http'}://${authority}`, { ...secrets, family: 4 });
  await Promise.all(asks.map(([method, path, length], number) => new Promise((done, failed) => {
    const stream = client.request({ ':method': method, ':path': path, 'x-call': number });
    let status;
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('error', failed);
    if (length) stream.end('y'.repeat(length));
    size(stream).then((received) => { told(number, 'h2', status, received, session(client.socket)); done(); }, failed);
  })));
  client.close();
}

function websocket() {
  const headers = {
    'X-Call': 0, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13,
    'Sec-WebSocket-Key': Buffer.alloc(16, 7).toString('base64'),
  };
  const request = http.request({ host: 'localhost', family: 4, port, path: '/chat', headers });
  request.on('upgrade', (response, socket, first) => {
    const counts = () => ({ text: { count: 0, bytes: 0 }, binary: { count: 0, bytes: 0 }, count: 0, bytes: 0 });
    const [sent, received] = [counts(), counts()];
    const count = (side, opcode, payload) => {
      if (opcode > 2) return;
      for (const one of [side, opcode === 1 ? side.text : side.binary]) {
        one.count += 1;
        one.bytes += payload.length;
      }
    };
    const messages = [1, 2, 1, 2].map((opcode, n) => [opcode, Buffer.alloc(10 + n * 90, 97)]);
    const say = () => {
      const [opcode, payload] = messages.shift() ?? [8, Buffer.from([3, 232])];
      count(sent, opcode, payload);
      socket.write(frame(opcode, payload, true));
    };
    read(socket, first, (opcode, payload) => {
      count(received, opcode, payload);
      if (opcode !== 8) return say();
      socket.end();
      const both = { call: '0', authority, path: '/chat', tls: null };
      tell({ ...both, protocol: 'http/1.1', method: 'GET', status: response.statusCode });
      tell({
        ...both, protocol: 'websocket', request: { messages: { ...sent, close_code: 1000 } },
        response: { messages: { ...received, close_code: payload.readUInt16BE(0) } },
      });
    });
    say();
  });
  request.end();
}

if (what === 'serve') serve();
else await { 1: calls1, 2: calls2, websocket }[kind]();
