/** The longest wait between two questions, and the longest for the answer to one and to a re-check. */
const backOffMsMax = 300_000
const answerMsMax = 3_000
const recheckMsMax = 15_000

/** `type` of the message that the page around the frame gets when the session of this application is over. */
export const sessionEndedMessage = 'curfew:session-ended'

/**
 * What the frame of the application runs (OpenID Connect Session Management 1.0 section 3.1). It comes as a file of its
 * own, so that no policy has to allow scripts within pages; what it works with stands in attributes of its element.
 *
 * - `unchanged`: asked again after the interval.
 * - `changed`: believed once, and only after an `unchanged` to the same question in this browser. A provider whose frame
 *   does not see its cookie may say `changed` for ever; asking it with `prompt=none` would then end every session.
 * - `error`: it can not be known here, and is not asked again on this page.
 * - Silence, and a re-check that came to nothing: asked again, each time after twice the time.
 *
 * Several tabs of one application re-check one after the other, and one of them is enough: the others read the new
 * `session_state` from the cookie.
 */
export const checkSessionScript = String.raw`'use strict'
{
  const { provider, client, cookie, again, interval } = document.currentScript.dataset
  const frame = document.querySelector('iframe')
  const providerOrigin = new URL(provider).origin
  const memory = cookie + ':unchanged'
  const stateOf = () => {
    const found = document.cookie.split('; ').find((pair) => pair.startsWith(cookie + '='))
    return found === undefined ? '' : decodeURIComponent(found.slice(cookie.length + 1))
  }
  let believed = ''
  const remember = (state) => {
    believed = state
    try { localStorage.setItem(memory, state) } catch { /* blocked: this page remembers alone */ }
  }
  const isBelieved = (state) => {
    try { return (localStorage.getItem(memory) ?? believed) === state } catch { return believed === state }
  }
  const ask = (state) => new Promise((resolve) => {
    const done = (answer) => {
      removeEventListener('message', hear)
      clearTimeout(timer)
      resolve(answer)
    }
    const hear = ({ data, origin, source }) => {
      if (origin !== providerOrigin || source !== frame.contentWindow) return
      if (data === 'unchanged' || data === 'changed' || data === 'error') done(data)
    }
    const timer = setTimeout(done, ${answerMsMax}, 'silence')
    addEventListener('message', hear)
    frame.contentWindow.postMessage(client + ' ' + state, providerOrigin)
  })
  const verdictIn = (asking) => {
    try { return asking.contentDocument?.documentElement.dataset.session ?? (asking.contentDocument === null ? '' : 'unknown') } catch { return '' }
  }
  const recheck = () => new Promise((resolve) => {
    const asking = document.createElement('iframe')
    const done = (verdict) => {
      clearTimeout(timer)
      asking.remove()
      resolve(verdict)
    }
    const timer = setTimeout(done, ${recheckMsMax}, 'unknown')
    asking.addEventListener('load', () => {
      const verdict = verdictIn(asking)
      if (verdict !== '') done(verdict)
    })
    asking.src = again
    document.body.append(asking)
  })
  const alone = (act) => navigator.locks === undefined ? act() : navigator.locks.request(memory, act)
  let waitMs = Number(interval)
  const later = (isGood) => {
    waitMs = isGood ? Number(interval) : Math.min(waitMs * 2, ${backOffMsMax})
    setTimeout(turn, waitMs)
  }
  const over = () => parent.postMessage({ type: '${sessionEndedMessage}' }, location.origin)
  const turn = async () => {
    const state = stateOf()
    if (state === '') return over()
    const answer = await ask(state)
    if (answer === 'error') return
    if (answer === 'unchanged') {
      remember(state)
      return later(true)
    }
    if (answer === 'changed' && isBelieved(state)) {
      const verdict = await alone(() => {
        if (stateOf() !== state) return 'kept'
        remember('')
        return recheck()
      })
      if (verdict === 'ended') return over()
      return later(verdict === 'kept')
    }
    if (answer === 'silence') frame.src = provider
    later(false)
  }
  addEventListener('load', () => void turn(), { once: true })
}
`
