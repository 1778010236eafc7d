// An app as people have one, with the routes that the examples name: /healthz and /alive ask nobody,
// /healthz/db says that its pool works, /metrics, and /ws takes WebSockets and answers their pings.
'use strict';
const crypto = require('crypto');
const http = require('http');

const server = http.createServer((request, response) => {
  const type = request.url === '/metrics' ? 'text/plain; version=0.0.4' : 'text/plain';
  response.writeHead(200, { 'Content-Type': type });
  if (request.url === '/metrics') return response.end('# TYPE app_up gauge\napp_up 1\n');
  response.end('app of uid ' + process.getuid() + ' at ' + request.url + '\n');
});

// RFC 6455, just enough of it: a ping below 126 bytes comes back as a pong, a close as a close.
server.on('upgrade', (request, socket) => {
  const accept = crypto.createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
    .digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Accept: ' + accept + '\r\n\r\n');
  socket.on('data', (frame) => {
    const [opcode, size, mask] = [frame[0] & 15, frame[1] & 127, frame.subarray(2, 6)];
    const text = frame.subarray(6, 6 + size).map((byte, i) => byte ^ mask[i % 4]);
    if (opcode === 9) socket.write(Buffer.concat([Buffer.from([0x8a, size]), text]));
    if (opcode === 8) socket.end(Buffer.concat([Buffer.from([0x88, size]), text]));
  });
  socket.on('error', () => socket.destroy());
});

process.on('SIGTERM', () => process.exit(0));
server.listen(Number(process.env.PORT), '127.0.0.1');
