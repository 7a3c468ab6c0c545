import { createServer } from 'node:http'

/** An application that knows nothing of sign-ins: it believes the header that whoever is in front of it sets. */
const { PORT: port = '0' } = process.env

createServer((request, response) => {
  const host = (request.headers.host ?? '').split('.')[0] ?? ''
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(`<!doctype html><title>${host}: inside</title><h1>Inside ${host}</h1><p>Name <b id="name">${String(request.headers['x-user'])}</b></p>`)
}).listen(Number(port), '127.0.0.1')
