// Node: TCP echo and HTTP hello, by its own modules.
//
//     node node.js echo|http PORT
'use strict';

const [, , workload, port] = process.argv;
const at = { port: Number(port), host: '127.0.0.1', backlog: 1024 };

function echo(socket) {
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('error', () => socket.destroy());
}

function hello(request, response) {
    response.writeHead(200, {
        'Content-Type': 'text/plain',
        'Content-Length': 13,
    });
    response.end('Hello, World!');
}

if (workload === 'echo')
    require('net').createServer({ noDelay: true }, echo).listen(at);
else if (workload === 'http')
    require('http').createServer(hello).listen(at);
else
    process.exit(3);
