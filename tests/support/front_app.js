// The app behind the front door in tests: Node's HTTP server with bulk, WebSockets and bad manners.
const crypto = require('crypto');
const http = require('http');

// A reload of the agent's config reaches the app, too.
process.on('SIGHUP', () => {});

let requests = 0; // of any kind but /seen
let hashOfBig = '';
let bytesOfSlow = 0;

// Reproducible bytes that no buffer repeats.
function noise(response, size) {
  const cipher = crypto.createCipheriv('aes-128-ctr', 'k'.repeat(16), 'i'.repeat(16));
  const hash = crypto.createHash('sha256');
  const zeros = Buffer.alloc(1 << 20);
  response.setHeader('Content-Length', String(size));
  let left = size;
  (function more() {
    while (left > 0) {
      const piece = cipher.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
      hash.update(piece);
      left -= piece.length;
      if (left === 0) hashOfBig = hash.digest('hex');
      if (!response.write(piece)) return response.once('drain', more);
    }
    response.end();
  })();
}

const answers = {
  '/big': (request, response, size) => noise(response, size),
  '/hash-of-big': (request, response) => response.end(hashOfBig),
  '/upload': (request, response) => {
    const hash = crypto.createHash('sha256');
    request.on('data', (piece) => hash.update(piece));
    request.on('end', () => response.end(hash.digest('hex')));
  },
  '/seen': (request, response) => response.end(String(requests)),
  '/body': (request, response) => {
    let body = '';
    request.on('data', (piece) => (body += piece));
    request.on('end', () => response.end('[' + body + ']'));
  },
  '/slow': (request, response, size) => {
    const piece = Buffer.alloc(64 * 1024, 's');
    bytesOfSlow = 0;
    response.setHeader('Content-Length', String(size));
    (function more() {
      while (bytesOfSlow < size) {
        bytesOfSlow += piece.length;
        if (!response.write(piece)) return response.once('drain', more);
      }
      response.end();
    })();
  },
  '/slow-bytes': (request, response) => response.end(String(bytesOfSlow)),
  '/early': (request, response) => {
    response.writeHead(413, {'Content-Length': '0'});
    response.end();
  },
};

const server = http.createServer((request, response) => {
  const [path, query] = request.url.split('?');
  if (!path.startsWith('/seen')) ++requests;
  const answer = answers[path];
  if (answer) return answer(request, response, Number(query));
  response.end('app ' + request.method + ' ' + request.url);
});

// RFC 6455, just enough of it: text frames below 126 bytes come back unmasked.
server.on('upgrade', (request, socket, head) => {
  const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = crypto.createHash('sha1')
    .update(request.headers['sec-websocket-key'] + magic).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Accept: ' + accept + '\r\n\r\n');
  let held = head;
  const take = (bytes) => {
    held = Buffer.concat([held, bytes]);
    while (held.length >= 6 && held.length >= 6 + (held[1] & 127)) {
      const size = held[1] & 127;
      const mask = held.subarray(2, 6);
      const text = Buffer.from(held.subarray(6, 6 + size).map((byte, i) => byte ^ mask[i % 4]));
      socket.write(Buffer.concat([Buffer.from([0x81, size]), text]));
      held = held.subarray(6 + size);
    }
  };
  take(Buffer.alloc(0));
  socket.on('data', take);
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
});

server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
