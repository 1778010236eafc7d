// A WebSocket server made with the library that most Node apps use (ws): messages come back as they
// came. On TERM it tells its clients and ends, as such apps do.
const http = require('http');
// Debian's package is not where a script outside /usr looks.
const { WebSocketServer } = require('/usr/share/nodejs/ws');

const server = http.createServer((request, response) => response.end('app ' + request.url));
const sockets = new WebSocketServer({ server, path: '/ws' });
sockets.on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
process.on('SIGTERM', () => {
  for (const socket of sockets.clients) socket.close(1001, 'going away');
  server.close();
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
