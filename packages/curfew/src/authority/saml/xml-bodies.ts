import type { FastifyInstance } from 'fastify'

/** SOAP bodies reach their handlers as octets: only the one XML reader looks into them. */
export function xmlBodies(app: FastifyInstance): void {
  app.addContentTypeParser(['text/xml', 'application/xml', 'application/soap+xml'], { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
}
