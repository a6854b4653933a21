// Answers a POST with a 413 before its content is read, and destroys the connection.
// Arguments: certificate and key, for TLS.
const { readFileSync } = require('fs');
const [cert, key] = process.argv.slice(2);
const listener = (request, response) => {
  if (request.method !== 'POST') return response.end('ok');
  response.writeHead(413, { connection: 'close' });
  response.end('too large', () => request.socket.destroy());
};
const server = cert
  ? require('https').createServer({ cert: readFileSync(cert), key: readFileSync(key) }, listener)
  : require('http').createServer(listener);
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
