// An upstream in Node: prints its port, echoes bodies, and closes idle connections soon. `/events` are server-sent, `/slow` is late.
import http from 'node:http';

const server = http.createServer((request, response) => {
  if (request.url === '/echo') {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    request.pipe(response);
  } else if (request.url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let number = 0;
    const timer = setInterval(() => {
      response.write(`data: ${number}\n\n`);
      if (++number === 5) {
        clearInterval(timer);
        response.end();
      }
    }, 50);
  } else {
    request.resume();
    request.on('end', () => response.end('hello'));
  }
});
server.keepAliveTimeout = Number(process.argv[2] ?? 5000);
// Node adds a second of its own by default.
server.keepAliveTimeoutBuffer = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
