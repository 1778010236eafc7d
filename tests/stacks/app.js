// The voice bot of the stack tests as it runs on Fly: Node, a pool of node-pg to its database, calls
// to third parties, a clean end.
//
// Routes: /healthz (asks nobody), /healthz/db (through the pool), /answer?host=H (a call to a third
// party), /metrics, and what breaks things: /pool/exhaust and /pool/release, /memory/fill?mb=N and
// /memory/free.
'use strict';
const http = require('http');
const https = require('https');
const v8 = require('v8');
const vm = require('vm');
const { Pool } = require('pg');

const poolSize = 3;
const patience = 500; // ms for a connection of the pool: who waits longer says so
const queryTimeout = 2000;

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: poolSize,
  connectionTimeoutMillis: patience,
  query_timeout: queryTimeout,
});
pool.on('error', () => {}); // an idle connection that dies is replaced when it is needed
const held = [];
let ballast = null;
let answers = 0;

async function ask() {
  const client = await pool.connect();
  try {
    await client.query('SELECT 1');
    client.release();
  } catch (error) {
    client.release(error); // thrown away, not given to the next
    throw error;
  }
}

function statusOf(host) {
  return new Promise((resolve, reject) => {
    const request = https.get({ host, timeout: 3000 }, (response) => {
      response.resume();
      resolve(String(response.statusCode));
    });
    request.on('timeout', () => request.destroy(new Error('no answer of ' + host)));
    request.on('error', reject);
  });
}

const routes = {
  '/healthz': () => 'alive',
  '/healthz/db': async () => {
    await ask();
    return 'the pool works';
  },
  '/answer': (url) => statusOf(url.searchParams.get('host')),
  '/metrics': () => '# TYPE app_answers_total counter\napp_answers_total ' + answers,
  '/pool/exhaust': async () => {
    while (held.length < poolSize) held.push(await pool.connect());
    return 'all taken';
  },
  '/pool/release': () => {
    while (held.length > 0) held.pop().release();
    return 'given back';
  },
  '/memory/fill': (url) => {
    ballast = Buffer.alloc(Number(url.searchParams.get('mb')) << 20, 'x');
    return 'full';
  },
  '/memory/free': () => {
    ballast = null;
    v8.setFlagsFromString('--expose-gc');
    vm.runInNewContext('gc')();
    return 'free';
  },
};

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const route = routes[url.pathname];
  let status = route ? 200 : 404;
  let body = 'no such route';
  try {
    if (route) body = await route(url);
    ++answers;
  } catch (error) {
    status = 503;
    body = error.message || error.code;
  }
  const answer = body + '\n';
  response.writeHead(status, {
    'Content-Type': 'text/plain; version=0.0.4', 'Content-Length': Buffer.byteLength(answer),
  });
  response.end(answer);
});

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 3000).unref(); // whoever is still here has had their time
});
server.listen(Number(process.env.PORT), '127.0.0.1');
