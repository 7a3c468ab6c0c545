import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BrowserInstruction } from '../engine/sender.ts'
import type { AuthorityContext } from './context.ts'
import { autoPostPage } from './pages/auto-post.ts'
import { type Html } from './pages/html.ts'
import { type PageContext, type PageHeaderOptions, pageHeaders, renderPage } from './pages/page.ts'
import { noStore, seeOther } from './request.ts'

/** Sends the browser to a partner with a message. */
export function sendInstruction(
  ctx: Pick<AuthorityContext, 'pageContext'>,
  request: FastifyRequest,
  reply: FastifyReply,
  instruction: BrowserInstruction
): FastifyReply {
  if (instruction.method === 'redirect') {
    if (instruction.cookie !== undefined) reply.header('set-cookie', instruction.cookie)
    return seeOther(reply, instruction.url)
  }
  const context = ctx.pageContext(request)
  const page = autoPostPage(context, instruction.url, instruction.fields)
  return reply.headers({ ...pageHeaders(context.nonce, { formsLeave: true }), ...noStore }).send(page.toString())
}

/** Sends one whole page with its headers. */
export function sendPage(reply: FastifyReply, context: PageContext, title: string, body: Html, options: PageHeaderOptions = {}): FastifyReply {
  return reply.headers(pageHeaders(context.nonce, options)).send(renderPage(context, { title, body }).toString())
}
