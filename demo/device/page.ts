import { pageShell, escape } from '../page.ts'
import type { GrantState } from './grant.ts'

/** The one page of the device: whether it has access, and a button that tries. */
export function devicePage(state: GrantState): string {
  return pageShell('Device', '#3d5a2a', `<h1>Device</h1>${body(state)}`)
}

const connect = '<p><a class="b" href="/connect">Connect</a></p>'

function body(state: GrantState): string {
  switch (state.kind) {
    case 'none':
      return `<p>Not connected.</p>${connect}`
    case 'ended':
      return `<p role="status"><strong>Access ended: ${escape(state.error)}.</strong></p>${connect}`
    case 'held':
      return `<p>Connected as <strong>${escape(state.user)}</strong>, last used at ${new Date(state.usedAtMs).toISOString()}.</p><p>A sign-out does not end this, unless it says so.</p>
<form method="post" action="/use"><button>Use access now</button></form>`
  }
}
