// Answers with the path that a Node application would route by.
const http = require('http');
http.createServer((request, response) => {
  let served;
  try {
    served = decodeURIComponent(new URL(request.url, 'http://back-end').pathname);
  } catch {
    served = request.url;
  }
  response.end(JSON.stringify({ served, host: request.headers.host }));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
